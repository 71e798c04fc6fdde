"""A measured condition (wear, a valve's position) as what is predicted: its value, or when it crosses a threshold.

The condition is a channel of the telemetry. Its value at a cut-off, or a horizon later, is the last reading of the
stride that ends then (see `reach_at_readings` where there is no stride); without one the sample is unknown. A crossing
is a reading beyond the threshold after none, or after a reading that was not, and counts as a failure of the asset;
while the condition stays beyond the threshold, the asset's cut-offs are no samples.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from data_contracts.tables.telemetry import reconcile
from models.labels.labels import NO_TIME

Direction = Literal["above", "below"]

_UTC = "datetime64[us, UTC]"


@dataclass(frozen=True)
class Threshold:
    """A value of a condition that an asset crosses when it counts as failed."""

    channel: str
    value: float
    direction: Direction = "above"

    def __str__(self) -> str:
        return f"{self.channel} {self.direction} {self.value:g}"

    def crossings(self, telemetry: pd.DataFrame) -> pd.DataFrame:
        """Return the crossings of it, as `crossings` does."""
        return crossings(telemetry, self.channel, threshold=self.value, direction=self.direction)

    def is_beyond(self, values: "pd.Series[float]") -> "pd.Series[bool]":
        """Return whether each value is beyond it; one that is equal is not."""
        return values > self.value if self.direction == "above" else values < self.value

    def already_beyond(self, cut_offs: pd.DataFrame, telemetry: pd.DataFrame) -> npt.NDArray[np.bool_]:
        """Mark the cut-offs at which it is crossed already, as `already_beyond` does."""
        return already_beyond(cut_offs, telemetry, self.channel, threshold=self.value, direction=self.direction)


@dataclass(frozen=True)
class PredictedCondition:
    """The measured condition that a model is about: whose value it predicts, or when it crosses a threshold."""

    channel: str
    unit: str | None = None
    threshold: float | None = None  # None where its value is predicted
    direction: Direction | None = None  # beyond which side it is bad
    is_feature: bool = False  # whether the model knows its past readings

    @property
    def rule(self) -> Threshold | None:
        """Return the threshold that counts; None where a value is predicted."""
        return None if self.threshold is None else Threshold(self.channel, self.threshold, self.direction or "above")

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values, without what is None."""
        return {name: value for name, value in vars(self).items() if value is not None}


def condition_values(
    cut_offs: pd.DataFrame,
    telemetry: pd.DataFrame,
    channel: str,
    *,
    ahead: pd.Timedelta = NO_TIME,
    reach: pd.Timedelta,
    known_until: pd.Timestamp,
) -> "pd.Series[float]":
    """Return the condition of each cut-off's asset `ahead` of it, with the index of `cut_offs`.

    It is the last value with an event time in (as_of + ahead - reach, as_of + ahead] that is known by `known_until`;
    NaN where there is none, or where it may not be known yet.

    Examples
    --------
    >>> times = pd.date_range("2026-01-01", periods=3, freq="h", tz="UTC")
    >>> telemetry = pd.DataFrame({"asset": "t1", "event_time": times, "known_time": times, "wear": [0.0, 10.0, None]})
    >>> cut_offs = pd.DataFrame({"asset": "t1", "as_of": times})
    >>> hour = pd.Timedelta("1h")
    >>> list(condition_values(cut_offs, telemetry, "wear", reach=hour, known_until=times[2]))
    [0.0, 10.0, nan]
    >>> list(condition_values(cut_offs, telemetry, "wear", ahead=hour, reach=hour, known_until=times[2]))
    [10.0, nan, nan]
    """
    at = cut_offs["as_of"] + ahead
    keys = pd.DataFrame({"asset": cut_offs["asset"].astype("str").array, "at": at.array})
    keys = keys.astype({"at": _UTC}).assign(row=np.arange(len(keys)))
    readings = _readings(telemetry, channel, known_until).rename(columns={"event_time": "at"})
    joined = pd.merge_asof(
        keys.sort_values("at", kind="stable"), readings.assign(read_at=readings["at"]), on="at", by="asset"
    ).sort_values("row")
    fresh = (joined["at"] - joined["read_at"] < reach) & (joined["at"] <= known_until)
    return pd.Series(joined[channel].where(fresh).to_numpy(np.float64), index=cut_offs.index, name="condition")


def last_values(telemetry: pd.DataFrame, channel: str) -> pd.DataFrame:
    """Return the last reading of a condition of each asset: event_time and the channel, by asset."""
    last = _readings(telemetry, channel, None).drop_duplicates("asset", keep="last")
    return last.set_index("asset")[["event_time", channel]]


