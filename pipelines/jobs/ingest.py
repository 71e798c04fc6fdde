"""Ingest files: a single one, or everything in the inbox."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from data_contracts.bulk.ingest_chunks import ChunkedIngest, ingest_chunks
from data_contracts.contract.contract import Contract, load_contract
from data_contracts.contract.contract_types import TELEMETRY
from data_contracts.contract.file_layout import PLAIN, FileLayout
from data_contracts.contract.registered import Registration, find_contract, register
from data_contracts.errors import ForewarnError, NotFoundError, UsageError
from data_contracts.ingestion.ingest import IngestResult, ingest
from data_contracts.ingestion.stored_before import corrected_since
from data_contracts.ingestion.unmatched import ALL_MATCHED, REPORTS, Unmatched, find_unmatched
from data_contracts.progress import ProgressCallback, silent
from data_contracts.tables import tables
from data_contracts.tracing.spans import traced
from data_contracts.validation.checks import check
from data_contracts.validation.conform import split_unit
from data_contracts.validation.report import Report
from data_contracts.workspace import Workspace
from pipelines.file_reading.chunked.asset_chunks import AssetChunks
from pipelines.file_reading.chunked.file_chunks import FileChunks
from pipelines.file_reading.chunked.open_chunks import open_chunks
from pipelines.file_reading.find_files import SUFFIXES
from pipelines.file_reading.missing_columns import column_remedies
from pipelines.file_reading.notes import ReadingNotes
from pipelines.file_reading.read import read_table
from pipelines.importers.files import open_chunks as open_chunks_by_contract
from pipelines.importers.files import read_table as read_by_contract
from pipelines.importers.inbox.remembered_files import RememberedFile, RememberedFiles, state
from pipelines.importers.remembered_layout import remembered, with_layout
from pipelines.importers.row_clock import continue_rows
from pipelines.undeclared.findings import Undeclared
from pipelines.undeclared.search import find_undeclared

SETTLE = pd.Timedelta(seconds=60)
"""How long a file must not have changed to count as whole."""
_TEMPORARY = ("part", "partial", "tmp", "temp", "crdownload", "download", "filepart", "swp", "incomplete")


@dataclass(frozen=True)
class FileResult:
    """What became of one file of the inbox."""

    file: Path
    contract: str
    accepted: int = 0  # rows stored
    quarantined: int = 0  # rows in quarantine
    already: bool = False  # ingested before, so nothing was done
    error: str = ""  # why the file was refused as a whole; empty if it was not
    other_revision: bool = False  # ingested before, but not known to be by this revision of the contract


@dataclass(frozen=True)
class InboxResult:
    """What became of the files of an inbox, in the order they were ingested."""

    files: tuple[FileResult, ...]
    waiting: tuple[Path, ...] = ()  # files left for the next run, as they were changing or had a temporary name
    unmatched: Unmatched = ALL_MATCHED  # among all that is stored, if a file was ingested

    @property
    def refused(self) -> tuple[FileResult, ...]:
        """The files that were refused as a whole."""
        return tuple(result for result in self.files if result.error)

    @property
    def exit_status(self) -> int:
        """1 if a file was refused."""
        return 1 if self.refused else 0

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values."""
        return {
            "files": [vars(result) | {"file": str(result.file)} for result in self.files],
            "waiting": [str(file) for file in self.waiting],
            "unmatched": self.unmatched.to_dict(),
        }


@dataclass(frozen=True)
class CheckedFiles:
    """The report on files, and what reading them decided."""

    report: Report
    reading: ReadingNotes
    remedies: tuple[str, ...] = ()  # for missing columns, and those that the contract does not have

    @property
    def exit_status(self) -> int:
        """1 if a check failed."""
        return self.report.exit_status

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values, those of the report beside what reading decided."""
        return {**self.report.to_dict(), "reading": self.reading.to_dict(), "remedies": list(self.remedies)}


@dataclass(frozen=True)
class IngestedFiles:
    """What became of files that are one batch."""

    result: IngestResult
    reading: ReadingNotes
    registration: Registration  # of the contract
    unmatched: Unmatched
    undeclared: Undeclared | None = None  # among all that is stored of the assets of telemetry; None for other tables
    strict: bool = False  # whether it is an error that something matches nothing, or is undeclared
    remembered: str = ""  # what of the layout is kept with the contract from now on

    @property
    def exit_status(self) -> int:
        """1 if something matches nothing or is undeclared, and must not."""
        return 1 if self.strict and (self.unmatched or self.undeclared) else 0

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values, those of the batch beside the rest."""
        return {
            **self.result.to_dict(),
            "registration": self.registration.to_dict(),
            "reading": self.reading.to_dict(),
            "unmatched": self.unmatched.to_dict(),
            "undeclared": None if self.undeclared is None else self.undeclared.to_dict(),
            "remembered": self.remembered,
        }


