"""Describe the stored data, by themselves or after an import."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from data_contracts.errors import NotFoundError, did_you_mean
from data_contracts.ingestion.unmatched import Unmatched, find_unmatched
from data_contracts.progress import ProgressCallback, silent
from data_contracts.tables import tables
from data_contracts.workspace import Workspace
from pipelines.evidence.data_report import DataReport, report_data
from pipelines.importers.batch import Batch, ImportResult, import_batch
from pipelines.reports.data_page import write_data_page

_TELEMETRY = "telemetry/"


@dataclass(frozen=True)
class DescribedData:
    """Reports on the stored data, one for each asset type."""

    reports: tuple[DataReport, ...]
    unmatched: Unmatched
    page: Path | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values."""
        return {
            "reports": [report.to_dict() for report in self.reports],
            "unmatched": self.unmatched.to_dict(),
            "page": None if self.page is None else str(self.page),
        }


@dataclass(frozen=True)
class ImportedData:
    """What an import stored, and what there is now."""

    result: ImportResult
    report: DataReport | None  # None without telemetry

    @property
    def exit_status(self) -> int:
        """Return that of the import; 1 too if something is undeclared and must not be."""
        undeclared = self.report is not None and bool(self.report.undeclared)
        return 1 if self.result.strict and undeclared else self.result.exit_status

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values, those of the import beside the head of the report."""
        report = self.report
        suggestion = None if report is None or report.suggestion is None else report.suggestion.to_dict()
        data = None if report is None else {"head": list(report.head), "suggestion": suggestion}
        undeclared = None if report is None else report.undeclared.to_dict()
        return {**self.result.to_dict(), "data": data, "undeclared": undeclared}


def import_and_describe(
    workspace: Workspace,
    batch: Batch,
    *,
    now: pd.Timestamp,
    strict: bool = False,
    progress: ProgressCallback = silent,
) -> ImportedData:
    """Store a batch as `import_batch` does, and describe all that is stored about assets of its type."""
    result = import_batch(workspace, batch, now=now, strict=strict, progress=progress)
    return ImportedData(result, report_data(workspace, batch.asset_type, now=now, unmatched=result.unmatched))


def describe_data(
    workspace: Workspace,
    asset_type: str | None,
    *,
    now: pd.Timestamp,
    horizon: pd.Timedelta | None = None,
    html: Path | None = None,
) -> DescribedData:
    """Describe what is stored about the assets of a type, or of every type, and write a page if a file is named."""
    stored = [name.removeprefix(_TELEMETRY) for name in tables.versions(workspace) if name.startswith(_TELEMETRY)]
    if asset_type is not None and asset_type not in stored:
        hint = did_you_mean(asset_type, stored) or "Import its telemetry first"
        raise NotFoundError(f"no telemetry of {asset_type!r}", f"one of {', '.join(stored) or 'none yet'}", hint)
    unmatched = find_unmatched(workspace)
    types = stored if asset_type is None else [asset_type]
    described = (report_data(workspace, each, now=now, horizon=horizon, unmatched=unmatched) for each in types)
    reports = tuple(report for report in described if report is not None)
    if not reports:
        raise NotFoundError(
            "no telemetry is stored", "telemetry", "Load it with `forewarn import`, `simulate` or `ingest`"
        )
    page = None if html is None else write_data_page(html, reports, unmatched, now=now)
    return DescribedData(reports, unmatched, page)
