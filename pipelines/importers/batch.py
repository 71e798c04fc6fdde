"""A batch of tables from one source, and its import through the contracts."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from typing import Any

import pandas as pd

from data_contracts.bulk.ingest_chunks import read_chunks
from data_contracts.contract.contract import Contract, telemetry_contract
from data_contracts.contract.file_layout import FileLayout
from data_contracts.contract.registered import Registration, find_contract, find_telemetry_contract, register
from data_contracts.ingestion.ingest import ingest
from data_contracts.ingestion.reused_ids import shared_ids
from data_contracts.ingestion.stored_before import corrected_since
from data_contracts.ingestion.unmatched import ALL_MATCHED, Unmatched, find_unmatched
from data_contracts.progress import ProgressCallback, silent
from data_contracts.tables.service_records import ServiceChanges
from data_contracts.workspace import Workspace
from pipelines.file_reading.chunked.asset_chunks import AssetChunks
from pipelines.file_reading.chunked.file_chunks import FileChunks
from pipelines.file_reading.notes import ReadingNotes
from pipelines.importers.remembered_layout import remembered, with_layout
from pipelines.importers.row_clock import continue_rows


@dataclass(frozen=True)
class Batch:
    """The tables of one source about assets of one type, with the columns of the contracts."""

    asset_type: str  # such as "turbofan"
    telemetry: pd.DataFrame
    # With the time each was put into service as event_time. May be empty: an asset that the workspace does not know
    # yet then counts as put into service at its first reading.
    assets: pd.DataFrame
    failures: pd.DataFrame
    work_orders: pd.DataFrame
    events: pd.DataFrame
    telemetry_contract: Contract | None = None  # the workspace's, or else the shipped one of the asset type when None
    reading: Mapping[str, ReadingNotes] = field(default_factory=dict)  # of a user's own files, by table
    layout: FileLayout | None = None  # of the telemetry's files
    chunks: FileChunks | AssetChunks | None = (
        None  # the telemetry's files, where they are large; `telemetry` has no rows then
    )


@dataclass(frozen=True)
class TableImport:
    """What became of one table of a batch."""

    rows: int  # of the batch
    accepted: int  # rows that keep their contract, stored now or before
    quarantined: int
    already: bool  # the very same table was stored before
    corrected: int = 0  # of these, rows that others have corrected since
    other_revision: bool = False  # stored before, but not known to be by this revision of the contract


@dataclass(frozen=True)
class ImportResult:
    """What an import stored, and what it matches nothing with."""

    asset_type: str
    assets: int
    tables: Mapping[str, TableImport]
    contract: Registration  # of the telemetry
    unmatched: Unmatched = ALL_MATCHED
    notes: tuple[str, ...] = ()  # what was decided or found beside that, a sentence each
    reading: Mapping[str, ReadingNotes] = field(default_factory=dict)  # of a user's own files, by table
    strict: bool = False  # whether it is an error that something matches nothing

    @property
    def exit_status(self) -> int:
        """1 if something matches nothing and must not."""
        return 1 if self.strict and self.unmatched else 0

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values."""
        tables = {name: dict(vars(counts)) for name, counts in self.tables.items()}
        said = {
            "asset_type": self.asset_type,
            "assets": self.assets,
            "tables": tables,
            "contract": self.contract.to_dict(),
            "unmatched": self.unmatched.to_dict(),
            "notes": list(self.notes),
        }
        reading = {name: notes.to_dict() for name, notes in self.reading.items()}
        return said | ({"reading": reading} if reading else {})