def check_files(files: Sequence[Path], contract: Contract, layout: FileLayout, *, now: pd.Timestamp) -> CheckedFiles:
    """Check files against their contract as one batch; store nothing."""
    table = read_table(files, contract, layout, strict=False)
    names = [split_unit(str(header))[0] for header in table.frame.columns]
    remedies = column_remedies(names, contract, layout, several=len(table.notes.files) > 1)
    return CheckedFiles(check(table.frame, contract, now=now), table.notes, tuple(remedies))


@traced("ingest files")
def ingest_files(
    workspace: Workspace,
    files: Sequence[Path],
    contract: Contract,
    layout: FileLayout,
    *,
    now: pd.Timestamp,
    strict: bool = False,
    chunk_rows: int | None = None,
    progress: ProgressCallback = silent,
) -> IngestedFiles:
    """Ingest files under their contract as one batch; the same files again change nothing.

    Large files of telemetry are read and stored chunk by chunk, of `chunk_rows` rows where that is given, with the same
    result.

    `ContractError` if they as a whole break their contract. With `strict` the result's exit status is 1 if rows match
    nothing, or telemetry shows what is undeclared.
    """
    chunks = open_chunks(files, contract, layout, strict=False, chunk_rows=chunk_rows, progress=progress)
    given, contract = contract, with_layout(contract, layout)
    if chunks is not None:
        # Kept in any case: rows that are stored already may be there by an earlier revision.
        registration = register(workspace.contracts, contract, now=now)
        stored = store_chunks(workspace, chunks, contract, now=now, progress=progress)
        result, notes, unmatched = stored.result, chunks.notes(stored.left_out), find_unmatched(workspace, {})
        assets = pd.Series(stored.assets, dtype="str")
    else:
        table = read_table(files, given, layout, strict=False)
        registration = register(workspace.contracts, contract, now=now)
        frame, continued = continue_rows(workspace, table.frame, contract, layout)
        result = ingest(workspace, frame, contract, now=now)
        if result.already:
            result = replace(result, corrected=corrected_since(workspace, frame, contract))
        is_report = contract.table in REPORTS and "asset" in table.frame
        unmatched = find_unmatched(workspace, {contract.table: table.frame} if is_report else {})
        notes = replace(table.notes, continued=continued)
        assets = table.frame["asset"] if "asset" in table.frame else pd.Series(dtype="str")
    undeclared = None
    if contract.kind == TELEMETRY and len(assets):
        spans = tables.asset_spans(workspace, contract.table).set_index("asset")["rows"]
        undeclared = find_undeclared(workspace, str(contract.asset_type), spans[spans.index.isin(assets)], now=now)
    kept = remembered(given, contract) if registration.new else ""
    return IngestedFiles(result, notes, registration, unmatched, undeclared, strict, kept)


def store_chunks(
    workspace: Workspace,
    chunks: FileChunks | AssetChunks,
    contract: Contract,
    *,
    now: pd.Timestamp,
    hold_extra: bool = False,
    progress: ProgressCallback = silent,
) -> ChunkedIngest:
    """Ingest large files chunk by chunk as one batch."""
    if isinstance(chunks, AssetChunks):
        chunks.folder = workspace.root
    return ingest_chunks(
        workspace,
        chunks,
        contract,
        now=now,
        hold_extra=hold_extra,
        overlapping=chunks.several,
        progress=progress,
    )


