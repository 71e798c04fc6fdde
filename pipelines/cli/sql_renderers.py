"""Renderers of imports from other databases."""

from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.text import Text

from pipelines.cli.data_renderers import checks, reading_notes, unmatched_lines
from pipelines.terminal.tables import column_table

if TYPE_CHECKING:
    from pipelines.importers.sql.import_sql import SqlImportResult
    from pipelines.importers.sql.preview import SqlPreview


def imported(result: "SqlImportResult") -> Group:
    """Render what an import stored, and from where to where."""
    head = Text(f"{result.accepted:,} of {result.rows:,} rows stored under {result.contract}")
    if result.quarantined:
        head.append(f", {result.quarantined:,} in quarantine", style="yellow")
    if result.already:
        head.append(f"; {result.already} of {result.chunks} chunks had been ingested before")
    lines = [f"import {result.name} from {result.source}"]
    if result.watermark is not None:
        after = "the first row on" if result.started_after is None else f"after {result.started_after}"
        lines.append(f"read from {after}; imported up to {result.watermark}")
    lines += [f"{name} was not in the query: {source} was taken" for name, source in result.filled.items()]
    said = [f"{count:,} cells of {name} cannot be read as its type" for name, count in result.unreadable.items()]
    if result.without_watermark:
        said.append(f"{result.without_watermark:,} rows have no watermark and are not imported")
    said += list(result.notes) + ([result.registration.sentence] if result.registration.new else [])
    dim, plain = [Text(line, style="dim") for line in lines], [Text(line) for line in said]
    return Group(head, *dim, *plain, *unmatched_lines(result.unmatched))


def preview(result: "SqlPreview") -> Group:
    """Render the query's columns, its first rows, and what the contract says about them."""
    columns = column_table("column", "type", "in the contract")
    for each in result.columns:
        columns.add_row(each["name"] or "", each["type"] or "", each["contract"] or "-")
    after = "" if result.started_after is None else f" after {result.started_after}"
    parts: list[RenderableType] = [Text(f"about {result.rows:,} rows{after}; nothing was stored"), columns]
    if result.first:
        rows = column_table(*result.first[0])
        for row in result.first:
            rows.add_row(*(value or "-" for value in row.values()))
        parts.append(rows)
    parts += [] if result.report is None else [checks(result.report)]
    parts += [] if result.reading is None else reading_notes(result.reading)
    return Group(*parts, *(Text(remedy) for remedy in result.remedies))
