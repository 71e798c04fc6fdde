"""Ingestion of a batch: checked against its contract, each row stored in its table or in quarantine, once.

The refused rows are quarantined before the good ones are stored. Each is one atomic commit with the batch's id, so that
after a kill at any point the same call continues where it stopped.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import pandas as pd

from data_contracts.contract.contract_types import Contract
from data_contracts.contract.registered import Registration, register
from data_contracts.errors import UsageError
from data_contracts.ingestion import quarantine
from data_contracts.ingestion.reused_ids import as_before, refuse_reused, reused_ids
from data_contracts.ingestion.row_serialization import fingerprint
from data_contracts.ingestion.stored_before import batch_ids, stored_by_another
from data_contracts.tables import service_records, tables
from data_contracts.tables.service_records import UNCHANGED, ServiceChanges
from data_contracts.validation.checks import Examination, examine
from data_contracts.validation.conform import ConformedBatch, conform, split_unit
from data_contracts.validation.quality_flags import stored_names
from data_contracts.validation.report import CheckResult, ContractError, Report
from data_contracts.workspace import Workspace

KNOWN_TIME_ASSUMED: Final = "known_time_assumed"
"""The key of ``frame.attrs`` that says whether a batch came without known times."""


@dataclass(frozen=True)
class IngestResult:
    """The result of ingesting a batch.

    Parameters
    ----------
    batch_id
        The batch's id.
    contract
        The contract's name.
    rows
        The number of rows of the batch.
    accepted
        How many were stored by this call.
    quarantined
        How many were refused one by one by this call.
    already
        Whether the batch had been ingested before and was skipped.
    report
        The results of the checks; None if the batch was skipped.
    registration
        Whether the contract is new to the workspace, and what changed; None if the batch was skipped.
    service
        How the records of assets that nobody recorded follow from this telemetry.
    ignored_columns
        The columns that the contract does not have and that were left out.
    nulled
        By channel and quality, such as ``"bad"``, how many readings became null.
    corrected
        How many rows of a batch that was skipped another batch has corrected since, where the caller counted them.
    other_revision
        Whether a batch that was skipped is not known to have been checked by this revision of the contract.
    """

    batch_id: str
    contract: str
    rows: int
    accepted: int
    quarantined: int
    already: bool
    report: Report | None
    registration: Registration | None = None
    service: ServiceChanges = UNCHANGED
    ignored_columns: tuple[str, ...] = ()
    nulled: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    corrected: int = 0
    other_revision: bool = False

    @property
    def sentences(self) -> tuple[str, ...]:
        """Say what was decided about the batch beyond accepting and refusing rows."""
        left_out = ", ".join(self.ignored_columns)
        parts = [f"Left out, as {self.contract} does not have them: {left_out}."] if left_out else []
        for channel, counts in self.nulled.items():
            numbers = ", ".join(f"{count:,} {quality}" for quality, count in counts.items())
            parts.append(f"{channel}: readings without a value because of their quality: {numbers}.")
        if self.corrected:
            parts.append(
                f"{self.corrected:,} of these rows were corrected since by other rows, which go on counting; to have "
                "these count again, deliver them with a known_time later than that of the correction."
            )
        if self.other_revision:
            parts.append(
                f"Nothing says that these rows were checked by this revision of {self.contract}, and they stay as they "
                f"are stored: `forewarn quarantine replay --contract {self.contract}` tries those that were refused "
                "again; for others deliver the corrected rows with a later known_time."
            )
        return tuple(parts)

    def to_dict(self) -> Mapping[str, Any]:
        """Return the fields by name, as JSON values."""
        parts = {name: value for name, value in vars(self).items() if name not in ("report", "registration")}
        return {
            **parts,
            "report": None if self.report is None else self.report.to_dict(),
            "ignored_columns": list(self.ignored_columns),
            "registration": None if self.registration is None else self.registration.to_dict(),
            "service": dict(vars(self.service)),
        }


def batch_digest(frame: pd.DataFrame, contract: Contract, *, ignore_extra: bool = False) -> str:
    """Return a digest of a batch's content that does not depend on the order of its rows, 32 hexadecimal digits."""
    return _digest(frame, conform(frame, contract, ignore_extra=ignore_extra))


def _digest(frame: pd.DataFrame, batch: ConformedBatch) -> str:
    if not batch.fits:
        # As it is, as the conversion would lose some columns.
        return fingerprint(frame.astype("str"))
    # Batches that differ in what is refused of them alone are different batches.
    return fingerprint(batch.as_arrived(batch.frame.index).astype("str") if batch.refused else batch.frame)