@traced("ingest inbox")
def ingest_inbox(
    workspace: Workspace,
    inbox: Path,
    *,
    now: pd.Timestamp,
    time_zone: str | None = None,
    settle: pd.Timedelta = SETTLE,
    progress: ProgressCallback = silent,
) -> InboxResult:
    """Ingest every file of an inbox; a refused file does not hold up the others.

    The inbox holds one folder for each contract, named like it or its asset type, or with the contract's own
    ``*.odcs.yaml`` inside. Files stay where they are: ingested again they change nothing, and those that nobody has
    touched since are not even read. A file that changed within `settle` before the run, or has the name of one that is
    being written, is left for the next run.
    """
    if not inbox.is_dir():
        raise NotFoundError(
            f"no inbox at {inbox}", "a folder with one folder for each contract", "Create it, or set ingest.inbox"
        )
    found = [(folder, file) for folder in sorted(inbox.iterdir()) if folder.is_dir() for file in _data_files(folder)]
    waiting = [file for _, file in found if _is_changing(file, settle)]
    files = [(folder, file) for folder, file in found if file not in waiting]
    results, memory = [], RememberedFiles(workspace)
    for done, (folder, file) in enumerate(files):
        progress("ingest", done, len(files))
        results.append(_ingest_or_refuse(workspace, folder, file, now, time_zone, memory))
    memory.save()
    progress("ingest", len(files), len(files))
    stored = any(result.accepted for result in results)
    return InboxResult(tuple(results), tuple(waiting), find_unmatched(workspace) if stored else ALL_MATCHED)


def _data_files(folder: Path) -> list[Path]:
    return sorted(file for file in folder.iterdir() if file.is_file() and (_is_data(file.name) or _is_temporary(file)))


def _is_data(name: str) -> bool:
    return name.lower().endswith(SUFFIXES)


def _is_temporary(file: Path) -> bool:
    """Return whether a file's name is that of one being written: day.csv.part, .day.csv.x7Fa3q, ~day.csv."""
    parts = file.name.lower().lstrip(".~").split(".")
    hidden = file.name.startswith((".", "~")) and any(f".{part}" in SUFFIXES for part in parts)
    return hidden or parts[-1] in _TEMPORARY


def _is_changing(file: Path, settle: pd.Timedelta) -> bool:
    """Return whether a file may not be whole yet."""
    if _is_temporary(file):
        return True
    try:
        # By the clock that stamps files: the run's own time may be that of a replay. A file server's may be ahead.
        age = abs(time.time() - file.stat().st_mtime)
    except OSError:
        return True  # gone, or about to be replaced
    return age < settle.total_seconds()


def _ingest_or_refuse(
    workspace: Workspace, folder: Path, file: Path, now: pd.Timestamp, time_zone: str | None, memory: RememberedFiles
) -> FileResult:
    try:
        contract, before = _folder_contract(workspace, folder), state(file)
        if known := memory.stored(file, contract, time_zone):
            other = memory.by_another_revision(known, contract)
            return FileResult(file, contract.name, already=True, other_revision=other)
        result = _ingest_file(workspace, file, contract, now, time_zone)
    except ForewarnError as error:
        return FileResult(file, folder.name, error=str(error))
    memory.note(file, RememberedFile(before, contract.digest, time_zone, result.batch_id))
    counts = result.accepted, result.quarantined, result.already
    return FileResult(file, contract.name, *counts, other_revision=result.other_revision)


def _ingest_file(
    workspace: Workspace, file: Path, contract: Contract, now: pd.Timestamp, time_zone: str | None
) -> IngestResult:
    # Nobody may read the error, and what monitors the models has to know of extra columns.
    chunks = open_chunks_by_contract(file, contract, time_zone=time_zone, strict=False)
    if chunks is not None:
        return store_chunks(workspace, chunks, contract, now=now, hold_extra=True).result
    rows = read_by_contract(file, contract, time_zone=time_zone, strict=False)
    rows, _ = continue_rows(workspace, rows, contract, contract.file_layout or PLAIN)
    return ingest(workspace, rows, contract, now=now, hold_extra=True)


def _folder_contract(workspace: Workspace, folder: Path) -> Contract:
    contracts = sorted(folder.glob("*.odcs.yaml"))
    if len(contracts) > 1:
        raise UsageError(
            f"{folder} holds {len(contracts)} contracts", "one", "Give each contract a folder of its own in the inbox"
        )
    return load_contract(contracts[0]) if contracts else find_contract(workspace.contracts, folder.name)