def import_batch(
    workspace: Workspace,
    batch: Batch,
    *,
    now: pd.Timestamp,
    strict: bool = False,
    progress: ProgressCallback = silent,
) -> ImportResult:
    """Store a batch, each table with rows through its contract; the same batch again changes nothing.

    If a table as a whole breaks its contract (`ContractError`), it is in quarantine, and the tables before it are
    stored. With `strict` the result's exit status is 1 if rows match nothing.
    """
    given = batch.telemetry_contract or _telemetry_contract(workspace, batch.asset_type)
    contract = with_layout(given, batch.layout)
    # Kept in any case: rows that are stored already may be there by an earlier revision.
    registration = register(workspace.contracts, contract, now=now)
    batch = _numbered_on(workspace, batch, contract)
    tables = _tables_with_rows(workspace, batch, contract)
    imports, services = {}, []
    said = [words] if registration.new and (words := remembered(given, contract)) else []
    with ExitStack() as open_files:
        # All of it is read before anything is stored.
        large = None
        if batch.chunks is not None:
            chunks = replace(batch.chunks, progress=progress)
            if isinstance(chunks, AssetChunks):
                chunks.folder = workspace.root
            reading = read_chunks(workspace, chunks, contract, now=now, overlapping=chunks.several)
            large = open_files.enter_context(reading)
            batch = replace(batch, reading={contract.table: chunks.notes(large.chunks.left_out), **batch.reading})
        for done, (each, table) in enumerate(tables):
            progress("import", done, len(tables))
            if large is not None and each is contract:
                result = large.ingest(progress=progress)
            else:
                result = ingest(workspace, table, each, now=now)
                if result.already:
                    result = replace(result, corrected=corrected_since(workspace, table, each))
            counts = result.accepted, result.quarantined, result.already, result.corrected, result.other_revision
            imports[each.table] = TableImport(result.rows, *counts)
            services.append(result.service)
            said += [f"{each.table}: {sentence}" for sentence in result.sentences]
            if result.service.new and "assets" not in imports:
                imports["assets"] = TableImport(result.service.new, result.service.new, 0, already=False)
        progress("import", len(tables), len(tables))
        n_assets = int(batch.telemetry["asset"].nunique()) if large is None else len(large.assets)
    reports = {each.table: table for each, table in tables if each.kind != "telemetry"}
    return ImportResult(
        asset_type=batch.asset_type,
        assets=n_assets,
        tables=imports,
        contract=registration,
        unmatched=find_unmatched(workspace, reports),
        notes=(*_notes(reports, services), *said),
        reading=batch.reading,
        strict=strict,
    )


def _numbered_on(workspace: Workspace, batch: Batch, contract: Contract) -> Batch:
    """Continue the numbers of the stored rows, where rows are the clock."""
    if batch.layout is None or batch.chunks is not None:
        return batch
    telemetry, continued = continue_rows(workspace, batch.telemetry, contract, batch.layout)
    notes = {
        table: replace(of, continued=continued) if table == contract.table else of
        for table, of in batch.reading.items()
    }
    return replace(batch, telemetry=telemetry, reading=notes)


def _telemetry_contract(workspace: Workspace, asset_type: str) -> Contract:
    return find_telemetry_contract(workspace.contracts, asset_type) or telemetry_contract(asset_type)


def _tables_with_rows(workspace: Workspace, batch: Batch, contract: Contract) -> list[tuple[Contract, pd.DataFrame]]:
    """Return the tables that hold rows: assets first, so that no reading is stored of an unknown asset."""
    tables = [
        (find_contract(workspace.contracts, "assets"), batch.assets),
        (contract, batch.telemetry),
        (find_contract(workspace.contracts, "failures"), batch.failures),
        (find_contract(workspace.contracts, "work_orders"), batch.work_orders),
        (find_contract(workspace.contracts, "events"), batch.events),
    ]
    return [(each, table) for each, table in tables if len(table) or (each is contract and batch.chunks is not None)]


def _notes(reports: Mapping[str, pd.DataFrame], services: Sequence[ServiceChanges]) -> Iterator[str]:
    """Say what the import decided by itself."""
    for name, table in reports.items():
        yield from shared_ids(name, table)
    new, earlier = sum(each.new for each in services), sum(each.earlier for each in services)
    if new:
        yield f"{new:,} assets without a record count as in service since their first reading; --assets says otherwise"
    if earlier:
        yield f"{earlier:,} assets count as in service since an earlier reading now"
