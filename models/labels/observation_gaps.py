"""Observation gaps: times in which an asset was retired or its telemetry was lost.

What an alert claimed of such a time can be neither true nor false: it is censored, and only the time up to then counts
as exposure. A gap, or span, is a row with asset, begins and ends, [begins, ends); one that is not over has no end.
"""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import pandas as pd

from data_contracts.tables.corrections import last_corrections
from data_contracts.tables.history import History

RETIRED = "retired"
"""The status of an asset that is no longer in service."""

_UTC = "datetime64[us, UTC]"
_FOREVER = pd.Timestamp("2262-01-01", tz="UTC")


def unobserved_spans(history: History, *, now: pd.Timestamp) -> pd.DataFrame:
    """Return the times in which assets were retired, or from which on nothing was known of them at `now`."""
    retired = retired_spans(history.assets, now=now)
    # Of telemetry that has not been read, each asset's last row known by now says the same.
    stored = history.stored
    telemetry = history.telemetry if stored is None else stored.last_events(now).assign(known_time=now)
    return disjoint(pd.concat([retired, ended_observation(telemetry, history.failures, now=now)]))


def no_spans() -> pd.DataFrame:
    """Return a frame of spans without rows."""
    return pd.DataFrame({"asset": [], "begins": [], "ends": []}).astype({"asset": "str", "begins": _UTC, "ends": _UTC})


def retired_spans(assets: pd.DataFrame, *, now: pd.Timestamp) -> pd.DataFrame:
    """Return when assets were out of service: from the record that retires one to the next that does not.

    Records have asset, event_time, known_time and, perhaps, status; one without a status is of an asset in service. Of
    several for one asset and instant the last correction known at `now` counts.

    Examples
    --------
    >>> days = pd.date_range("2026-01-01", periods=3, tz="UTC")
    >>> records = pd.DataFrame({"asset": "m1", "event_time": days, "known_time": days, "status": [None, "retired", ""]})
    >>> span = retired_spans(records, now=days[2]).iloc[0]
    >>> f"{span['begins']:%d}", f"{span['ends']:%d}"
    ('02', '03')
    """
    if "status" not in assets.columns:
        return no_spans()
    known = assets[assets["known_time"] <= now].astype({"event_time": _UTC})
    known = last_corrections(known, ["asset", "event_time"])
    spans = known.assign(begins=known["event_time"], ends=known.groupby("asset")["event_time"].shift(-1))
    return disjoint(spans.loc[spans["status"].eq(RETIRED).fillna(False), ["asset", "begins", "ends"]])


def lost_spans(last_heard: Mapping[str, pd.Timestamp], *, silence: pd.Timedelta, now: pd.Timestamp) -> pd.DataFrame:
    """Return the assets silent for longer than `silence`, as spans without an end from their last reading on.

    `last_heard` is when the last reading of each asset became known, as `tables.asset_watermarks` gives it.
    """
    rows = [(asset, last, pd.NaT) for asset, last in last_heard.items() if last <= now and now - last > silence]
    return disjoint(pd.DataFrame(rows, columns=["asset", "begins", "ends"])) if rows else no_spans()


def ended_observation(telemetry: pd.DataFrame, failures: pd.DataFrame, *, now: pd.Timestamp) -> pd.DataFrame:
    """Return, for each asset, the time from its last sign of life on: its last reading or failure known at `now`.

    Nobody knows whether it survived that time. A silence that readings follow is none: the asset survived it.

    Examples
    --------
    >>> days = pd.date_range("2026-01-01", periods=3, tz="UTC")
    >>> readings = pd.DataFrame({"asset": "m1", "event_time": days, "known_time": days})
    >>> ended = ended_observation(readings, readings.head(0), now=days[1]).iloc[0]
    >>> f"{ended['begins']:%d}", f"{ended['ends']:%Y}"
    ('02', '2262')
    """
    # A clock that is ahead says nothing of the time to come.
    frames = [frame.loc[frame["known_time"] <= now, ["asset", "event_time"]] for frame in (telemetry, failures)]
    known = [frame[frame["event_time"] <= now] for frame in frames if len(frame)] or frames[:1]
    last = pd.concat(known).groupby("asset")["event_time"].max()
    return disjoint(last.rename("begins").reset_index().assign(ends=_FOREVER))


