"""Looks of many histories counted and tested at once; each history gets what `models.monitoring` gives it alone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from models.monitoring.drift import (
    FN,
    FP,
    RECENT,
    SINCE_PROMOTION,
    Budget,
    ReferenceRates,
    false_hypotheses,
    missed_hypotheses,
)
from models.monitoring.e_detectors import shiryaev_roberts
from models.monitoring.e_processes import Alternatives, bernoulli_alternatives, poisson_alternatives
from models.monitoring.hidden_failures import hidden_failures
from models.monitoring.looks import Grid
from models.outcomes.error_rates import MONTH
from models.outcomes.finding_errors import found_sound, work_unreported
from models.outcomes.outcomes import Outcomes
from pipelines.fleet.histories.recorded import history_of
from pipelines.fleet.plant.arrays import Flags, Floats


@dataclass(frozen=True)
class LookCounts:
    """The looks of many histories, arrays of shape (histories, looks); see `models.monitoring.looks.Look`."""

    missed: Floats
    failures: Floats  # with those that the findings may hide
    false_episodes: Floats  # less those that may hide a prevented failure
    exposure: Floats


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
    """Return by rate and test, (histories, looks), where the evidence against the reference is over its threshold."""
    missed = bernoulli_alternatives(*missed_hypotheses(reference, budget))
    false = poisson_alternatives(*false_hypotheses(reference, budget))
    missed_budget, false_budget = budget.part(budget.missed_share), budget.part(1 - budget.missed_share)
    return {
        (FN, SINCE_PROMOTION): _e_process(counts.missed, counts.failures, missed, missed_budget),
        (FN, RECENT): _e_detector(counts.missed, counts.failures, missed, missed_budget),
        (FP, SINCE_PROMOTION): _e_process(counts.false_episodes, counts.exposure, false, false_budget),
        (FP, RECENT): _e_detector(counts.false_episodes, counts.exposure, false, false_budget),
    }


def _in_looks(frame: pd.DataFrame, time: str, grid: Grid) -> pd.DataFrame:
    """Return the rows since the begin of the grid, with the number of the look by which each had matured."""
    rows = frame[frame[time] > grid.since]
    return rows.assign(look=-(-(rows["matured_at"] - grid.since) // grid.every).astype("int64") - 1)


def _first_per_asset(frame: pd.DataFrame, time: str) -> pd.DataFrame:
    return frame.sort_values(["asset", time]).drop_duplicates(["asset", "look"])


def _e_process(events: Floats, amounts: Floats, alternatives: Alternatives, budget: Budget) -> Flags:
    gains = alternatives.log_gains(events.cumsum(axis=1), amounts.cumsum(axis=1))
    return np.asarray(alternatives.log_mixture(gains) >= -np.log(budget.alpha))


def _e_detector(events: Floats, amounts: Floats, alternatives: Alternatives, budget: Budget) -> Flags:
    threshold = np.log(budget.mean_time_between_false)
    sums = np.full((len(events), len(alternatives.log_weights)), -np.inf)
    over = np.zeros(events.shape, dtype=bool)
    for look in range(events.shape[1]):
        # Equal amounts share their tables; sums of equal spans differ in the last digits.
        rounded = amounts[:, look].round(9)
        for amount in np.unique(rounded[rounded > 0]):
            own = rounded == amount
            sums[own] = shiryaev_roberts(sums[own], events[own, look], float(amount), alternatives, threshold)
        over[:, look] = alternatives.log_mixture(sums) >= threshold
    return over
