"""Describe the stored data, by themselves or after an import."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from data_contracts.errors import NotFoundError, UsageError, did_you_mean
from data_contracts.ingestion.unmatched import Unmatched, find_unmatched
from data_contracts.progress import ProgressCallback, silent
from data_contracts.tables import tables
from data_contracts.workspace import Workspace
from pipelines.data_reports.data_report import DataReport, report_data
from pipelines.data_reports.experiment_draft import experiment_text
from pipelines.data_reports.outcome_choice import BOOKED, OutcomeChoice
from pipelines.importers.batch import Batch, ImportResult, import_batch
from pipelines.reports.data_page import write_data_page

_TELEMETRY = "telemetry/"


@dataclass(frozen=True)
class DescribedData:
    """Reports on the stored data, one for each asset type."""

    reports: tuple[DataReport, ...]
    unmatched: Unmatched
    page: Path | None = None
    experiment: Path | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values."""
        return {
            "reports": [report.to_dict() for report in self.reports],
            "unmatched": self.unmatched.to_dict(),
            "page": None if self.page is None else str(self.page),
            "experiment": None if self.experiment is None else str(self.experiment),
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
    outcome: OutcomeChoice = BOOKED,
    html: Path | None = None,
    experiment: Path | None = None,
    left_out: Sequence[str] = (),
) -> DescribedData:
    """Describe what is stored about the assets of a type, or of every type.

    Write a page, and an experiment to start from whose features are of all channels but those `left_out`, if files are
    named.
    """
    if experiment is not None:
        _check_new(experiment)
    stored = stored_types(workspace)
    if asset_type is not None:
        refuse_unknown_type(asset_type, stored)
    if asset_type is None and len(stored) > 1 and (experiment is not None or outcome.condition is not None):
        raise UsageError(f"telemetry of {', '.join(stored)}", "one of these types", "Name it with --asset-type")
    unmatched = find_unmatched(workspace)
    types = stored if asset_type is None else [asset_type]
    described = (
        report_data(workspace, each, now=now, horizon=horizon, outcome=outcome, unmatched=unmatched) for each in types
    )
    reports = tuple(report for report in described if report is not None)
    if not reports:
        raise NotFoundError(
            "no telemetry is stored", "telemetry", "Load it with `forewarn import`, `simulate` or `ingest`"
        )
    if experiment is not None:
        _write(experiment, experiment_text(reports[0], outcome, horizon=horizon, left_out=left_out))
    page = None if html is None else write_data_page(html, reports, unmatched, now=now)
    return DescribedData(reports, unmatched, page, experiment)


def stored_types(workspace: Workspace) -> list[str]:
    """Return the asset types with a table of telemetry."""
    return [name.removeprefix(_TELEMETRY) for name in tables.versions(workspace) if name.startswith(_TELEMETRY)]


def refuse_unknown_type(asset_type: str, stored: Sequence[str]) -> None:
    """Raise NotFoundError if there is no telemetry of an asset type."""
    if asset_type not in stored:
        hint = did_you_mean(asset_type, stored) or "Import its telemetry first"
        raise NotFoundError(f"no telemetry of {asset_type!r}", f"one of {', '.join(stored) or 'none yet'}", hint)


def _check_new(file: Path) -> None:
    if file.suffix != ".toml" or file.exists():
        found = f"{file} exists" if file.exists() else f"{file} does not end in .toml"
        raise UsageError(found, "a new file ending in .toml", "Choose another name, or remove the file")


def _write(file: Path, text: str) -> None:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        found = f"{file} cannot be written ({error.strerror})"
        raise UsageError(found, "a file in a writable folder", "Name another with --experiment") from error
