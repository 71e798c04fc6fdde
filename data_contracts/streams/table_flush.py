"""The part of a flush that goes into one table: checked, with what is stored and what is held of it."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from data_contracts.contract.contract_types import Contract
from data_contracts.ingestion.quarantine import entries_of
from data_contracts.ingestion.quarantine_entries import HELD
from data_contracts.streams.compiled_contract import CompiledContract
from data_contracts.streams.flush_check import CheckedFlush, check_flush
from data_contracts.streams.flush_rates import CARRIED_US, Carried, carry_on
from data_contracts.streams.flush_rows import FlushRows, Numbers, collect_rows, empty_rows, to_frame, to_stored
from data_contracts.streams.held_messages import held_rows
from data_contracts.streams.messages import StreamMessage, shape_breaches
from data_contracts.streams.stored_sessions import Admitted
from data_contracts.streams.stream_table import StreamTable
from data_contracts.tables import tables
from data_contracts.tables.arrow_frames import to_arrow
from data_contracts.validation.quality_flags import stored_names
from data_contracts.workspace import Workspace

_LONGEST_LOOK_BACK_US = 60_000_000


@dataclass
class TableState:
    """What is remembered of a table that streams are stored in."""

    workspace: Workspace
    contract: Contract
    table: StreamTable
    first_us: dict[str, int] = field(default_factory=dict)  # by asset, the earliest event time that has a record
    known_us: dict[str, int] = field(default_factory=dict)  # by asset, when its last message became known
    held: dict[str, int] = field(default_factory=dict)  # by stream, up to which message rows may be in quarantine
    carried: Carried = field(default_factory=dict)
    looked_back: set[str] = field(default_factory=set)  # assets whose last readings are in `carried`

    def note_held(self, streams: Mapping[str, int]) -> None:
        """Know that rows of these streams are in quarantine, should they have to be stored again."""
        self.held.update(streams)

    def earlier_assets(self, first_us: Mapping[str, int]) -> dict[str, int]:
        """Return the assets that are new here, or have an earlier reading than any before, with its time."""
        return {asset: us for asset, us in first_us.items() if us < self.first_us.get(asset, us + 1)}

    def remember(self, flush: "TableFlush") -> None:
        """Remember what is stored now."""
        self.first_us.update(self.earlier_assets(flush.first_us))
        self.known_us.update(flush.known_us)
        if self.carried:
            carry_on(self.carried, flush.rows, flush.checked.good, flush.checked.channels)

    def forget(self) -> None:
        """Read everything again, as another process stores the same streams."""
        self.table.refresh()
        self.held.clear()
        self.looked_back.clear()
        for before in self.carried.values():
            before.clear()


@dataclass(frozen=True)
class TableFlush:
    """What of a flush goes into one table, and into quarantine."""

    state: TableState
    rows: FlushRows
    checked: CheckedFlush
    stored: pa.Table
    entries: pd.DataFrame  # of quarantine, new ones only
    held: Mapping[str, int]  # transactions of quarantine: by stream, the last message with rows in it
    refused: Mapping[str, int]  # rows by check
    first_us: Mapping[str, int]  # by asset, the earliest event time of what is stored
    known_us: Mapping[str, int]
    samples: int
    nulled: int


def prepare(
    state: TableState,
    admitted: Sequence[Admitted],
    compiled: CompiledContract,
    quarantine: StreamTable,
    *,
    now: pd.Timestamp,
    tolerance_us: int,
) -> TableFlush:
    """Check the messages of one table, and say what is to be stored where; nothing is stored yet."""
    contract = compiled.contract
    messages = [each.message for each in admitted]
    known = _known_times(state, messages, int(now.timestamp() * 1e6), tolerance_us)
    rows = collect_rows(messages, known)
    _look_back(state, compiled, rows)
    checked = check_flush(rows, compiled, now=now, carried=state.carried)
    reasons, good = dict(checked.reasons), checked.good.copy()
    _refuse_shapes(messages, rows, contract, reasons, good)
    # What was quarantined before a kill stays what it was then: no row may be in both places, nor in none.
    before = _held_before(state, admitted, quarantine)
    for place, numbers in before.items():
        own = np.flatnonzero(rows.messages == place)
        was_held = np.isin(rows.numbers[own], list(numbers))
        good[own] = ~was_held
        for row in own.tolist():
            reasons.pop(row, None)
    checked = CheckedFlush(reasons, good, checked.channels, checked.noted, checked.nulled, checked.examined)
    entries, held = _entries(state, admitted, rows, checked, now)
    return TableFlush(
        state=state,
        rows=rows,
        checked=checked,
        stored=_stored(rows, contract, checked),
        entries=entries,
        held=held,
        refused=Counter(why.partition(":")[0].partition(" ")[0] for each in reasons.values() for why in each[:1]),
        first_us=_first_us(rows, good),
        known_us=dict(zip((message.asset for message in messages), known, strict=True)),
        samples=sum(int((good & ~np.isnan(checked.channels[name])).sum()) for name in _channels(contract, checked)),
        nulled=checked.nulled,
    )


def _known_times(state: TableState, messages: Sequence[StreamMessage], now_us: int, tolerance_us: int) -> list[int]:
    """Return when each message became known: now, but later than the asset's message before, which it may correct.

    An edge's clock may be a little ahead; then its rows became known when they happened by that clock.
    """
    latest, known = dict(state.known_us), []
    for message in messages:
        newest = _newest_us(message)
        own = now_us if newest is None or newest > now_us + tolerance_us else max(now_us, newest)
        own = max(own, min(latest.get(message.asset, 0) + 1, now_us + 2 * tolerance_us))
        latest[message.asset] = own
        known.append(own)
    return known


def _newest_us(message: StreamMessage) -> int | None:
    n_rows = message.rows.num_rows
    # Readings come in order; a message in which they do not is only known too early, and its rows refused.
    value = message.rows.column(0)[n_rows - 1].value if n_rows else None
    return None if value is None else int(value)


def _look_back(state: TableState, compiled: CompiledContract, rows: FlushRows) -> None:
    """Find the last stored readings of assets that are new to this process, where rates of change are limited."""
    limited = [channel.name for channel in compiled.channels if channel.max_rate is not None]
    for name in limited:
        state.carried.setdefault(name, {})
    new = [asset for asset in rows.assets if asset not in state.looked_back]
    if not limited or not new:
        return
    state.looked_back.update(new)
    first, last = int(rows.event_us.min()), int(rows.event_us.max())
    start = max(first, last - _LONGEST_LOOK_BACK_US) - CARRIED_US - 1
    stored = tables.read(state.workspace, state.contract.table, assets=new, start=_instant(start), end=_instant(last))
    for name in limited:
        if name in stored.columns:
            present = stored[["asset", "event_time", name]].dropna()
            latest = present.drop_duplicates("asset", keep="last")
            microseconds = latest["event_time"].astype("int64").tolist()
            values = zip(microseconds, latest[name].tolist(), strict=True)
            state.carried[name] |= dict(zip(latest["asset"], values, strict=True))


def _instant(microseconds: int) -> pd.Timestamp:
    return pd.Timestamp(microseconds, unit="us", tz="UTC").as_unit("us")


def _refuse_shapes(
    messages: Sequence[StreamMessage],
    rows: FlushRows,
    contract: Contract,
    reasons: dict[int, tuple[str, ...]],
    good: npt.NDArray[np.bool_],
) -> None:
    """Refuse all rows of messages whose columns are not the contract's."""
    for place, why in enumerate(shape_breaches(messages, contract)):
        if why:
            own = rows.messages == place
            good[own] = False
            for row in np.flatnonzero(own).tolist():
                reasons[row] = (*why, *reasons.get(row, ()))


