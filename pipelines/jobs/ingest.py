"""Ingest files: a single one, or everything in the inbox."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from data_contracts.contract.contract import Contract, load_contract
from data_contracts.errors import ForewarnError, NotFoundError, UsageError
from data_contracts.ingestion.ingest import IngestResult, ingest
from data_contracts.progress import ProgressCallback, silent
from data_contracts.workspace import Workspace
from pipelines.importers.files import SUFFIXES, read_table


@dataclass(frozen=True)
class FileResult:
    """What became of one file of the inbox."""

    file: Path
    contract: str
    accepted: int = 0  # rows stored
    quarantined: int = 0  # rows in quarantine
    already: bool = False  # ingested before, so nothing was done
    error: str = ""  # why the file was refused as a whole; empty if it was not


@dataclass(frozen=True)
class InboxResult:
    """What became of the files of an inbox, in the order they were ingested."""

    files: tuple[FileResult, ...]

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
        return {"files": [vars(result) | {"file": str(result.file)} for result in self.files]}


def ingest_file(
    workspace: Workspace, file: Path, contract: Contract, *, now: pd.Timestamp, time_zone: str | None = None
) -> IngestResult:
    """Ingest one CSV or Parquet file under its contract; the same file again changes nothing.

    `time_zone` is that of times that name none. `ContractError` if the file as a whole breaks its contract.
    """
    return ingest(workspace, read_table(file, contract, time_zone=time_zone, strict=False), contract, now=now)


def ingest_inbox(
    workspace: Workspace,
    inbox: Path,
    *,
    now: pd.Timestamp,
    time_zone: str | None = None,
    progress: ProgressCallback = silent,
) -> InboxResult:
    """Ingest every file of an inbox; a refused file does not hold up the others.

    The inbox holds one folder for each contract, named like it, or with the contract's own ``*.odcs.yaml`` inside.
    Files stay where they are: ingested again they change nothing.
    """
    if not inbox.is_dir():
        raise NotFoundError(
            f"no inbox at {inbox}", "a folder with one folder for each contract", "Create it, or set ingest.inbox"
        )
    files = [(folder, file) for folder in sorted(inbox.iterdir()) if folder.is_dir() for file in _data_files(folder)]
    results = []
    for done, (folder, file) in enumerate(files):
        progress("ingest", done, len(files))
        results.append(_ingest_or_refuse(workspace, folder, file, now, time_zone))
    progress("ingest", len(files), len(files))
    return InboxResult(tuple(results))


def _data_files(folder: Path) -> list[Path]:
    return sorted(file for file in folder.iterdir() if file.suffix.lower() in SUFFIXES)


def _ingest_or_refuse(
    workspace: Workspace, folder: Path, file: Path, now: pd.Timestamp, time_zone: str | None
) -> FileResult:
    try:
        contract = _folder_contract(folder)
        result = ingest_file(workspace, file, contract, now=now, time_zone=time_zone)
    except ForewarnError as error:
        return FileResult(file, folder.name, error=str(error))
    return FileResult(file, contract.name, result.accepted, result.quarantined, result.already)


def _folder_contract(folder: Path) -> Contract:
    contracts = sorted(folder.glob("*.odcs.yaml"))
    if len(contracts) > 1:
        raise UsageError(
            f"{folder} holds {len(contracts)} contracts", "one", "Give each contract a folder of its own in the inbox"
        )
    return load_contract(contracts[0] if contracts else folder.name)
