"""Looks at a champion: what has matured between one look and the next.

Looks are on a grid that begins with the champion's promotion, however often the monitor runs. So a test that is fed
with them decides the same whether it runs every day or once a month, and whatever is immature is in none of them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from models.monitoring.hidden_failures import hidden_failures
from models.outcomes.error_rates import MONTH
from models.outcomes.finding_errors import FindingQuality, found_sound, work_unreported
from models.outcomes.outcomes import Outcomes
from models.outcomes.stratum_counts import Membership, StratumCounts, count_strata


@dataclass(frozen=True)
class Look:
    """What has matured since the look before.

    False episodes are without those that an asset's first decision opened: they may have begun at any time before it,
    and none of that time was watched.
    """

    at: pd.Timestamp
    missed: int
    failures: int  # missed, caught and prevented
    false_episodes: int
    exposure: float  # asset-months watched
    unreported: int = 0  # failures that may have been prevented by work whose finding nobody reported, at most
    misreported: int = 0  # failures that may have been prevented although the finding was "no fault", at most
    strata: tuple[StratumCounts, ...] = ()  # the same counts by stratum, of those with any; empty without strata

    @property
    def totals(self) -> dict[str, Any]:
        """Return its time and counts, of all strata together."""
        return {name: value for name, value in vars(self).items() if name != "strata"}

    @property
    def failures_at_most(self) -> int:
        """Failures, with as many hidden ones as the findings allow."""
        return self.failures + self.unreported + self.misreported

    @property
    def false_at_least(self) -> int:
        """False episodes, less those that may hide a prevented failure."""
        return max(self.false_episodes - self.misreported, 0)


@dataclass(frozen=True)
class Grid:
    """When looks are taken, and what counts in them.

    With `one_per_asset` only the first failure and the first false episode of an asset count in each look: events with
    one cause are then one event.
    """

    since: pd.Timestamp  # only decisions, episodes and failures after it count
    every: pd.Timedelta
    one_per_asset: bool = True
    set_aside: Mapping[str, pd.Timestamp] = field(default_factory=dict)  # assets in doubt, from when on
    findings: FindingQuality = field(default_factory=FindingQuality)  # how far findings can be trusted
    membership: Membership | None = None  # the strata by which is counted as well; None for none


def count_looks(outcomes: Outcomes, grid: Grid, *, only: "frozenset[str] | None" = None) -> tuple[Look, ...]:
    """Count what has matured in each whole step of the grid up to now; empty looks included.

    `only` limits it to the assets of a slice.
    """
    steps = max(int((outcomes.now - grid.since) // grid.every), 0)
    failures = _in_grid(outcomes.failures, "event_time", grid, only)
    failures = _first_per_asset(failures[failures["state"].isin(["missed", "caught", "prevented"])], "event_time", grid)
    episodes = _in_grid(_opened_while_watched(outcomes), "opened", grid, only)
    false_episodes = _first_per_asset(episodes[episodes["state"] == "fp"], "opened", grid)
    decisions = _in_grid(outcomes.decisions, "as_of", grid, only)
    decisions = decisions[decisions["state"] != "pending"]
    failed = _tally(failures, steps)
    missed = _tally(failures[failures["state"] == "missed"], steps)
    alarms = _tally(false_episodes, steps)
    prevented, cleared, unreported = (
        _tally(episodes[rows], steps).astype(np.float64)
        for rows in (episodes["state"] == "tp_prevented", found_sound(episodes), work_unreported(episodes))
    )
    behind_missing, behind_wrong = hidden_failures(prevented, cleared, unreported, grid.findings)
    watched = np.bincount(
        decisions["look"], weights=decisions["covered"].dt.total_seconds() / MONTH.total_seconds(), minlength=steps + 1
    )[:steps]
    strata = (
        {} if grid.membership is None else count_strata(failures, false_episodes, decisions, grid.membership, MONTH)
    )
    return tuple(
        Look(
            grid.since + (step + 1) * grid.every,
            int(missed[step]),
            int(failed[step]),
            int(alarms[step]),
            months,
            unreported=int(behind_missing[step]),
            misreported=int(behind_wrong[step]),
            strata=strata.get(step, ()),
        )
        for step, months in enumerate(map(float, watched))
    )


def _opened_while_watched(outcomes: Outcomes) -> pd.DataFrame:
    """Return the episodes opened by a decision that covers some time."""
    blind = outcomes.decisions.loc[outcomes.decisions["covered"] <= pd.Timedelta(0), ["asset", "as_of"]]
    opened = pd.MultiIndex.from_frame(outcomes.episodes[["asset", "opened"]])
    return outcomes.episodes[~opened.isin(pd.MultiIndex.from_frame(blind))]


def _in_grid(frame: pd.DataFrame, time: str, grid: Grid, only: "frozenset[str] | None") -> pd.DataFrame:
    """Return the rows that count, with the number of the look by which each had matured."""
    counts = frame[time] > grid.since
    if only is not None:
        counts &= frame["asset"].isin(list(only))
    if grid.set_aside:
        in_doubt_since = frame["asset"].map(pd.Series(grid.set_aside, dtype="datetime64[us, UTC]"))
        counts &= ~(frame[time] > in_doubt_since).fillna(False)
    kept = frame[counts]
    # What matured exactly at a look belongs to it.
    steps = -(-(kept["matured_at"] - grid.since) // grid.every)
    return kept.assign(look=steps.astype("int64") - 1)


def _first_per_asset(frame: pd.DataFrame, time: str, grid: Grid) -> pd.DataFrame:
    if not grid.one_per_asset:
        return frame
    return frame.sort_values(["asset", time]).drop_duplicates(["asset", "look"])


def _tally(frame: pd.DataFrame, steps: int) -> "np.ndarray[tuple[int], np.dtype[np.int64]]":
    # What matures after the last whole look waits for the next.
    return np.bincount(frame["look"], minlength=steps + 1)[:steps]
