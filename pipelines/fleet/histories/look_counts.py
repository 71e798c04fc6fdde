"""Looks of many histories counted and tested at once; each history gets what `models.monitoring` gives it alone."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from models.monitoring.drift import Budget, ReferenceRates
from models.monitoring.hidden_failures import hidden_failures
from models.monitoring.looks import Grid
from models.monitoring.tested_rates import tested_rates
from models.outcomes.error_rates import MONTH
from models.outcomes.finding_errors import found_sound, work_unreported
from models.outcomes.outcomes import Outcomes
from models.sequential_tests.rate_tests import RECENT, log_evidence, log_thresholds
from models.sequential_tests.rate_tests import LookCounts as LookCounts
from pipelines.fleet.histories.recorded import history_of
from pipelines.fleet.plant.arrays import Flags, Floats


def join_counts(parts: Sequence[LookCounts]) -> LookCounts:
    """Return the histories of all parts."""
    columns = zip(*((part.missed, part.failures, part.false_episodes, part.exposure) for part in parts), strict=True)
    return LookCounts(*map(np.concatenate, columns))


def tally_looks(outcomes: Outcomes, assets: int, histories: int, grid: Grid) -> LookCounts:
    """Count the looks of all histories at once, where an asset counts once a look and no asset is set aside.

    Counted history by history it would take minutes.
    """
    length = int((outcomes.now - grid.since) // grid.every)

    def tally(frame: pd.DataFrame, weights: npt.NDArray[np.floating[Any]] | None = None) -> Floats:
        whole = (frame["look"] < length).to_numpy()
        history = history_of(frame["asset"], assets).to_numpy()[whole]
        place = history * length + frame["look"].to_numpy()[whole]
        counts = np.bincount(place, None if weights is None else weights[whole], histories * length)
        return counts.reshape(histories, length).astype(float)

    failures = _in_looks(outcomes.failures, "event_time", grid)
    failures = _first_per_asset(failures[failures["state"].isin(["missed", "caught", "prevented"])], "event_time")
    # An episode that an asset's first decision opened may have begun long before.
    blind = outcomes.decisions.loc[outcomes.decisions["covered"] <= pd.Timedelta(0), ["asset", "as_of"]]
    opened = pd.MultiIndex.from_frame(outcomes.episodes[["asset", "opened"]])
    episodes = _in_looks(outcomes.episodes[~opened.isin(pd.MultiIndex.from_frame(blind))], "opened", grid)
    decisions = _in_looks(outcomes.decisions, "as_of", grid)
    decisions = decisions[decisions["state"] != "pending"]
    unreported, misreported = hidden_failures(
        tally(episodes[episodes["state"] == "tp_prevented"]),
        tally(episodes[found_sound(episodes)]),
        tally(episodes[work_unreported(episodes)]),
        grid.findings,
    )
    false_episodes = tally(_first_per_asset(episodes[episodes["state"] == "fp"], "opened"))
    return LookCounts(
        missed=tally(failures[failures["state"] == "missed"]),
        failures=tally(failures) + unreported + misreported,
        false_episodes=np.maximum(false_episodes - misreported, 0),
        exposure=tally(decisions, (pd.to_timedelta(decisions["covered"]) / MONTH).to_numpy(dtype=float)),
    )


def rejections(counts: LookCounts, reference: ReferenceRates, budget: Budget) -> Mapping[tuple[str, str], Flags]:
    """Return by rate and test, (histories, looks), where the evidence against the reference is over its threshold.

    The looks follow the reference period, if it has a time.
    """
    begin = pd.Timestamp(0, tz="UTC") if reference.period is None else reference.period[1]
    happened = begin + budget.every * np.arange(1, counts.missed.shape[1] + 1)
    over = {}
    for name, rate in tested_rates(counts, pd.DatetimeIndex(happened), reference, budget, ()).items():
        thresholds = log_thresholds(rate.budget.alpha, rate.budget.mean_time_between_false)
        for test, values in log_evidence(rate.counted, budget.dependence, thresholds[RECENT]).items():
            over[name, test] = np.asarray(values >= thresholds[test])
    return over


def _in_looks(frame: pd.DataFrame, time: str, grid: Grid) -> pd.DataFrame:
    """Return the rows since the begin of the grid, with the number of the look by which each had matured."""
    rows = frame[frame[time] > grid.since]
    return rows.assign(look=-(-(rows["matured_at"] - grid.since) // grid.every).astype("int64") - 1)


def _first_per_asset(frame: pd.DataFrame, time: str) -> pd.DataFrame:
    return frame.sort_values(["asset", time]).drop_duplicates(["asset", "look"])
