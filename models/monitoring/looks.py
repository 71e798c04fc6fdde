"""Looks at a champion: what has matured between one look and the next.

Looks stand on a grid that begins when the champion took office, however often somebody asks. So a test that is fed with
them gives the same answer whether it is asked every day or once a month, and whatever is immature is in none of them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from models.outcomes.error_rates import MONTH
from models.outcomes.outcomes import Outcomes


@dataclass(frozen=True)
class Look:
    """What has matured since the look before.

    Parameters
    ----------
    at : pd.Timestamp
        The time of the look.
    missed, failures : int
        Failures missed, of those missed, caught and prevented.
    false_episodes : int
        False alarm episodes, without those that an asset's first decision opened: they may have begun at any time
        before it, and none of that was watched.
    exposure : float
        Asset-months watched.
    """

    at: pd.Timestamp
    missed: int
    failures: int
    false_episodes: int
    exposure: float


@dataclass(frozen=True)
class Grid:
    """When looks are taken, and what counts in them.

    Parameters
    ----------
    since : pd.Timestamp
        The begin: only decisions, episodes and failures after it count.
    every : pd.Timedelta
        Between looks.
    one_per_asset : bool
        Whether an asset counts with its first failure and its first false episode of a look only: what has one cause
        is then one event.
    set_aside : mapping of str to pd.Timestamp
        Assets whose outcomes do not count from a time on, because their data are in doubt.
    """

    since: pd.Timestamp
    every: pd.Timedelta
    one_per_asset: bool = True
    set_aside: Mapping[str, pd.Timestamp] = field(default_factory=dict)


def looks(known: Outcomes, grid: Grid, *, only: "frozenset[str] | None" = None) -> tuple[Look, ...]:
    """Count what has matured, look by look, up to the last whole one.

    Parameters
    ----------
    known : Outcomes
        What became of one model's predictions.
    grid : Grid
        When looks are taken, and what counts.
    only : frozenset of str, optional
        The assets of a slice; all of them if None.

    Returns
    -------
    tuple of Look
        One for each whole step of the grid up to now; empty ones included.

    Examples
    --------
    See ``tests/models/test_models_looks.py``.
    """
    count = max(int((known.now - grid.since) // grid.every), 0)
    failures = _counted(known.failures, "event_time", grid, only)
    failures = _first_each(failures[failures["state"].isin(["missed", "caught", "prevented"])], "event_time", grid)
    episodes = _counted(_exposed(known), "opened", grid, only)
    false = _first_each(episodes[episodes["state"] == "fp"], "opened", grid)
    decided = _counted(known.decisions, "as_of", grid, only)
    decided = decided[decided["state"] != "pending"]
    trials = _tally(failures, count)
    missed = _tally(failures[failures["state"] == "missed"], count)
    alarms = _tally(false, count)
    watched = np.bincount(
        decided["look"], weights=decided["covered"].dt.total_seconds() / MONTH.total_seconds(), minlength=count + 1
    )[:count]
    return tuple(
        Look(grid.since + (place + 1) * grid.every, int(missed[place]), int(trials[place]), int(alarms[place]), months)
        for place, months in enumerate(map(float, watched))
    )


def _exposed(known: Outcomes) -> pd.DataFrame:
    """Keep the episodes that a decision opened which covers some time."""
    blind = known.decisions.loc[known.decisions["covered"] <= pd.Timedelta(0), ["asset", "as_of"]]
    opened = pd.MultiIndex.from_frame(known.episodes[["asset", "opened"]])
    return known.episodes[~opened.isin(pd.MultiIndex.from_frame(blind))]


def _counted(frame: pd.DataFrame, time: str, grid: Grid, only: "frozenset[str] | None") -> pd.DataFrame:
    """Keep what counts, with the number of the look in which it had matured."""
    inside = frame[time] > grid.since
    if only is not None:
        inside &= frame["asset"].isin(list(only))
    if grid.set_aside:
        doubted = frame["asset"].map(pd.Series(grid.set_aside, dtype="datetime64[us, UTC]"))
        inside &= ~(frame[time] > doubted).fillna(False)
    kept = frame[inside]
    # Matured exactly at a look belongs to it.
    steps = -(-(kept["matured_at"] - grid.since) // grid.every)
    return kept.assign(look=steps.astype("int64") - 1)


def _first_each(frame: pd.DataFrame, time: str, grid: Grid) -> pd.DataFrame:
    if not grid.one_per_asset:
        return frame
    return frame.sort_values(["asset", time]).drop_duplicates(["asset", "look"])


def _tally(frame: pd.DataFrame, count: int) -> "np.ndarray[tuple[int], np.dtype[np.int64]]":
    # What matures after the last whole look waits for the next.
    return np.bincount(frame["look"], minlength=count + 1)[:count]
