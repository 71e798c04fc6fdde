"""Counts of an evaluation week by week: how much its error rates vary, and when of the year they were measured."""

from dataclasses import astuple, dataclass
from typing import Any

import numpy as np
import pandas as pd

from models.outcomes.outcomes import Outcomes

WEEK = pd.Timedelta(days=7)
MOST_WEEKS = 78
"""A registry's tag holds eight thousand characters."""


@dataclass(frozen=True)
class WeekCounts:
    """What happened in a week, as `models.monitoring.looks` counts it with one event an asset."""

    at: pd.Timestamp  # its end
    missed: int
    failures: int
    false_episodes: int
    exposure: float  # asset-months watched

    @property
    def failures_at_most(self) -> int:
        """The failures: an evaluation has no hidden ones."""
        return self.failures

    @property
    def false_at_least(self) -> int:
        """The false episodes: an evaluation has none that hide a failure."""
        return self.false_episodes

    def to_list(self) -> list[Any]:
        """Return plain values, the time in ISO 8601."""
        return [self.at.isoformat(), *astuple(self)[1:]]

    @classmethod
    def from_list(cls, values: list[Any]) -> "WeekCounts":
        """Read what `to_list` returned."""
        return cls(pd.Timestamp(values[0]), *values[1:])


def weekly_counts(outcomes: Outcomes, since: pd.Timestamp, month: pd.Timedelta) -> tuple[WeekCounts, ...]:
    """Count the last whole matured weeks after a time, without those in which nothing was watched."""
    weeks = max(int((outcomes.matured_until - since) // WEEK), 0)
    failures = _in_weeks(outcomes.failures, "event_time", since, weeks)
    failures = _first_per_asset(failures[failures["state"].isin(["missed", "caught", "prevented"])], "event_time")
    decisions = _in_weeks(outcomes.decisions, "as_of", since, weeks)
    # An episode that an asset's first decision opened may have begun long before.
    blind = decisions.loc[decisions["covered"] <= pd.Timedelta(0), ["asset", "as_of"]]
    episodes = _in_weeks(outcomes.episodes, "opened", since, weeks)
    opened = pd.MultiIndex.from_frame(episodes[["asset", "opened"]])
    false = episodes[(episodes["state"] == "fp") & ~opened.isin(pd.MultiIndex.from_frame(blind))]
    columns = (
        np.bincount(failures.loc[failures["state"] == "missed", "week"], minlength=weeks),
        np.bincount(failures["week"], minlength=weeks),
        np.bincount(_first_per_asset(false, "opened")["week"], minlength=weeks),
        np.bincount(decisions["week"], pd.to_timedelta(decisions["covered"]) / month, minlength=weeks),
    )
    counted = [
        WeekCounts(since + (week + 1) * WEEK, int(missed), int(failed), int(alarms), round(float(watched), 4))
        for week, (missed, failed, alarms, watched) in enumerate(zip(*columns, strict=True))
    ]
    return tuple(week for week in counted if week.failures or week.exposure)[-MOST_WEEKS:]


def _in_weeks(frame: pd.DataFrame, time: str, since: pd.Timestamp, weeks: int) -> pd.DataFrame:
    """Return the rows of the weeks, with the number of the week; what happened exactly at its end belongs to it."""
    number = -(-(frame[time] - since) // WEEK) - 1
    inside = (number >= 0) & (number < weeks)
    return frame[inside].assign(week=number[inside].astype("int64"))


def _first_per_asset(frame: pd.DataFrame, time: str) -> pd.DataFrame:
    return frame.sort_values(["asset", time]).drop_duplicates(["asset", "week"])
