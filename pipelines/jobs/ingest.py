"""Taking files in: one at a time, or everything that lies in the inbox."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from data_contracts.contract.contract import Contract, load_contract
from data_contracts.errors import ForewarnError, NotFoundError, UsageError
from data_contracts.ingestion.ingest import IngestResult, ingest
from data_contracts.progress import ProgressCallback, silent
from data_contracts.workspace import Workspace
from pipelines.importers.files import read_table

_SUFFIXES = (".csv", ".parquet")


@dataclass(frozen=True)
class FileIntake:
    """What became of one file.

    Parameters
    ----------
    file : Path
        The file; it stays where it is.
    contract : str
        The contract it was checked against.
    accepted, quarantined : int
        Rows stored, and rows put aside.
    already : bool
        Whether it had been taken in before.
    error : str
        Why it was refused as a whole; empty if it was not.
    """

    file: Path
    contract: str
    accepted: int = 0
    quarantined: int = 0
    already: bool = False
    error: str = ""


@dataclass(frozen=True)
class InboxResult:
    """What became of the files of an inbox.

    Parameters
    ----------
    files : tuple of FileIntake
        In the order they were taken in.
    """

    files: tuple[FileIntake, ...]

    @property
    def refused(self) -> tuple[FileIntake, ...]:
        """Return the files that were refused as a whole."""
        return tuple(entry for entry in self.files if entry.error)

    @property
    def exit_status(self) -> int:
        """Return 1 when the answer is no: a file was refused."""
        return 1 if self.refused else 0

    def to_dict(self) -> dict[str, Any]:
        """Return the result as plain values."""
        return {"files": [vars(entry) | {"file": str(entry.file)} for entry in self.files]}


def ingest_file(
    workspace: Workspace, file: Path, contract: Contract, *, now: pd.Timestamp, time_zone: str | None = None
) -> IngestResult:
    """Take one file in under its contract.

    Parameters
    ----------
    workspace : Workspace
        Where the tables are.
    file : Path
        CSV or Parquet.
    contract : Contract
        What its rows have to be.
    now : pd.Timestamp
        The time of taking it in.
    time_zone : str, optional
        Of times that name none.

    Returns
    -------
    IngestResult
        Rows accepted and put into quarantine; the same file again changes nothing.

    Raises
    ------
    ContractError
        If the file as a whole breaks its contract.
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
    """Take in every file of an inbox; a file that is refused does not hold up the others.

    Parameters
    ----------
    workspace : Workspace
        Where the tables are.
    inbox : Path
        Holds one folder for each contract, named like it, or with the contract's own ``*.odcs.yaml`` inside. Files stay
        where they are: taken in again they change nothing.
    now : pd.Timestamp
        The time of taking them in.
    time_zone : str, optional
        Of times that name none.
    progress : ProgressCallback
        Takes word of how far the work is.

    Returns
    -------
    InboxResult
        What became of each file.

    Raises
    ------
    NotFoundError
        If there is no such folder.
    """
    if not inbox.is_dir():
        raise NotFoundError(
            f"no inbox at {inbox}", "a folder with one folder for each contract", "Make it, or set ingest.inbox"
        )
    found = [(folder, file) for folder in sorted(inbox.iterdir()) if folder.is_dir() for file in _data_files(folder)]
    taken = []
    for done, (folder, file) in enumerate(found):
        progress("ingest", done, len(found))
        taken.append(_take(workspace, folder, file, now, time_zone))
    progress("ingest", len(found), len(found))
    return InboxResult(tuple(taken))


def _data_files(folder: Path) -> list[Path]:
    return sorted(file for file in folder.iterdir() if file.suffix.lower() in _SUFFIXES)


def _take(workspace: Workspace, folder: Path, file: Path, now: pd.Timestamp, time_zone: str | None) -> FileIntake:
    try:
        contract = _contract(folder)
        intake = ingest_file(workspace, file, contract, now=now, time_zone=time_zone)
    except ForewarnError as error:
        return FileIntake(file, folder.name, error=str(error))
    return FileIntake(file, contract.name, intake.accepted, intake.quarantined, intake.already)


def _contract(folder: Path) -> Contract:
    own = sorted(folder.glob("*.odcs.yaml"))
    if len(own) > 1:
        raise UsageError(
            f"{folder} holds {len(own)} contracts", "one", "Give each contract a folder of its own in the inbox"
        )
    return load_contract(own[0] if own else folder.name)
