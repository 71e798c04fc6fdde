"""Cut-offs: the moments at which assets are scored."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from data_contracts.errors import UsageError
from features.telemetry.sorted_times import IntArray, microseconds, width

if TYPE_CHECKING:
    from data_contracts.tables.history import History

_EPOCH = pd.Timestamp(0, tz="UTC")


def cut_offs(
    history: "History",
    stride: pd.Timedelta | None = None,
    *,
    start: pd.Timestamp | None = None,
    end: pd.Timestamp | None = None,
    at: Literal["stride", "rows", "last"] = "stride",
    within: pd.Timedelta | None = None,
) -> pd.DataFrame:
    """Choose cut-offs between each asset's first and last reading, by event time.

    Parameters
    ----------
    history
        Its telemetry defines when an asset exists.
    stride
        The distance between cut-offs, counted from 1970-01-01T00:00Z so that all assets and runs agree; for
        ``at="stride"``.
    start, end
        Only cut-offs from ``start`` to ``end``, both included.
    at
        "stride"; or "rows": at every instant with a reading; or "last": at each asset's last reading (up to ``end``).
    within
        Only cut-offs with a reading in (as_of - within, as_of], by event time; for ``at="stride"``. No others are ever
        made, so one reading with a wrong year costs a handful of cut-offs, not those of all the years between. All
        between the first and the last reading if None.

    Returns
    -------
    pandas.DataFrame
        Columns asset and as_of, sorted by them.

    Raises
    ------
    UsageError
        When the stride is missing or not positive, or `at` is unknown.
    """
    if history.stored is not None:
        # Blocks come in the order of their assets.
        parts = [cut_offs(block, stride, start=start, end=end, at=at, within=within) for block in history.blocks()]
        return pd.concat(parts, ignore_index=True)
    instants = history.telemetry[["asset", "event_time"]].rename(columns={"event_time": "as_of"})
    if start is not None and at != "stride":
        instants = instants[instants["as_of"] >= start]
    if end is not None and at != "stride":
        instants = instants[instants["as_of"] <= end]
    if at == "rows":
        return instants.drop_duplicates().sort_values(["asset", "as_of"], ignore_index=True)
    if at == "last":
        return instants.groupby("asset", sort=True)[["as_of"]].max().reset_index()
    if at != "stride":
        raise UsageError(f"Cut-offs at {at!r}", "stride, rows or last", "Choose one of them")
    if stride is None or stride <= pd.Timedelta(0):
        raise UsageError(f"The stride {stride}", "a positive duration", "Set it, 1h for instance")
    spans = _spans(instants, width(stride), start, end, None if within is None else width(within))
    return _grid(spans, width(stride))


def count_cut_offs(
    history: "History",
    stride: pd.Timedelta,
    *,
    start: pd.Timestamp | None = None,
    end: pd.Timestamp | None = None,
) -> int:
    """Count the cut-offs that `cut_offs` gives without ``within``, without making any."""
    if history.stored is not None:
        return sum(count_cut_offs(block, stride, start=start, end=end) for block in history.blocks())
    instants = history.telemetry[["asset", "event_time"]].rename(columns={"event_time": "as_of"})
    return int(_spans(instants, width(stride), start, end, None).count.sum())


@dataclass(frozen=True)
class _Spans:
    """Runs of cut-offs, in whole strides since 1970, sorted by asset and time; no two hold the same."""

    asset: npt.NDArray[np.object_]
    begin: IntArray
    count: IntArray


def _spans(
    instants: pd.DataFrame, stride: int, start: pd.Timestamp | None, end: pd.Timestamp | None, within: int | None
) -> _Spans:
    lifetimes = instants.groupby("asset", sort=True)["as_of"].agg(["min", "max"])
    assets, first, last = lifetimes.index, microseconds(lifetimes["min"]), microseconds(lifetimes["max"])
    owner, opens, closes = np.arange(len(assets)), first, last + 1
    if within is not None and len(instants):
        owner, opens = _sorted_instants(instants, assets)
        closes = np.minimum(opens + within, last[owner] + 1)
    if start is not None:
        opens = np.maximum(opens, width(start - _EPOCH))
    if end is not None:
        closes = np.minimum(closes, width(end - _EPOCH) + 1)
    # Each from the first at or after `opens` to the last before `closes`; both ascend within an asset, so what one
    # shares with others it shares with the one before it.
    begin, stop = -(-opens // stride), -(-closes // stride)
    again = np.concatenate([np.zeros(min(len(owner), 1), dtype=np.bool_), owner[1:] == owner[:-1]])
    begin = np.where(again, np.maximum(begin, np.roll(stop, 1)), begin)
    return _Spans(assets.to_numpy(dtype=object)[owner], begin, np.maximum(stop - begin, 0))


def _sorted_instants(instants: pd.DataFrame, assets: "pd.Index[str]") -> tuple[IntArray, IntArray]:
    """Return each reading's asset, by its place among the assets, and its time, sorted by both."""
    owner = assets.get_indexer(pd.Index(instants["asset"])).astype(np.int64)
    times = microseconds(instants["as_of"])
    if not ((np.diff(owner) > 0) | ((np.diff(owner) == 0) & (np.diff(times) >= 0))).all():
        order = np.lexsort([times, owner])
        owner, times = owner[order], times[order]
    return owner, times


def _grid(spans: _Spans, stride: int) -> pd.DataFrame:
    occupied = spans.count > 0
    begin, count = spans.begin[occupied], spans.count[occupied]
    steps = np.arange(int(count.sum())) - np.repeat(np.cumsum(count) - count, count) + np.repeat(begin, count)
    as_of = pd.DatetimeIndex((steps * stride).astype("datetime64[us]"), tz="UTC")
    return pd.DataFrame({"asset": spans.asset[occupied].repeat(count), "as_of": as_of}).astype({"asset": "str"})
