"""The writer of live telemetry: each message stored in its table or in quarantine, once, whenever it is killed.

Refused rows are quarantined first, then gaps are noted, then assets without a record get one, and then the good rows of
each table are one commit that says up to which message of each stream they go. After a kill at any point the messages
come again, and whatever of them is stored already is not stored twice.
"""

import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from data_contracts.contract.contract_types import Contract
from data_contracts.contract.registered import find_telemetry_contract, register
from data_contracts.ingestion import quarantine_entries
from data_contracts.streams.compiled_contract import CompiledContract, compile_contract
from data_contracts.streams.held_messages import MOST_UNCONFIRMED, HeldMessage, undecoded_digests, undecoded_entries
from data_contracts.streams.messages import StreamMessage
from data_contracts.streams.sessions import StreamGap
from data_contracts.streams.stored_sessions import Plan, StoredSessions
from data_contracts.streams.stream_gaps import read_gaps, rows_of, store_gaps
from data_contracts.streams.stream_table import StreamTable, TransactionConflictError
from data_contracts.streams.table_flush import TableFlush, TableState, prepare
from data_contracts.tables import service_records
from data_contracts.tables.arrow_frames import to_arrow
from data_contracts.workspace import Workspace

PATIENCE = pd.Timedelta(minutes=1)
"""How long what comes after a gap is not confirmed, so that the edge sends the missing messages again."""
CLOCK_TOLERANCE = pd.Timedelta(seconds=5)
"""How far an edge's clock may be ahead: rows from then are known when they say that they happened, and no sooner."""
_ATTEMPTS = 10


@dataclass(frozen=True)
class StoredTable:
    """What a flush has stored in one table."""

    flush: TableFlush
    version: int  # of the table, which the commit made


@dataclass(frozen=True)
class FlushResult:
    """What became of the messages of a flush."""

    messages: int = 0  # stored, wholly or in part in quarantine
    duplicates: int = 0
    rows: int = 0  # stored
    samples: int = 0  # values stored
    quarantined: int = 0  # rows in quarantine
    undecoded: int = 0  # messages in quarantine that nothing could read
    refused: Mapping[str, int] = field(default_factory=dict)  # rows or messages in quarantine, by check or reason
    nulled: int = 0  # readings that became null because of their quality
    gaps: tuple[StreamGap, ...] = ()
    confirmed: Mapping[str, tuple[int, int]] = field(default_factory=dict)  # by asset, epoch and sequence
    new_assets: int = 0
    commit_seconds: float = 0.0
    tables: tuple[StoredTable, ...] = field(default=(), repr=False, compare=False)