def ingest(
    workspace: Workspace,
    frame: pd.DataFrame,
    contract: Contract,
    *,
    now: pd.Timestamp,
    batch_id: str | None = None,
    ignore_extra: bool = False,
    hold_extra: bool = False,
) -> IngestResult:
    """Ingest a batch: good rows go into the contract's table, bad rows into quarantine.

    Ingesting the same batch again changes nothing, also after a kill in between or from two processes at once. A batch
    that was refused as a whole leaves quarantine if it is accepted later.

    Parameters
    ----------
    workspace
        Where the tables are.
    frame
        The batch as it arrived. Where ``frame.attrs["known_time_assumed"]`` is true, it came without known times, and
        has event times in their place: a correction then counts as known no earlier than the row that it corrects.
    contract
        Its contract.
    now
        The time.
    batch_id
        The batch's id; a digest of its content if None.
    ignore_extra
        Whether columns that the contract does not have are left out; otherwise the contract says it.
    hold_extra
        Whether a batch that is refused for such columns is put into quarantine, as where nobody reads the error.

    Returns
    -------
    IngestResult
        How many rows were stored and refused, and the report.

    Raises
    ------
    ContractError
        If the batch as a whole breaks the contract, or every row does; all rows are in quarantine then. If it has
        columns that the contract does not have, and they are not left out; nothing is stored then.
    UsageError
        If `batch_id` was used for other rows before.
    StorageError
        If a table is corrupt or cannot be written.
    """
    batch = conform(frame, contract, ignore_extra=ignore_extra)
    if batch.extra:
        if hold_extra and len(frame):
            _hold_extra(workspace, frame, contract, batch_id, now)
        raise extra_columns_error(len(frame), batch.results, contract)
    frame = without_columns(frame, batch.ignored)
    digest = _digest(frame, batch)
    name = batch_id or digest
    mark = int(digest[:15], 16)
    stored = tables.batch_mark(workspace, contract.table, name)
    if stored is not None:
        check_same_content(name, stored, mark)
        other = stored_by_another(workspace, contract, name)
        return IngestResult(name, contract.name, len(frame), 0, 0, True, None, other_revision=other)
    # If single rows are in quarantine, this batch passed before and the process was killed between the two commits. It
    # is checked as of then: a row that was refused as ahead of the clock is in quarantine and must not be stored too.
    interrupted = quarantine.held_since(workspace, contract, name)
    if interrupted is not None:
        check_same_content(name, interrupted[0], mark)
        now = interrupted[1]
    registration = register(workspace.contracts, contract, now=now)
    checked = examine(frame, contract, now=now, ignore_extra=ignore_extra)
    checked = _check_ids(workspace, checked, contract, name, interrupted=interrupted is not None)
    report, rows, reasons = checked.report, checked.frame, checked.reasons
    if not report.batch_passed or len(reasons) == len(rows):
        _refuse(workspace, frame, contract, name, checked, mark, now)
    bad = rows.index.isin(list(reasons))
    if reasons:
        row_reasons = [reasons[row] for row in rows.index[bad]]
        quarantine.hold(
            workspace, contract, name, checked.as_arrived, row_reasons, whole_batch=False, mark=mark, now=now
        )
    good = rows[~bad]
    good = good[stored_names(good, contract)]
    # Before the readings, so that none is stored of an asset without a record.
    service = service_records.before_storing(workspace, contract, good)
    if frame.attrs.get(KNOWN_TIME_ASSUMED):
        good = _known_no_earlier_than_stored(workspace, contract, good)
    new = tables.append(workspace, contract.table, good, batch_ids(workspace, contract, name), mark=mark)
    service_records.after_storing(workspace, contract)
    if not new:
        return IngestResult(name, contract.name, len(frame), 0, 0, True, None)
    counts = int((~bad).sum()), int(bad.sum())
    return IngestResult(
        *(name, contract.name, len(frame), *counts, False, report),
        ignored_columns=batch.ignored,
        nulled=checked.nulled,
        registration=registration,
        service=service,
    )