def reach_at_readings(telemetry: Iterable[pd.DataFrame], channel: str, ahead: pd.Timedelta) -> pd.Timedelta:
    """Return how old a value may be where cut-offs are at the readings: no older than the cut-off's own reading.

    Ahead of it there need be no reading at the very time, so two intervals between readings are allowed. Telemetry may
    come in parts that have no asset in common.
    """
    if ahead == NO_TIME:
        return pd.Timedelta(microseconds=1)
    # Counted, as there are as many as readings and mostly few that differ.
    counts = pd.concat([_intervals(rows, channel).value_counts() for rows in telemetry]).groupby(level=0).sum()
    interval = _median(counts)
    if ahead == NO_TIME or pd.isna(interval):
        return pd.Timedelta(microseconds=1)
    return min(ahead, pd.Timedelta(2 * interval))


def _intervals(telemetry: pd.DataFrame, channel: str) -> "pd.Series[pd.Timedelta]":
    times = _readings(telemetry, channel, None).sort_values(["asset", "event_time"], kind="stable")
    return times.groupby("asset")["event_time"].diff().dropna()


def _median(counts: "pd.Series[int]") -> Any:
    """Return the median of durations of which each, ascending, occurs so often; NaT without any."""
    upto = counts.cumsum().to_numpy()
    if not len(upto):
        return pd.NaT
    middle = [np.searchsorted(upto, place, side="right") for place in ((upto[-1] - 1) // 2, upto[-1] // 2)]
    return pd.Series(counts.index[middle]).median()


def crossings(telemetry: pd.DataFrame, channel: str, *, threshold: float, direction: Direction) -> pd.DataFrame:
    """Return the crossings of a threshold as failures: failure_id, asset, event_time, known_time, mode.

    A reading equal to the threshold is not beyond it.
    """
    beyond = _beyond(telemetry, channel, threshold, direction)
    begins = beyond["beyond"] & ~beyond.groupby("asset")["beyond"].shift(fill_value=False)
    crossed = beyond.loc[begins, ["asset", "event_time", "known_time"]].reset_index(drop=True)
    times = crossed["event_time"].dt.strftime("%Y-%m-%dT%H:%M:%S.%f")
    return crossed.assign(
        failure_id=(crossed["asset"] + " " + times).astype("str"), mode=f"{channel} {direction} {threshold:g}"
    )[["failure_id", "asset", "event_time", "known_time", "mode"]]


def already_beyond(
    cut_offs: pd.DataFrame, telemetry: pd.DataFrame, channel: str, *, threshold: float, direction: Direction
) -> npt.NDArray[np.bool_]:
    """Mark the cut-offs whose asset's last reading of the condition is beyond the threshold; shape (n_cut_offs,).

    All of the telemetry counts, whenever it became known; see `models.labels.known_condition`.
    """
    beyond = _beyond(telemetry, channel, threshold, direction).sort_values("event_time", kind="stable")
    keys = pd.DataFrame({"asset": cut_offs["asset"].astype("str").array, "as_of": cut_offs["as_of"].array})
    keys = keys.astype({"as_of": _UTC}).assign(row=np.arange(len(keys))).sort_values("as_of", kind="stable")
    joined = pd.merge_asof(
        keys, beyond[["asset", "event_time", "beyond"]], left_on="as_of", right_on="event_time", by="asset"
    ).sort_values("row")
    return joined["beyond"].eq(True).fillna(False).to_numpy(dtype=np.bool_)  # a value, no option


def _beyond(telemetry: pd.DataFrame, channel: str, threshold: float, direction: Direction) -> pd.DataFrame:
    readings = _readings(telemetry, channel, None).sort_values(["asset", "event_time"], kind="stable")
    return readings.assign(beyond=Threshold(channel, threshold, direction).is_beyond(readings[channel]))


def _readings(telemetry: pd.DataFrame, channel: str, known_until: pd.Timestamp | None) -> pd.DataFrame:
    """Return the reconciled values of the channel, sorted by event time."""
    rows = telemetry if known_until is None else telemetry[telemetry["known_time"] <= known_until]
    values = reconcile(rows, [channel]).astype(
        {"asset": "str", "event_time": _UTC, "known_time": _UTC, channel: np.float64}
    )
    return values[values[channel].notna()].sort_values("event_time", kind="stable", ignore_index=True)