class StreamWriter:
    """One who stores live telemetry in a workspace, with what it remembers of what is stored.

    `may_write` is called before every commit, and ends the storing with an error.
    """

    def __init__(
        self,
        workspace: Workspace,
        *,
        patience: pd.Timedelta = PATIENCE,
        clock_tolerance: pd.Timedelta = CLOCK_TOLERANCE,
        may_write: Callable[[], None] = lambda: None,
    ) -> None:
        self._workspace, self._may_write = workspace, may_write
        self._patience_us = int(patience.total_seconds() * 1e6)
        self._tolerance_us = int(clock_tolerance.total_seconds() * 1e6)
        self._tables: dict[str, TableState] = {}
        self._opened: dict[str, StreamTable] = {}
        self._quarantine = StreamTable(workspace, quarantine_entries.TABLE)
        self._sessions = StoredSessions(self._transaction)
        for gap, noticed in rows_of(read_gaps(workspace)).items():
            self._sessions.note(gap, noticed)
        self._undecoded = OrderedDict.fromkeys(reversed(undecoded_digests(workspace)))
        self._compiled: dict[str, CompiledContract] = {}
        self._noted: list[StreamGap] = []

    def contract_of(self, asset_type: str, *, now: pd.Timestamp) -> CompiledContract | None:
        """Return the contract of an asset type's telemetry, kept with the workspace; None without any."""
        contract = find_telemetry_contract(self._workspace.contracts, asset_type)
        if contract is None:
            return None
        compiled = self._compiled.get(asset_type)
        if compiled is None or compiled.contract is not contract:
            register(self._workspace.contracts, contract, now=now)
            compiled = self._compiled[asset_type] = compile_contract(contract)
        return compiled

    def store(
        self, messages: Sequence[StreamMessage], undecoded: Sequence[HeldMessage] = (), *, now: pd.Timestamp
    ) -> FlushResult:
        """Store messages, all of asset types with a contract; `StorageError` if it cannot be.

        Then nothing of them is confirmed, and the same messages can be stored again.
        """
        for attempt in range(_ATTEMPTS):
            try:
                return self._store(messages, undecoded, now)
            except TransactionConflictError:
                # Another process writes the same streams: what is new is found out again.
                self._forget()
                if attempt == _ATTEMPTS - 1:
                    raise
            except BaseException:
                # One of several tables may have its rows already.
                self._forget()
                raise
        raise AssertionError("unreachable")

    def early(self, messages: Sequence[StreamMessage], *, now: pd.Timestamp) -> list[StreamMessage]:
        """Return the messages that would leave a gap before them, and what follows those of the same assets."""
        return list(self._sessions.early(self._in_order(messages, now)))

    def note_gap(self, notice: StreamGap, *, now: pd.Timestamp) -> tuple[StreamGap, ...]:
        """Store what an edge says that it has lost, or a host has missed, once; return the rows that are new."""
        rows = self._sessions.take_notice(notice)
        self._may_write()
        self._note(rows, now)
        return rows

    def _store(
        self, messages: Sequence[StreamMessage], undecoded: Sequence[HeldMessage], now: pd.Timestamp
    ) -> FlushResult:
        plan = self._sessions.plan(self._in_order(messages, now))
        flushes = []
        for table in dict.fromkeys(each.table for each in plan.admitted):
            own = [each for each in plan.admitted if each.table == table]
            compiled = self.contract_of(own[0].message.asset_type, now=now)
            if compiled is not None:
                state = self._state(compiled.contract)
                part = prepare(state, own, compiled, self._quarantine, now=now, tolerance_us=self._tolerance_us)
                flushes.append(part)
        held = self._new_undecoded(undecoded)
        began = time.perf_counter()
        self._may_write()
        self._hold(flushes, held, now)
        self._note(plan.gaps, now)
        self._noted += plan.gaps
        new_assets = sum(self._record_assets(flush) for flush in flushes)
        stored = []
        for flush in flushes:
            self._may_write()
            version = flush.state.table.append(flush.stored, plan.transactions[flush.state.contract.table])
            flush.state.remember(flush)
            stored.append(StoredTable(flush, version))
        self._sessions.accept(plan)
        return self._result(plan, stored, held, new_assets, time.perf_counter() - began, now)

    def _in_order(self, messages: Sequence[StreamMessage], now: pd.Timestamp) -> list[tuple[str, StreamMessage]]:
        """Return messages with their tables; what had waited comes out of order at times, which is no gap."""
        names: dict[str, str] = {}
        for kind in {message.asset_type for message in messages}:
            compiled = self.contract_of(kind, now=now)
            if compiled is None:
                raise ValueError(f"no contract for telemetry of {kind}")
            names[kind] = compiled.contract.table
        ordered = sorted(messages, key=lambda message: (message.asset, message.epoch, message.sequence))
        return [(names[message.asset_type], message) for message in ordered]

    def _state(self, contract: Contract) -> TableState:
        state = self._tables.get(contract.table)
        if state is None or state.contract != contract:
            table = self._stream_table(contract.table)
            state = self._tables[contract.table] = TableState(self._workspace, contract, table)
        return state

    def _transaction(self, table: str, stream: str) -> int | None:
        return self._stream_table(table).transaction(stream)

    def _stream_table(self, name: str) -> StreamTable:
        # Opened once: after a restart hundreds of sessions are read from it before anything is stored.
        return self._opened.setdefault(name, StreamTable(self._workspace, name))

    def _new_undecoded(self, messages: Sequence[HeldMessage]) -> list[HeldMessage]:
        by_digest = {message.digest: message for message in messages}
        return [message for digest, message in by_digest.items() if digest not in self._undecoded]

    def _hold(self, flushes: Sequence[TableFlush], undecoded: Sequence[HeldMessage], now: pd.Timestamp) -> None:
        parts = [flush.entries for flush in flushes if len(flush.entries)]
        parts += [undecoded_entries(undecoded)] if undecoded else []
        if not parts:
            return
        entries = quarantine_entries.complete(pd.concat(parts, ignore_index=True), now)
        transactions = {stream: number for flush in flushes for stream, number in flush.held.items()}
        # Another process may quarantine rows of files; only streams of one name are in each other's way.
        self._quarantine.append(to_arrow(entries), transactions)
        for flush in flushes:
            flush.state.note_held(flush.held)
        for message in undecoded:
            self._undecoded[message.digest] = None
        while len(self._undecoded) > MOST_UNCONFIRMED:
            self._undecoded.popitem(last=False)

    def _note(self, gaps: Sequence[StreamGap], now: pd.Timestamp) -> None:
        if gaps:
            store_gaps(self._workspace, gaps, now, f"live/{now.isoformat()}/{gaps[0]}")
            for gap in gaps:
                self._sessions.note(gap, now)

    def _record_assets(self, flush: TableFlush) -> int:
        changed = flush.state.earlier_assets(flush.first_us)
        if not changed:
            return 0
        times = pd.Series(np.array(list(changed.values()), dtype="datetime64[us]")).dt.tz_localize("UTC")
        readings = pd.DataFrame({"asset": pd.Series(list(changed), dtype="str"), "event_time": times})
        contract = flush.state.contract
        return service_records.before_storing(self._workspace, contract, readings).new

    def _forget(self) -> None:
        self._sessions.forget()
        self._quarantine.refresh()
        for table in self._opened.values():
            table.refresh()
        for state in self._tables.values():
            state.forget()

    def _result(
        self,
        plan: Plan,
        tables: Sequence[StoredTable],
        undecoded: Sequence[HeldMessage],
        new_assets: int,
        seconds: float,
        now: pd.Timestamp,
    ) -> FlushResult:
        flushes = [each.flush for each in tables]
        refused = Counter(message.reason for message in undecoded)
        for flush in flushes:
            refused.update(flush.refused)
        return FlushResult(
            messages=len(plan.admitted),
            duplicates=len(plan.duplicates),
            rows=sum(len(flush.stored) for flush in flushes),
            samples=sum(flush.samples for flush in flushes),
            quarantined=sum(len(flush.entries) for flush in flushes),
            undecoded=len(undecoded),
            refused=dict(refused),
            nulled=sum(flush.nulled for flush in flushes),
            gaps=self._noted_gaps(),
            confirmed=self._confirmed(plan, now),
            new_assets=new_assets,
            commit_seconds=seconds,
            tables=tuple(tables),
        )

    def _noted_gaps(self) -> tuple[StreamGap, ...]:
        """Return the gaps noted since a flush was stored last; one that is tried again has noted its own before."""
        gaps, self._noted = tuple(self._noted), []
        return gaps

    def _confirmed(self, plan: Plan, now: pd.Timestamp) -> dict[str, tuple[int, int]]:
        """Return the newest session of each asset with what may be confirmed of it; duplicates want to hear it too."""
        keys = [(each.table, each.message) for each in plan.admitted] + plan.duplicates
        since_us = int(now.timestamp() * 1e6) - self._patience_us
        newest: dict[str, tuple[int, str]] = {}
        for table, message in keys:
            newest[message.asset] = max(newest.get(message.asset, (-1, "")), (message.epoch, table))
        confirmed = {
            asset: (epoch, self._sessions.confirmed(table, asset, epoch, since_us))
            for asset, (epoch, table) in newest.items()
        }
        return {asset: each for asset, each in confirmed.items() if each[1] >= 0}
