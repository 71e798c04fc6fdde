"""Cut-offs: the moments at which assets are scored."""

from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd

from data_contracts.errors import UsageError
from features.telemetry.sorted_times import microseconds, width

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

    Returns
    -------
    pandas.DataFrame
        Columns asset and as_of, sorted by them.

    Raises
    ------
    UsageError
        When the stride is missing or not positive, or `at` is unknown.
    """
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
    return _strided(instants, width(stride), start, end)


def _strided(instants: pd.DataFrame, stride: int, start: pd.Timestamp | None, end: pd.Timestamp | None) -> pd.DataFrame:
    lifetimes = instants.groupby("asset", sort=True)["as_of"].agg(["min", "max"])
    first, last = microseconds(lifetimes["min"]), microseconds(lifetimes["max"])
    if start is not None:
        first = np.maximum(first, width(start - _EPOCH))
    if end is not None:
        last = np.minimum(last, width(end - _EPOCH))
    # In whole strides since 1970: the first at or after, the last at or before.
    begin = -(-first // stride)
    count = np.maximum(last // stride - begin + 1, 0)
    steps = np.arange(int(count.sum())) - np.repeat(np.cumsum(count) - count, count) + np.repeat(begin, count)
    as_of = pd.DatetimeIndex((steps * stride).astype("datetime64[us]"), tz="UTC")
    return pd.DataFrame({"asset": lifetimes.index.to_numpy().repeat(count), "as_of": as_of}).astype({"asset": "str"})
