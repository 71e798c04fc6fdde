"""Ingestion of a batch in chunks: the same rows stored and refused, for the same reasons, as of the batch at once.

The chunks are read three times. The first time their shape, digest and latest times are noted, and what repeats. Then
the rows are checked, chunk by chunk, and both kinds written to data files that no version has yet. At the end the bad
ones become part of quarantine, and the good ones of their table, in one commit each, as of a batch at once.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pandas as pd

from data_contracts.bulk.batch_checks import BatchChecks
from data_contracts.bulk.batch_chunks import BatchChunks
from data_contracts.bulk.batch_digest import BatchDigest
from data_contracts.bulk.batch_shape import BatchShape
from data_contracts.bulk.corrected import corrected_since
from data_contracts.bulk.scratch import Scratch
from data_contracts.bulk.staged_rows import StagedRows
from data_contracts.contract.contract_types import Contract
from data_contracts.contract.registered import register
from data_contracts.ingestion import quarantine
from data_contracts.ingestion.ingest import (
    IngestResult,
    batch_reasons,
    check_same_content,
    extra_columns_error,
    extra_columns_reason,
    raise_refusal,
    without_columns,
)
from data_contracts.ingestion.quarantine_entries import TABLE, complete
from data_contracts.ingestion.stored_before import batch_ids, stored_by_another
from data_contracts.progress import ProgressCallback, silent
from data_contracts.tables import service_records, tables
from data_contracts.tables.arrow_frames import to_arrow
from data_contracts.validation.quality_flags import stored_names
from data_contracts.validation.report import Report
from data_contracts.workspace import Workspace


@dataclass(frozen=True)
class ChunkedIngest:
    """What became of a batch in chunks."""

    result: IngestResult
    assets: tuple[str, ...]  # those that its rows name, sorted
    left_out: int  # rows that an earlier file has too


def ingest_chunks(
    workspace: Workspace,
    chunks: Iterable[pd.DataFrame],
    contract: Contract,
    *,
    now: pd.Timestamp,
    batch_id: str | None = None,
    ignore_extra: bool = False,
    hold_extra: bool = False,
    overlapping: bool = False,
    progress: ProgressCallback = silent,
) -> ChunkedIngest:
    """Ingest the rows of chunks as one batch of telemetry; see `data_contracts.ingestion.ingest.ingest`.

    All chunks have the same columns. With `overlapping` they are from several files, whose numbers their attributes
    have: rows that an earlier file has too are left out.
    """
    with read_chunks(workspace, chunks, contract, now=now, ignore_extra=ignore_extra, overlapping=overlapping) as batch:
        result = batch.ingest(batch_id, hold_extra=hold_extra, progress=progress)
        return ChunkedIngest(result, tuple(sorted(batch.assets)), batch.chunks.left_out)


@contextmanager
def read_chunks(
    workspace: Workspace,
    chunks: Iterable[pd.DataFrame],
    contract: Contract,
    *,
    now: pd.Timestamp,
    ignore_extra: bool = False,
    overlapping: bool = False,
) -> Iterator["ChunkedBatch"]:
    """Read all chunks, and yield the batch to be ingested; see `ingest_chunks`."""
    with Scratch(workspace.root) as scratch:
        kept = BatchChunks(scratch)
        numbered = kept.record_overlapping(chunks, contract) if overlapping else kept.record(chunks)
        batch = ChunkedBatch(workspace, contract, kept, now, scratch, ignore_extra=ignore_extra)
        batch.look(numbered)
        yield batch


class ChunkedBatch:
    """A batch on its way into its table."""

    def __init__(
        self,
        workspace: Workspace,
        contract: Contract,
        chunks: BatchChunks,
        now: pd.Timestamp,
        scratch: Scratch,
        *,
        ignore_extra: bool,
    ) -> None:
        self.scratch = scratch
        self.workspace, self.contract, self.chunks, self.now = workspace, contract, chunks, now
        self.shape = BatchShape(contract, ignore_extra=ignore_extra)
        self.checks = BatchChecks(scratch, contract, self.shape, now)
        self.assets: set[str] = set()
        self._digest: BatchDigest | None = BatchDigest(scratch)

    def look(self, numbered: Iterator[tuple[int, pd.DataFrame]]) -> None:
        """Note of the rows what the checks of all of them need."""
        for _, frame in numbered:
            conformed = self.shape.add(frame)
            if self._digest is not None and (self.shape.has_refused or not self.shape.has_columns):
                self._digest = None  # then it is one of texts, of all chunks
            if self._digest is not None:
                self._digest.add(conformed.frame)
            if "asset" in conformed.frame.columns:
                self.assets.update(conformed.frame["asset"].dropna().unique())
            if self.shape.has_columns:
                self.checks.look(conformed)

    def digest(self) -> str:
        """Return the digest of all rows."""
        if self._digest is not None and self.shape.fits:
            return self._digest.close()
        digest = BatchDigest(self.scratch)
        for _, frame in self.chunks:
            if self.shape.fits:
                conformed = self.shape.conform(frame)
                digest.add(conformed.as_arrived(conformed.frame.index).astype("str"))
            else:
                digest.add(without_columns(frame, self.shape.ignored).astype("str"))
        return digest.close()

    def ingest(
        self, batch_id: str | None = None, *, hold_extra: bool = False, progress: ProgressCallback = silent
    ) -> IngestResult:
        """Store the rows or refuse them."""
        contract, rows = self.contract, self.shape.rows
        if self.shape.extra:
            if hold_extra and rows:
                self._hold_extra(batch_id)
            raise extra_columns_error(rows, self.shape.results, contract)
        digest = self.digest()
        name, mark = batch_id or digest, int(digest[:15], 16)
        stored = tables.batch_mark(self.workspace, contract.table, name)
        if stored is not None:
            check_same_content(name, stored, mark)
            other = stored_by_another(self.workspace, contract, name)
            corrected = corrected_since(self.workspace, self.chunks, self.shape, contract, self.scratch)
            return IngestResult(name, contract.name, rows, 0, 0, True, None, corrected=corrected, other_revision=other)
        interrupted = quarantine.held_since(self.workspace, contract, name)
        if interrupted is not None:
            check_same_content(name, interrupted[0], mark)
            self.checks.now = interrupted[1]
        registration = register(self.workspace.contracts, contract, now=self.checks.now)
        if not self.shape.fits:
            report = Report(contract.name, contract.version, self.shape.results, rows)
            self._refuse(report, name, mark)
        self.checks.search(self.chunks.read)
        return self._store(name, mark, registration, held=interrupted is not None, progress=progress)

    def _store(
        self, name: str, mark: int, registration: Any, *, held: bool, progress: ProgressCallback
    ) -> IngestResult:
        contract = self.contract
        good, bad = StagedRows(self.workspace, contract.table), StagedRows(self.workspace, TABLE)
        try:
            first = self._stage(good, bad, name, mark, held=held, progress=progress)
            report, refused = self.checks.report(), self.checks.refused
            if not report.batch_passed or refused == self.shape.rows:
                good.discard()
                bad.discard()
                self._refuse(report, name, mark)
            if refused and not held:
                bad.commit({quarantine.commit_of(contract, name, False, mark): mark})
            # Before the readings, so that none is stored of an asset without a record.
            service = service_records.before_storing(self.workspace, contract, first)
            new = good.commit(dict.fromkeys(batch_ids(self.workspace, contract, name), mark))
        except BaseException:
            good.discard()
            bad.discard()
            raise
        rows = self.shape.rows
        if not new:
            return IngestResult(name, contract.name, rows, 0, 0, True, None)
        return IngestResult(
            *(name, contract.name, rows, rows - refused, refused, False, report),
            ignored_columns=self.shape.ignored,
            nulled=self.checks.nulled,
            registration=registration,
            service=service,
        )

    def _stage(
        self, good: StagedRows, bad: StagedRows, name: str, mark: int, *, held: bool, progress: ProgressCallback
    ) -> pd.DataFrame:
        """Write the rows to files; return the first event time of each asset with a good one."""
        firsts: list[pd.DataFrame] = []
        done = refused = 0
        progress("check", 0, self.shape.rows)
        for number, frame in self.chunks:
            checked = self.checks.examine(number, frame)
            self.checks.add(checked)
            is_bad = checked.frame.index.isin(list(checked.reasons))
            if checked.reasons and not held:
                rows, reasons = checked.as_arrived, [checked.reasons[row] for row in checked.frame.index[is_bad]]
                bad.add(self._entries(rows, reasons, name, mark, whole_batch=False, first=refused))
            refused += len(checked.reasons)
            kept = checked.frame[~is_bad]
            if len(kept):
                good.add(to_arrow(kept[stored_names(kept, self.contract)]))
                firsts.append(kept.groupby("asset")["event_time"].min().reset_index())
            done += len(frame)
            progress("check", done, self.shape.rows)
        if not firsts:
            return pd.DataFrame()
        return pd.concat(firsts).groupby("asset")["event_time"].min().reset_index()

    def _refuse(self, report: Report, name: str, mark: int) -> None:
        """Put all rows into quarantine, and raise the report's error."""
        whole = batch_reasons(report)

        def reasons_of(number: int, frame: pd.DataFrame) -> list[tuple[str, ...]]:
            of_rows = self._row_reasons(number, frame)
            return [(*whole, *of_rows.get(row, ())) for row in range(len(frame))]

        self._hold_whole(reasons_of, name, mark)
        raise_refusal(report, name)

    def _row_reasons(self, number: int, frame: pd.DataFrame) -> Mapping[int, tuple[str, ...]]:
        if self.shape.fits:
            return self.checks.examine(number, frame).reasons
        # A column of another type altogether is a reason against the batch.
        broken = tuple(
            f"type {result.column}: "
            for result in self.shape.results
            if result.check == "type" and not result.passed and result.level == "batch"
        )
        reasons = self.shape.conform(frame).reasons
        return {row: tuple(why for why in whys if not why.startswith(broken)) for row, whys in reasons.items()}

    def _hold_extra(self, batch_id: str | None) -> None:
        without = ChunkedBatch(self.workspace, self.contract, self.chunks, self.now, self.scratch, ignore_extra=True)
        without.look(iter(self.chunks))
        digest = without.digest()
        why = (extra_columns_reason(without.shape.ignored),)
        self._hold_whole(lambda _, frame: [why] * len(frame), batch_id or digest, int(digest[:15], 16))

    def _hold_whole(self, reasons_of: Any, name: str, mark: int) -> None:
        staged, done = StagedRows(self.workspace, TABLE), 0
        for number, frame in self.chunks:
            rows = without_columns(frame, self.shape.ignored)
            reasons = reasons_of(number, frame)
            staged.add(self._entries(rows, reasons, name, mark, whole_batch=True, first=done))
            done += len(frame)
        staged.commit({quarantine.commit_of(self.contract, name, True, mark): mark})

    def _entries(self, rows: pd.DataFrame, reasons: Any, name: str, mark: int, *, whole_batch: bool, first: int) -> Any:
        now = self.checks.now
        entries = quarantine.held_entries(
            self.contract, name, rows, reasons, whole_batch=whole_batch, mark=mark, now=now, first=first
        )
        return to_arrow(complete(entries, now))
