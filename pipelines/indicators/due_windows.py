"""Which windows are due after an arrival, and which of them are computed together."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from features.indicators.plan import IndicatorPlan
from features.telemetry.sorted_times import IntArray, expand, width


@dataclass(frozen=True)
class Block:
    """Windows that are computed together."""

    name: str
    ends: Mapping[str, IntArray]  # by asset, microseconds since 1970, ascending
    known: Mapping[str, pd.Timestamp]  # by asset, the known time from which on their versions are new

    @property
    def first(self) -> pd.Timestamp:
        """Return the earliest end of a window."""
        return _time(min(int(ends[0]) for ends in self.ends.values()))

    @property
    def last(self) -> pd.Timestamp:
        """Return the latest end of a window."""
        return _time(max(int(ends[-1]) for ends in self.ends.values()))


def due_windows(
    plan: IndicatorPlan, new: pd.DataFrame, before: pd.DataFrame, unsettled: "pd.Series[pd.Timestamp]"
) -> pd.DataFrame:
    """List the windows with a new row, and those that new rows complete: columns asset and end (microseconds).

    `new` is what arrived, as `arrivals` has it by the plan's steps; `before` is what was known of each asset, as
    `known_before` has it. Of some assets windows are due from the time `unsettled` on, as new rows were known before
    what completed those. A window is due only if some row lies at its end or later.
    """
    step, span = width(plan.step), width(plan.window)
    last = new.groupby("asset")["last"].max()
    begun = before["last"].reindex(last.index).dropna()
    # The windows that the last row before lies in are complete only now.
    first = np.concatenate([_us(new["begin"]), _us(begun), _us(unsettled)])
    final = np.concatenate([_us(new["last"]), _us(begun), _us(last.reindex(unsettled.index))])
    asset = np.concatenate(
        [new["asset"].to_numpy(dtype=object), *(each.index.to_numpy(dtype=object) for each in (begun, unsettled))]
    )
    begin = -(-first // step)
    number, end = expand(begin, np.maximum(begin, -(-(final + span) // step)))
    owner = asset[number]
    latest = pd.concat([last, begun]).groupby(level=0).max()
    end = end * step
    complete = end <= _us(latest)[latest.index.get_indexer(pd.Index(owner))]
    due = pd.DataFrame({"asset": owner[complete], "end": end[complete]}).drop_duplicates()
    return due.sort_values(["end", "asset"], ignore_index=True)


def blocks(plan: IndicatorPlan, due: pd.DataFrame, new: pd.DataFrame, most_rows: int) -> tuple[Block, ...]:
    """Cut windows into blocks, earliest first, each of one stretch of time and about so many rows of telemetry."""
    if due.empty:
        return ()
    known = new.groupby("asset")["known"].min()
    # As many rows a window as the fullest step that arrived says.
    densest = int(new["rows"].max()) * max(1, -(-width(plan.window) // width(plan.step)) + 1)
    most = max(1, most_rows // densest)
    step, span = width(plan.step), width(plan.window)
    ends = due["end"].to_numpy()
    stretch = np.cumsum(np.append(False, np.diff(ends) > step + span))
    parts = [part for _, part in due.groupby([stretch, np.arange(len(due)) // most])]
    return tuple(_block(part, known) for part in parts)


def _block(due: pd.DataFrame, known: "pd.Series[pd.Timestamp]") -> Block:
    ends = {str(asset): np.sort(own["end"].to_numpy()) for asset, own in due.groupby("asset")}
    first, last = due.iloc[0], due.iloc[-1]
    name = f"{first['asset']} {first['end']} to {last['asset']} {last['end']}"
    return Block(name, ends, {asset: known[asset] for asset in ends if asset in known.index})


def _us(times: "pd.Series[pd.Timestamp]") -> IntArray:
    return times.dt.as_unit("us").to_numpy(dtype="datetime64[us]").astype(np.int64)


def _time(microseconds: int) -> pd.Timestamp:
    return pd.Timestamp(microseconds, unit="us", tz="UTC")
