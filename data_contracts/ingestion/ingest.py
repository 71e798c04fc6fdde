"""Intake: a batch is checked against its contract, and every row of it ends in the table or in quarantine, once.

The rows refused are held before the good ones are stored. Each is one atomic commit that carries the batch's id; so
after a kill anywhere the same call goes on where it stopped.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from data_contracts.contract.contract import Contract
from data_contracts.errors import UsageError
from data_contracts.ingestion import quarantine
from data_contracts.ingestion.row_serialization import fingerprint
from data_contracts.tables import tables
from data_contracts.validation.checks import Examination, examine
from data_contracts.validation.conform import conform
from data_contracts.validation.report import ContractError, Report
from data_contracts.workspace import Workspace


@dataclass(frozen=True)
class IngestResult:
    """What came of a batch.

    Parameters
    ----------
    batch_id
        What tells the batch from every other.
    contract
        The contract's name.
    rows
        How many rows came.
    accepted
        How many were stored now.
    quarantined
        How many were refused now, one by one.
    already
        Whether the batch had been taken in before; then nothing was done.
    report
        What the checks found; None if the batch had been taken in before.
    """

    batch_id: str
    contract: str
    rows: int
    accepted: int
    quarantined: int
    already: bool
    report: Report | None

    def to_dict(self) -> Mapping[str, Any]:
        """Make JSON values of it.

        Returns
        -------
        dict
            The fields by their names.
        """
        return {**vars(self), "report": None if self.report is None else self.report.to_dict()}


def batch_digest(frame: pd.DataFrame, contract: Contract) -> str:
    """Compute the id of a batch from its content, whatever the order of its rows.

    Parameters
    ----------
    frame
        The batch as it came.
    contract
        Its contract.

    Returns
    -------
    str
        32 hexadecimal digits.
    """
    shaped, results = conform(frame, contract)
    # A batch that fits no contract is told by its own columns: the shape would have lost some.
    return fingerprint(shaped if all(result.passed for result in results) else frame.astype("str"))


def ingest(
    workspace: Workspace, frame: pd.DataFrame, contract: Contract, *, now: pd.Timestamp, batch_id: str | None = None
) -> IngestResult:
    """Take a batch in: good rows into the contract's table, bad rows into quarantine.

    Taking the same batch in again changes nothing, also after a kill in between or from two processes at once. A batch
    that had been refused as a whole leaves quarantine when it is accepted after all.

    Parameters
    ----------
    workspace
        Where the tables are.
    frame
        The batch as it came.
    contract
        What it has to be.
    now
        The time.
    batch_id
        What tells the batch from every other; a digest of its content if None.

    Returns
    -------
    IngestResult
        What came of it.

    Raises
    ------
    ContractError
        If the batch as a whole breaks the contract, or none of its rows is good; all of them are in quarantine then.
    UsageError
        If `batch_id` was used for other rows before.
    StorageError
        If a table is corrupt or cannot be written.
    """
    digest = batch_digest(frame, contract)
    name = batch_id or digest
    mark = int(digest[:15], 16)
    stored = tables.batch_mark(workspace, contract.table, name)
    if stored is not None:
        _refuse_reuse(name, stored, mark)
        return IngestResult(name, contract.name, len(frame), 0, 0, True, None)
    # Rows held one by one mean that this batch was found good before, and that a kill came between the two commits. It
    # is judged as of then: what was too early for the clock must not be stored now, being held.
    begun = quarantine.held_since(workspace, contract, name)
    if begun is not None:
        _refuse_reuse(name, begun[0], mark)
        now = begun[1]
    found = examine(frame, contract, now=now)
    if not found.report.batch_passed or len(found.reasons) == len(found.frame):
        _refuse(workspace, frame, contract, name, found, mark, now)
    bad = found.frame.index.isin(list(found.reasons))
    if found.reasons:
        why = [found.reasons[row] for row in found.frame.index[bad]]
        quarantine.hold(workspace, contract, name, found.frame[bad], why, whole_batch=False, mark=mark, now=now)
    new = tables.append(workspace, contract.table, found.frame[~bad], name, mark=mark)
    accepted, refused = (int((~bad).sum()), int(bad.sum())) if new else (0, 0)
    return IngestResult(name, contract.name, len(frame), accepted, refused, not new, found.report if new else None)


def _refuse(
    workspace: Workspace,
    frame: pd.DataFrame,
    contract: Contract,
    name: str,
    found: Examination,
    mark: int,
    now: pd.Timestamp,
) -> None:
    """Hold the whole batch, and say why."""
    whole = [
        f"{result.check} {result.column}".strip() + f": {result.detail}"
        for result in found.report.breaches
        if result.level == "batch"
    ]
    why = [(*whole, *found.reasons.get(row, ())) for row in range(len(frame))]
    if len(frame):
        quarantine.hold(workspace, contract, name, frame, why, whole_batch=True, mark=mark, now=now)
    try:
        found.report.raise_if_failed()
    except ContractError as error:
        remedy = (
            f"{error.remedy}; all {len(frame)} rows are in quarantine as batch {name}, "
            "from where `forewarn quarantine export` writes them to a file to be mended"
        )
        raise ContractError(error.found, error.expected, remedy if len(frame) else error.remedy, found.report) from None


def _refuse_reuse(name: str, stored: int, mark: int) -> None:
    if stored != mark:
        raise UsageError(
            f"the batch id {name!r} was used for other rows before",
            "an id of its own for every batch",
            "Give these rows another batch id, or none: then their content tells them apart",
        )