def _check_ids(
    workspace: Workspace, checked: Examination, contract: Contract, name: str, *, interrupted: bool
) -> Examination:
    """Refuse the rows whose ids are in use for something else."""
    if not checked.report.batch_passed:
        return checked
    reused = reused_ids(workspace, checked.frame[~checked.frame.index.isin(list(checked.reasons))], contract)
    if interrupted:
        held = quarantine.held_texts(workspace, contract, name)
        reused = as_before(reused, checked.reasons, checked.frame, held)
    return refuse_reused(checked, reused, contract)


def without_columns(frame: pd.DataFrame, names: tuple[str, ...]) -> pd.DataFrame:
    """Leave out columns by name, whatever unit their headers declare."""
    return frame.loc[:, [split_unit(str(header))[0] not in names for header in frame.columns]] if names else frame


def _hold_extra(
    workspace: Workspace, frame: pd.DataFrame, contract: Contract, batch_id: str | None, now: pd.Timestamp
) -> None:
    """Put a batch with extra columns into quarantine, until it is accepted without them."""
    without = conform(frame, contract, ignore_extra=True)
    digest = _digest(without_columns(frame, without.ignored), without)
    mark, reasons = int(digest[:15], 16), [(extra_columns_reason(without.ignored),)] * len(frame)
    quarantine.hold(workspace, contract, batch_id or digest, frame, reasons, whole_batch=True, mark=mark, now=now)


def extra_columns_reason(names: tuple[str, ...]) -> str:
    """Say why a row is in quarantine whose batch has columns that the contract does not have."""
    return f"columns: {', '.join(names)} not in the contract"


def extra_columns_error(n_rows: int, results: tuple[CheckResult, ...], contract: Contract) -> ContractError:
    """Return the error of a batch with columns that the contract does not have."""
    report = Report(contract.name, contract.version, results, n_rows)
    columns = next(result for result in results if result.check == "columns")
    return ContractError(
        f"a batch of {n_rows} rows has columns that the contract {contract.name} does not have ({columns.detail})",
        f"only {', '.join(column.name for column in contract.columns)}",
        "Leave them out with --ignore-extra, or for good with the contract's custom property extraColumns: ignore; or "
        "add them to the contract. Nothing was stored",
        report,
    )


def _refuse(
    workspace: Workspace,
    frame: pd.DataFrame,
    contract: Contract,
    name: str,
    checked: Examination,
    mark: int,
    now: pd.Timestamp,
) -> None:
    """Put the whole batch into quarantine, and raise the report's error."""
    whole = batch_reasons(checked.report)
    reasons = [(*whole, *checked.reasons.get(row, ())) for row in range(len(frame))]
    if len(frame):
        quarantine.hold(workspace, contract, name, frame, reasons, whole_batch=True, mark=mark, now=now)
    raise_refusal(checked.report, name)


def batch_reasons(report: Report) -> tuple[str, ...]:
    """Return why a batch is refused as a whole."""
    return tuple(result.reason for result in report.breaches if result.level == "batch")


def raise_refusal(report: Report, name: str) -> None:
    """Raise the error of a batch that is in quarantine as a whole."""
    try:
        report.raise_if_failed()
    except ContractError as error:
        remedy = (
            f"{error.remedy}; all {report.n_rows} rows are in quarantine as batch {name}, "
            "and `forewarn quarantine export` writes them to a file to be repaired"
        )
        remedy = remedy if report.n_rows else error.remedy
        raise ContractError(error.found, error.expected, remedy, report) from None


def _known_no_earlier_than_stored(workspace: Workspace, contract: Contract, rows: pd.DataFrame) -> pd.DataFrame:
    """Move the assumed known times of rows whose key is stored already: nobody corrects what is not known yet."""
    identity = list(dict.fromkeys([contract.subject, *(name for name in contract.key if name != "known_time")]))
    if "event_time" in identity or rows.empty:
        return rows  # rows with one key have the same event time, and so the same assumed known time
    subjects = sorted(set(rows[contract.subject]))
    stored = tables.read(workspace, contract.table, assets=subjects, subject=contract.subject)
    before = stored.groupby(identity)["known_time"].max().rename("_before")
    corrected = rows[identity].merge(before, how="left", left_on=identity, right_index=True)["_before"]
    return rows.assign(known_time=rows["known_time"].where(~(corrected > rows["known_time"]), corrected))


def check_same_content(name: str, stored: int, mark: int) -> None:
    """Raise a `UsageError` if a batch's id was used for other rows."""
    if stored != mark:
        raise UsageError(
            f"the batch id {name!r} was used for other rows before",
            "a unique id for every batch",
            "Give these rows another batch id, or none, to use a digest of their content",
        )
