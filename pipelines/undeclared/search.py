"""Look through stored telemetry for what nobody declared, a block of assets at a time."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from data_contracts.contract.contract import Contract
from data_contracts.contract.registered import find_telemetry_contract
from data_contracts.tables import tables
from data_contracts.tables.blocks.stored_telemetry import StoredTelemetry, TelemetryQuery
from data_contracts.tables.telemetry import channels_among, reconcile
from data_contracts.workspace import Workspace
from features.clock import clock_of
from features.telemetry.machines import replacements
from features.telemetry.sorted_times import microseconds
from models.diagnosis.counter_signs import CounterSigns, counter_signs, restarts
from models.diagnosis.diagnosis_types import Limits
from models.diagnosis.level_breaks import LEAST, level_break
from pipelines.undeclared.findings import Undeclared, UndeclaredCounter, UnrecordedExchange, are_regimes, fleet_breaks

Floats = npt.NDArray[np.float64]

_MOST_ROWS = 20_000_000  # more, and some of the assets are looked at
_GAP = 3  # intervals
_TOGETHER = 5  # intervals within which the channels of one asset break at once
_RECORDED = pd.Timedelta(days=1)  # how far from a break the record may be that explains it
_MOVED = 0.7  # in standard deviations between the first and the last readings: less, and nothing broke for good


@dataclass(frozen=True)
class _Sign:
    """A break of a channel, or a counter that starts again."""

    asset: str
    at: pd.Timestamp
    channel: str
    interval: pd.Timedelta  # usual between two readings
    paused: bool
    levels: tuple[float, float] | None  # None where a counter starts again


def find_undeclared(workspace: Workspace, asset_type: str, rows: "pd.Series[int]", *, now: pd.Timestamp) -> Undeclared:
    """Look for counters and exchanges among stored telemetry; `rows` has the number of rows by asset."""
    contract = find_telemetry_contract(workspace.contracts, asset_type)
    chosen = rows if rows.sum() <= _MOST_ROWS else rows.iloc[:: -(-int(rows.sum()) // _MOST_ROWS)]
    counts: dict[str, CounterSigns] = {}
    signs: list[_Sign] = []
    for rows_of_some in _blocks(workspace, f"telemetry/{asset_type}", [str(asset) for asset in chosen.index]):
        block = _Block.of(rows_of_some)
        for channel in block.channels:
            own = block.counter_signs(channel)
            counts[channel] = counts.get(channel, CounterSigns()) + own
            signs += block.restarts(channel) if own.is_counter or _declared(contract, channel) else []
            signs += block.breaks(channel)
    counting = {name for name, each in counts.items() if each.is_counter or _declared(contract, name)}
    counting -= {name for name in counts if _declared(contract, name) is False}
    undeclared = [name for name in counts if name in counting and not _declared(contract, name)]
    signs = [each for each in signs if (each.levels is None) == (each.channel in counting)]
    together, single = fleet_breaks(_unexplained(workspace, _at_once(signs), now), len(chosen), _reach(signs))
    return Undeclared(
        counters=tuple(UndeclaredCounter(name, counts[name]) for name in undeclared),
        exchanges=() if are_regimes(single, len(chosen)) else single,
        breaks=together,
        regimes=single if are_regimes(single, len(chosen)) else (),
        measured=len(chosen),
        assets=len(rows),
        written=clock_of(contract),
    )


def _declared(contract: Contract | None, channel: str) -> bool | None:
    """Return what a contract says about whether a channel counts; None if nothing."""
    column = None if contract is None else contract.column(channel)
    return None if column is None else column.counter


def _blocks(workspace: Workspace, table: str, assets: Sequence[str]) -> Iterator[pd.DataFrame]:
    names, version = tables.read_versioned(workspace, table, assets=())
    if version is not None and len(assets):
        asked = TelemetryQuery(workspace, table, version, overrides=False)
        yield from StoredTelemetry.open(asked, tuple(names.columns), assets=assets).blocks()


@dataclass(frozen=True)
class _Block:
    """The readings of some assets, in order of asset and time."""

    frame: pd.DataFrame
    channels: tuple[str, ...]
    asset: npt.NDArray[np.int64]
    names: tuple[str, ...]
    at: npt.NDArray[np.int64]  # microseconds
    interval: Floats  # of each asset, usual microseconds between two readings

    @classmethod
    def of(cls, frame: pd.DataFrame) -> "_Block":
        channels = [name for name in channels_among(frame.columns) if _is_number(frame[name])]
        frame = reconcile(frame, channels)
        asset, assets = pd.factorize(frame["asset"])
        at = microseconds(frame["event_time"])
        step = pd.Series(at).diff().where(np.append(False, asset[1:] == asset[:-1])) if len(at) else pd.Series(at)
        interval = step.groupby(asset).median().reindex(range(len(assets))).to_numpy(dtype=np.float64)
        return cls(frame, tuple(channels), np.asarray(asset, dtype=np.int64), tuple(map(str, assets)), at, interval)

    def _of(self, channel: str) -> tuple[Floats, npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        values = self.frame[channel].to_numpy(dtype=np.float64, na_value=np.nan)
        present = np.isfinite(values)
        return values[present], self.asset[present], self.at[present]

    def counter_signs(self, channel: str) -> CounterSigns:
        """Count the steps of a channel."""
        values, asset, _ = self._of(channel)
        return counter_signs(values, asset)

    def restarts(self, channel: str) -> Iterator[_Sign]:
        """Yield where a counter starts again on an asset on which it does so once."""
        values, asset, at = self._of(channel)
        places = restarts(values, asset)
        once = np.bincount(asset[places], minlength=len(self.names))[asset[places]] == 1
        for place in places[once]:
            yield self._sign(channel, asset, at, int(place), None)

    def breaks(self, channel: str) -> Iterator[_Sign]:
        """Yield where an asset reads differently for good."""
        values, asset, at = self._of(channel)
        starts = np.searchsorted(asset, np.arange(len(self.names) + 1))
        for number in _moved(values, asset, starts):
            own = slice(starts[number], starts[number + 1])
            found = level_break(values[own], at[own])
            if found is not None:
                place = int(starts[number]) + found.position
                yield self._sign(channel, asset, at, place, (found.before, found.after))

    def _sign(self, channel: str, asset: Any, at: Any, place: int, levels: tuple[float, float] | None) -> _Sign:
        number = int(asset[place])
        interval = pd.Timedelta(int(self.interval[number]), unit="us")
        paused = bool(at[place] - at[place - 1] > _GAP * self.interval[number])
        when = pd.Timestamp(int(at[place]), unit="us", tz="UTC")
        return _Sign(self.names[number], when, channel, interval, paused, levels)


def _is_number(column: "pd.Series[Any]") -> bool:
    return pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column)


def _moved(values: Floats, asset: npt.NDArray[np.int64], starts: npt.NDArray[np.intp]) -> list[int]:
    """Return the assets whose last readings are off their first ones: only these are worth a search."""
    lengths = np.diff(starts)
    long = np.flatnonzero(lengths >= 2 * LEAST)
    if not len(long):
        return []
    # A few wild values must not make a spread of their own.
    clipped = np.clip(values, *np.quantile(values, (0.005, 0.995)))
    ends = np.arange(LEAST)
    first = np.median(clipped[starts[long][:, None] + ends], axis=1)
    last = np.median(clipped[starts[long + 1][:, None] - 1 - ends], axis=1)
    mean = np.bincount(asset, clipped, minlength=len(lengths))[long] / lengths[long]
    square = np.bincount(asset, (clipped - clipped.mean()) ** 2, minlength=len(lengths))[long] / lengths[long]
    spread = np.sqrt(np.maximum(square - (mean - clipped.mean()) ** 2, 0.0))
    return [int(number) for number in long[np.abs(last - first) > _MOVED * spread]]


def _at_once(signs: Sequence[_Sign]) -> Iterator[UnrecordedExchange]:
    """Put together what breaks on one asset at once; a counter that starts again counts beside a pause or a break."""
    groups: list[list[_Sign]] = []
    for each in sorted(signs, key=lambda each: (each.asset, each.at, each.channel)):
        first = groups[-1][0] if groups else each
        if groups and each.asset == first.asset and each.at <= first.at + _TOGETHER * first.interval:
            groups[-1].append(each)
        else:
            groups.append([each])
    for group in groups:
        first = group[0]
        levels = {each.channel: each.levels for each in group if each.levels is not None}
        again = tuple(each.channel for each in group if each.levels is None)
        if levels or any(each.paused for each in group):
            yield UnrecordedExchange(first.asset, first.at, levels, again)


def _unexplained(
    workspace: Workspace, exchanges: Iterator[UnrecordedExchange], now: pd.Timestamp
) -> list[UnrecordedExchange]:
    """Leave out what a record of another machine, or a report of another sensor, explains."""
    every = list(exchanges)
    if not every:
        return []
    names = sorted({each.asset for each in every})
    events = tables.read(workspace, "events", assets=names)
    reported = events[events["code"].isin(list(Limits().sensor_codes))] if "code" in events else events.iloc[:0]
    replaced = replacements(tables.read(workspace, "assets", assets=names), now=now)
    known = pd.concat([reported[["asset", "event_time"]], replaced])
    times = {str(asset): own for asset, own in known.groupby("asset")["event_time"]}
    return [
        each
        for each in every
        if each.asset not in times or not ((times[each.asset] - each.since).abs() <= _RECORDED).any()
    ]


def _reach(signs: Sequence[_Sign]) -> pd.Timedelta:
    intervals = [each.interval for each in signs]
    return 2 * _TOGETHER * (sorted(intervals)[len(intervals) // 2] if intervals else pd.Timedelta(0))
