"""What an import would read: the query's columns, how many rows there are, and the first of them under the contract."""

from dataclasses import dataclass
from typing import Any

import pandas as pd

from data_contracts.contract.contract import Contract
from data_contracts.contract.file_layout import FileLayout
from data_contracts.records.records import open_records
from data_contracts.sql_source.import_state import ImportState, read_state
from data_contracts.sql_source.source_connection import connect_source
from data_contracts.validation.checks import check
from data_contracts.validation.report import Report
from data_contracts.workspace import Workspace
from pipelines.file_reading.missing_columns import column_remedies
from pipelines.file_reading.notes import ReadingNotes
from pipelines.importers.sql.import_sql import SqlSource
from pipelines.importers.sql.source_files import as_table, read_rows

_CHECKED, _SHOWN = 1_000, 5


@dataclass(frozen=True)
class SqlPreview:
    """What an import would read; nothing was stored."""

    name: str
    source: str
    contract: str
    columns: tuple[dict[str, str | None], ...]  # name and type in the query, and name in the contract, None if in none
    rows: int  # about how many would be read
    started_after: str | None  # the last watermark imported
    first: tuple[dict[str, str | None], ...]  # rows as the contract has them
    report: Report | None  # on the first rows; None if there is none
    reading: ReadingNotes | None
    remedies: tuple[str, ...] = ()

    @property
    def exit_status(self) -> int:
        """1 if a check of the first rows failed."""
        return 0 if self.report is None else self.report.exit_status

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values."""
        return {
            **vars(self),
            "columns": list(self.columns),
            "first": list(self.first),
            "report": None if self.report is None else self.report.to_dict(),
            "reading": None if self.reading is None else self.reading.to_dict(),
            "remedies": list(self.remedies),
        }


def preview_sql(
    workspace: Workspace | None,
    source: SqlSource,
    contract: Contract,
    layout: FileLayout,
    *,
    now: pd.Timestamp,
    name: str | None = None,
) -> SqlPreview:
    """Read the first rows that an import would read, and check them against the contract."""
    name = name or source.name_for(contract)
    state = ImportState() if workspace is None else read_state(open_records(workspace.records_url), name)
    with connect_source(source.url, source.password) as connection:
        names = source.query.names(connection)
        rows = source.query.first(connection, _CHECKED, after=state.watermark)
        count = source.query.estimate(connection, state.watermark)
    read = read_rows(rows, contract, layout) if rows.rows else None
    types = as_table(rows).schema
    theirs = {} if read is None else read.notes.written.renamed
    ours = [theirs.get(each, layout.rename.get(each, each)) for each in names]
    return SqlPreview(
        name=name,
        source=source.shown,
        contract=contract.name,
        columns=tuple(
            {"name": each, "type": str(types.field(each).type), "contract": own if contract.column(own) else None}
            for each, own in zip(names, ours, strict=True)
        ),
        rows=max(count, len(rows.rows)),
        started_after=None if state.watermark is None else str(state.watermark),
        first=() if read is None else tuple(_shown(read.frame.head(_SHOWN))),
        report=None if read is None else check(read.frame, contract, now=now),
        reading=None if read is None else read.notes,
        remedies=()
        if read is None
        else tuple(column_remedies(list(map(str, read.frame)), contract, layout, several=False)),
    )


def _shown(frame: pd.DataFrame) -> list[dict[str, str | None]]:
    return [
        {str(name): None if pd.isna(value) else str(value) for name, value in row.items()}
        for row in frame.to_dict("records")
    ]
