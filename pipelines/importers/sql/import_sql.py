"""The import of a query's rows: chunk by chunk, each stored once, from where the last run ended."""

import hashlib
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from data_contracts.configuration.database import without_password
from data_contracts.contract.contract import Contract
from data_contracts.contract.file_layout import FileLayout
from data_contracts.contract.registered import Registration, register
from data_contracts.ingestion.ingest import IngestResult, ingest
from data_contracts.ingestion.unmatched import ALL_MATCHED, Unmatched, find_unmatched
from data_contracts.records.leases import HeldLease, hold_lease
from data_contracts.records.records import open_records
from data_contracts.sql_source.import_state import ImportState, read_state, write_state
from data_contracts.sql_source.source_connection import connect_source
from data_contracts.sql_source.source_query import Rows, SourceQuery, last_watermark
from data_contracts.workspace import Workspace
from pipelines.importers.remembered_layout import with_layout
from pipelines.importers.row_clock import continue_rows
from pipelines.importers.sql.source_files import read_rows

CHUNK_ROWS = 100_000


@dataclass(frozen=True)
class SqlSource:
    """Where rows come from."""

    url: str = field(repr=False)
    query: SourceQuery
    password: str | None = field(default=None, repr=False)

    @property
    def shown(self) -> str:
        """The address as it may be shown."""
        return without_password(self.url)

    def name_for(self, contract: Contract) -> str:
        """Return the name of an import that was given none: the same for the same source."""
        parts = (self.shown, self.query.text.strip(), str(self.query.watermark), contract.name)
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


@dataclass(frozen=True)
class SqlImportResult:
    """What an import stored."""

    name: str
    source: str
    contract: str
    rows: int  # read by this run
    accepted: int
    quarantined: int
    chunks: int
    already: int  # chunks that had been stored before
    watermark: str | None  # up to where the rows are imported; None without one
    started_after: str | None  # the last watermark of the run before
    registration: Registration
    filled: dict[str, str] = field(default_factory=dict)  # columns that the query lacks, and what they were given
    unreadable: dict[str, int] = field(default_factory=dict)  # cells of another type, by column
    without_watermark: int = 0  # rows that have none, and are never imported
    notes: tuple[str, ...] = ()
    unmatched: Unmatched = ALL_MATCHED

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values."""
        nested = {"registration": self.registration.to_dict(), "unmatched": self.unmatched.to_dict()}
        return {**vars(self), **nested, "notes": list(self.notes)}


@dataclass
class _Tally:
    """What a run has stored so far."""

    results: list[IngestResult] = field(default_factory=list)
    filled: dict[str, str] = field(default_factory=dict)
    unreadable: Counter[str] = field(default_factory=Counter)

    def sum(self, name: str) -> int:
        return sum(int(getattr(result, name)) for result in self.results)


def import_sql(
    workspace: Workspace,
    source: SqlSource,
    contract: Contract,
    layout: FileLayout,
    *,
    now: pd.Timestamp,
    name: str | None = None,
    chunk_rows: int = CHUNK_ROWS,
) -> SqlImportResult:
    """Import the rows of a query under a contract; killed or repeated, it stores nothing twice.

    With a watermark only rows after the last one imported are read, and every chunk is a batch of its own. Without, all
    rows are read and are one batch. `ContractError` if a chunk as a whole breaks the contract: those before it are
    stored, and the next run begins with it.
    """
    name = name or source.name_for(contract)
    registration = register(workspace.contracts, with_layout(contract, layout), now=now)
    tally = _Tally()
    with _import_lease(workspace, name) as lease, connect_source(source.url, source.password) as connection:
        records = lease.records
        source.query.names(connection)
        before = state = read_state(records, name)
        column = source.query.watermark
        for rows, pending in _chunks(source.query, connection, state, chunk_rows):
            if column is not None:
                # Noted before the rows are stored: killed in between, the next run reads the very same chunk again.
                end = pending if pending is not None else last_watermark(rows, column)
                write_state(records, name, ImportState(state.watermark, end), at=now)
                state = ImportState(end)
            lease.check()
            _store(workspace, rows, contract, layout, tally, now)
            if column is not None:
                write_state(records, name, state, at=now)
        # Counted by the run that reads everything: an index of the watermark does not tell.
        missing = source.query.without_watermark(connection) if before == ImportState() else 0
    notes = dict.fromkeys(sentence for result in tally.results for sentence in result.sentences)
    return SqlImportResult(
        name=name,
        source=source.shown,
        contract=contract.name,
        rows=tally.sum("rows"),
        accepted=tally.sum("accepted"),
        quarantined=tally.sum("quarantined"),
        chunks=len(tally.results),
        already=tally.sum("already"),
        watermark=None if state.watermark is None else str(state.watermark),
        started_after=None if before.watermark is None else str(before.watermark),
        registration=registration,
        filled=tally.filled,
        unreadable=dict(tally.unreadable),
        without_watermark=missing,
        notes=tuple(notes),
        unmatched=find_unmatched(workspace) if tally.sum("accepted") else ALL_MATCHED,
    )


def _chunks(query: SourceQuery, connection: Any, state: ImportState, chunk_rows: int) -> Iterator[tuple[Rows, Any]]:
    """Yield the chunks to be stored, and where the one ends that was being stored when the last run ended."""
    after = state.watermark
    if state.pending is not None:
        every = list(query.read(connection, chunk_rows, after=after, until=state.pending))
        if every:
            yield Rows(every[0].names, [row for each in every for row in each.rows]), state.pending
        after = state.pending
    for rows in query.read(connection, chunk_rows, after=after):
        yield rows, None


def _store(
    workspace: Workspace, rows: Rows, contract: Contract, layout: FileLayout, tally: _Tally, now: pd.Timestamp
) -> None:
    table = read_rows(rows, contract, layout)
    frame, _ = continue_rows(workspace, table.frame, contract, layout)
    tally.results.append(ingest(workspace, frame, contract, now=now))
    tally.filled |= table.notes.filled
    tally.unreadable.update(table.notes.unreadable)


@contextmanager
def _import_lease(workspace: Workspace, name: str) -> Iterator[HeldLease]:
    """Keep a second run of the same import out: both would note where they are.

    One that was stopped between its check and the storing of its chunk, and has lost the lease when it goes on, stores
    nothing: its successor has read the very same chunk again, which is the same batch.
    """
    records = open_records(workspace.records_url)
    with hold_lease(records, f"import/{name}"[:255], f"import {name}") as lease:
        yield lease