def disjoint(spans: pd.DataFrame) -> pd.DataFrame:
    """Merge the spans of each asset that overlap or touch, sorted; one that is not over ends in the far future."""
    if spans.empty:
        return no_spans()
    # Where no span is over yet, the column of ends holds no time, and so has no time zone.
    times = {name: pd.to_datetime(spans[name], utc=True) for name in ("begins", "ends")}
    typed = spans[["asset"]].assign(**times).astype({"asset": "str", "begins": _UTC, "ends": _UTC})
    typed = typed.fillna({"ends": _FOREVER}).sort_values(["asset", "begins", "ends"], ignore_index=True)
    reached = typed.groupby("asset")["ends"].cummax()
    apart = typed["begins"] > reached.groupby(typed["asset"]).shift()
    number = (apart | ~typed["asset"].duplicated()).cumsum()
    united = typed.groupby(number).agg(asset=("asset", "first"), begins=("begins", "min"), ends=("ends", "max"))
    return united.reset_index(drop=True)


def overlapping(
    asset: "pd.Series[str]", opens: "pd.Series[pd.Timestamp]", closes: "pd.Series[pd.Timestamp]", spans: pd.DataFrame
) -> npt.NDArray[np.bool_]:
    """Mark the intervals (opens, closes] of assets that overlap a span; shape (n,)."""
    if spans.empty or not len(asset):
        return np.zeros(len(asset), dtype=np.bool_)
    intervals = pd.DataFrame({"asset": asset.array, "opens": opens.array, "closes": closes.array})
    intervals = intervals.astype({"asset": "str", "opens": _UTC, "closes": _UTC}).assign(row=np.arange(len(intervals)))
    # Of disjoint spans the last to begin before the close is the one that reaches furthest.
    last_begun = pd.merge_asof(
        intervals.sort_values("closes"),
        disjoint(spans).sort_values("begins"),
        left_on="closes",
        right_on="begins",
        by="asset",
        allow_exact_matches=False,
    ).sort_values("row")
    return np.asarray(last_begun["ends"] > last_begun["opens"], dtype=np.bool_)


def followed_hours(
    cut_offs: pd.DataFrame, spans: pd.DataFrame, replaced: pd.DataFrame, *, known_until: pd.Timestamp
) -> npt.NDArray[np.float64]:
    """Count the hours from each cut-off (asset, as_of) on in which its machine was observed without a break; (n,).

    Up to the next span, the next machine in its place (asset, event_time), or `known_until`.
    """
    ends = pd.concat(
        [spans[["asset", "begins"]], replaced.rename(columns={"event_time": "begins"})[["asset", "begins"]]]
    ).astype({"asset": "str", "begins": _UTC})
    begun = cut_offs[["asset", "as_of"]].astype({"asset": "str", "as_of": _UTC}).assign(row=np.arange(len(cut_offs)))
    following = pd.merge_asof(
        begun.sort_values("as_of"),
        ends.sort_values("begins"),
        left_on="as_of",
        right_on="begins",
        by="asset",
        direction="forward",
    ).sort_values("row")
    until = following["begins"].where(following["begins"] <= known_until, known_until)
    hours = (pd.to_timedelta(until - following["as_of"]) / pd.Timedelta(hours=1)).to_numpy(dtype=np.float64)
    return np.asarray(np.maximum(hours, 0.0))


def unobserved_time(
    asset: "pd.Series[str]", opens: "pd.Series[pd.Timestamp]", closes: "pd.Series[pd.Timestamp]", spans: pd.DataFrame
) -> "pd.Series[pd.Timedelta]":
    """Measure how much of each interval (opens, closes] lies in spans; the three series share one index."""
    lost = pd.Series(pd.Timedelta(0), index=asset.index, dtype="timedelta64[us]")
    intervals = pd.DataFrame({"asset": asset.array, "opens": opens.array, "closes": closes.array})
    pairs = intervals.astype({"asset": "str", "opens": _UTC, "closes": _UTC}).assign(row=np.arange(len(asset)))
    pairs = pairs.merge(disjoint(spans), on="asset")
    times = {name: pairs[name].dt.tz_localize(None).to_numpy() for name in ("opens", "closes", "begins", "ends")}
    inside = np.minimum(times["closes"], times["ends"]) - np.maximum(times["opens"], times["begins"])
    by_row = pd.Series(inside, index=pairs["row"])[inside > np.timedelta64(0)].groupby(level=0).sum()
    lost.iloc[by_row.index] = by_row.array
    return lost