def _held_before(state: TableState, admitted: Sequence[Admitted], quarantine: StreamTable) -> dict[int, frozenset[int]]:
    """Return the rows of each message that are in quarantine already, by the message's place."""
    table, suspects = state.contract.table, []
    for place, each in enumerate(admitted):
        stream = f"{table}:{each.stream}"
        if stream not in state.held:
            last = quarantine.transaction(stream)
            state.held[stream] = -1 if last is None else last
        if each.message.sequence <= state.held[stream]:
            suspects.append(place)
    ids = {place: _batch_id(admitted[place].message) for place in suspects}
    held = held_rows(state.workspace, table, list(ids.values()))
    return {place: held[batch_id] for place, batch_id in ids.items() if batch_id in held}


def _entries(
    state: TableState, admitted: Sequence[Admitted], rows: FlushRows, checked: CheckedFlush, now: pd.Timestamp
) -> tuple[pd.DataFrame, dict[str, int]]:
    """Return the new entries of quarantine, and the transactions that say so."""
    bad = np.array(sorted(checked.reasons), dtype=np.int64)
    if not len(bad):
        return pd.DataFrame(), {}
    places = rows.messages[bad].tolist()
    ids = [_batch_id(admitted[place].message) for place in places]
    names = [f"{batch}:{HELD}:{number}" for batch, number in zip(ids, rows.numbers[bad].tolist(), strict=True)]
    frame = to_frame(rows, state.contract, bad).reset_index(drop=True)
    reasons = [checked.reasons[row] for row in bad.tolist()]
    held: dict[str, int] = {}
    for place in places:
        stream = f"{state.contract.table}:{admitted[place].stream}"
        held[stream] = max(held.get(stream, state.held.get(stream, -1)), admitted[place].message.sequence)
    return entries_of(state.contract, ids, names, frame, reasons, action=HELD, now=now), held


def _stored(rows: FlushRows, contract: Contract, checked: CheckedFlush) -> pa.Table:
    if not checked.good.any():
        return empty_rows(contract)
    if checked.examined is not None:
        good = checked.examined[checked.good]
        return to_arrow(good[stored_names(good, contract)])
    return to_stored(rows, contract, checked.good, checked.channels, checked.noted)


def _channels(contract: Contract, checked: CheckedFlush) -> list[str]:
    return [name for name in contract.channels if name in checked.channels]


def _first_us(rows: FlushRows, good: npt.NDArray[np.bool_]) -> dict[str, int]:
    first: Numbers = np.full(len(rows.assets), np.iinfo(np.int64).max, dtype=np.int64)
    np.minimum.at(first, rows.codes[good], rows.event_us[good])
    present = np.unique(rows.codes[good]).tolist()
    return {rows.assets[code]: int(first[code]) for code in present}


def _batch_id(message: StreamMessage) -> str:
    return f"{message.asset}/{message.epoch}/{message.sequence}"
