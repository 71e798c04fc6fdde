"""Render what happens to data: checks, ingestion, imports, quarantine and the report on what is stored."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from pipelines.terminal.metrics import pluralize
from pipelines.terminal.tables import column_table, yes_or_no

if TYPE_CHECKING:
    from data_contracts.ingestion.ingest import IngestResult
    from data_contracts.ingestion.quarantine import QuarantineReplay
    from data_contracts.ingestion.unmatched import Unmatched
    from data_contracts.validation.contract_words import ContractWords
    from data_contracts.validation.report import Report
    from pipelines.data_reports.data_report import DataReport
    from pipelines.file_reading.notes import ReadingNotes
    from pipelines.importers.batch import ImportResult
    from pipelines.importers.inferred_contract import InferredContract
    from pipelines.jobs.data_report import DescribedData, ImportedData
    from pipelines.jobs.ingest import CheckedFiles, FileResult, InboxResult, IngestedFiles
    from pipelines.undeclared.findings import Undeclared

_MAX_LISTED = 20
_MAX_VALUES = 4
_ROW_TIMES = ("event_time", "known_time")


def checks(report: "Report") -> Group:
    """Render the report about a batch: the checks that failed, and how many passed."""
    table = column_table("check", "column", "rows", "refused", "why")
    for result in report.breaches:
        refused = {"batch": "every row", "row": "those rows", "notice": "nothing"}[result.level]
        table.add_row(result.check, result.column or "-", f"{result.rows:,}", refused, result.detail)
    passed = len(report.results) - len(report.breaches)
    head = Text(
        f"{report.n_rows:,} {pluralize('row', report.n_rows)}, the contract {report.contract} {report.version} is "
    )
    head.append_text(yes_or_no(report.passed, "kept", "broken"))
    head.append(f": {passed} of {len(report.results)} checks passed")
    return Group(head, *([table] if report.breaches else []))


def refused(frame: pd.DataFrame) -> Group:
    """Render rows of `data_contracts.ingestion.quarantine.list_rows`: the count of each reason, then the first rows."""
    if frame.empty:
        return Group(Text("No such row is in quarantine."))
    reasons = frame.explode("reasons")[["contract", "reasons"]].value_counts().reset_index()
    counts = column_table("rows", "contract", "why")
    for contract, reason, count in reasons.head(_MAX_LISTED).itertuples(index=False, name=None):
        counts.add_row(f"{count:,}", contract, reason)
    first = column_table("batch", "asset", "event time", "value", "why")
    for _, entry in frame.head(_MAX_LISTED).iterrows():
        row = json.loads(entry["row"])
        key = [str(row.get(name) or "-")[:19] for name in ("asset", "event_time")]
        first.add_row(entry["batch_id"][:8], *key, _refused_values(row, entry["reasons"]), "; ".join(entry["reasons"]))
    head = f"\n{len(frame):,} {pluralize('row', len(frame))} in quarantine; the first {min(_MAX_LISTED, len(frame))}:"
    return Group(counts, Text(head), first)


def unmatched_lines(unmatched: "Unmatched") -> list[Text]:
    """Render what matches nothing, a line each."""
    return [Text(f"matches nothing: {sentence}", style="yellow") for sentence in unmatched.sentences]


def undeclared_lines(undeclared: "Undeclared") -> list[Text]:
    """Render what nobody declared, a line each."""
    return [Text(f"undeclared: {sentence}", style="yellow") for sentence in undeclared.sentences]


def _refused_values(row: Mapping[str, Any], reasons: Sequence[str]) -> str:
    """Return the values that reasons such as ``"range flow: 0 to 5"`` are about."""
    named = [reason.partition(":")[0].partition(" ") for reason in reasons]
    columns = [column for check, _, name in named for column in ((name,) if name else _of_whole_row(check, row))]
    values = {column: "-" if row[column] is None else str(row[column]) for column in columns if column in row}
    return ", ".join(values.values() if len(values) == 1 else (f"{name} {text}" for name, text in values.items()))


def _of_whole_row(check: str, row: Mapping[str, Any]) -> Sequence[str]:
    """Return the columns to show of a row that is refused for no single one."""
    if check == "time_order":
        return _ROW_TIMES
    return [name for name in row if name not in ("asset", "source", *_ROW_TIMES)][:_MAX_VALUES]


def reading_notes(notes: "ReadingNotes", table: str = "") -> list[Text]:
    """Render what reading files decided, found and left out."""
    return [Text(f"{table}: {sentence}" if table else sentence, style="dim") for sentence in notes.sentences()]


def checked(result: "CheckedFiles") -> Group:
    """Render the report about files, and what reading them decided."""
    remedies = [Text(f"fix: {remedy}", style="yellow") for remedy in result.remedies]
    return Group(checks(result.report), *remedies, *reading_notes(result.reading))


def ingested(result: "IngestedFiles") -> Group:
    """Render what became of files, and what they match nothing with."""
    registered = [Text(result.registration.sentence)] if result.registration.new else []
    registered += [Text(result.remembered)] if result.remembered else []
    found = [*unmatched_lines(result.unmatched)]
    found += [] if result.undeclared is None else undeclared_lines(result.undeclared)
    return Group(ingest(result.result), *reading_notes(result.reading), *registered, *found)


def ingest(result: "IngestResult") -> Group:
    """Render what became of a batch."""
    if result.already:
        skipped = Text(f"{result.rows:,} rows already ingested, as batch {result.batch_id}; skipped.")
        return Group(skipped, *(Text(sentence, style="yellow") for sentence in result.sentences))
    head = Text(f"{result.accepted:,} of {result.rows:,} rows stored under {result.contract}")
    if result.quarantined:
        head.append(f", {result.quarantined:,} in quarantine", style="yellow")
    breaches = () if result.report is None or result.report.passed else (checks(result.report),)
    hint = f"See them with `forewarn quarantine list --batch {result.batch_id}`."
    batch = Text(f"batch {result.batch_id}", style="dim")
    said = [Text(sentence) for sentence in result.sentences]
    return Group(head, batch, *said, *breaches, *([Text(hint)] if breaches else []))


def replay(replay: "QuarantineReplay") -> Group:
    """Render which rows left quarantine."""
    head = Text(f"{replay.accepted:,} of {replay.rows:,} rows stored under {replay.contract}, ")
    head.append(f"{replay.refused:,} still in quarantine", style="yellow" if replay.refused else "")
    head.append(f", {replay.already:,} were stored before" if replay.already else "")
    reasons = [reason for row_reasons in replay.reasons.values() for reason in row_reasons]
    table = column_table("rows", "why")
    for reason, count in pd.Series(reasons, dtype="str").value_counts().head(_MAX_LISTED).items():
        table.add_row(f"{count:,}", str(reason))
    return Group(head, *([table] if reasons else []))


def imported_tables(result: "ImportResult") -> Group:
    """Render what was read and stored, what was decided, what matches nothing, and what to do next."""
    table = column_table("table", "rows", "stored", "quarantined", "")
    for name, counts in result.tables.items():
        note = "already imported" if counts.already else ""
        table.add_row(name, f"{counts.rows:,}", f"{counts.accepted:,}", f"{counts.quarantined:,}", note)
    said = [result.contract.sentence, *result.notes]
    read = [part for name, notes in result.reading.items() for part in reading_notes(notes, name)]
    parts = [*read, *(Text(sentence) for sentence in said if sentence), *unmatched_lines(result.unmatched)]
    head = f"{result.assets:,} {pluralize('asset', result.assets)} of type {result.asset_type}"
    return Group(Text(head, style="bold"), table, *parts, *(Text(step, style="dim") for step in _next_steps(result)))


def imported(result: "ImportedData") -> Group:
    """Render an import, and the head of the report on what is stored now."""
    if result.report is None:
        return imported_tables(result.result)
    head = [Text(f"- {sentence}") for sentence in result.report.head]
    hint = Text("See `forewarn data report` for the rest; --experiment FILE writes an experiment.", style="dim")
    undeclared = undeclared_lines(result.report.undeclared)
    stored = Text("\nStored now", style="bold")
    return Group(imported_tables(result.result), *undeclared, stored, *head, *_try_first(result.report), hint)


def _try_first(report: "DataReport") -> list[Text]:
    return [] if report.suggestion is None else [Text(f"- try first: {report.suggestion.words}")]


def described(result: "DescribedData") -> Group:
    """Render the report on what is stored, type by type."""
    parts: list[RenderableType] = []
    for report in result.reports:
        parts += [Text(report.asset_type, style="bold"), *(Text(f"- {sentence}") for sentence in report.head)]
        parts += undeclared_lines(report.undeclared)
        parts += [*_try_first(report), Text(), _channels(report), Text(), _assets(report), Text()]
    parts += unmatched_lines(result.unmatched)
    parts += [] if result.page is None else [Text(f"page: {result.page}")]
    if (written := result.experiment) is not None:
        parts.append(Text(f"experiment: {written}; look through it, then `forewarn train {written}`"))
    return Group(*parts)


def _channels(report: "DataReport") -> Table:
    table = column_table("channel", "range", "missing", "constant on", "no values on")
    for channel in report.channels:
        span = "-" if channel.missing == 1 else f"{channel.low:.4g} to {channel.high:.4g}"
        table.add_row(channel.name, span, f"{channel.missing:.1%}", f"{channel.constant:,}", f"{channel.dead:,}")
    return table


def _assets(report: "DataReport") -> Group:
    from pipelines.data_reports.data_report import format_seconds

    table = column_table("asset", "readings", "first", "last", "one every", "gaps")
    for asset, row in report.profiles.head(_MAX_LISTED).iterrows():
        every = "-" if pd.isna(row["interval"]) else format_seconds(row["interval"], report.written)
        gaps = "0" if pd.isna(row["gaps"]) else f"{int(row['gaps']):,}"
        times = (report.written.instant(row["first"]), report.written.instant(row["last"]))
        table.add_row(str(asset), f"{int(row['rows']):,}", *times, every, gaps)
    more = len(report.profiles) - _MAX_LISTED
    return Group(table, *([Text(f"and {more:,} more assets, with fewer gaps", style="dim")] if more > 0 else []))


def _next_steps(result: "ImportResult") -> Iterator[str]:
    if any(counts.quarantined for counts in result.tables.values()):
        yield "See the refused rows with `forewarn quarantine list`."
    if result.unmatched:
        yield "Correct their ids or times and import again, or leave those rows: nothing learns from them."


def waiting(files: Sequence[Any]) -> list[Text]:
    """Render the files that an inbox's run left alone."""
    return [Text(f"{Path(file).name}: left for the next run, as it may not be whole yet") for file in files]


def inbox(result: "InboxResult") -> Group:
    """Render what became of the files of an inbox."""
    table = column_table("file", "contract", "stored", "quarantined", "")
    for entry in result.files:
        note = entry.error or _skipped(entry)
        table.add_row(entry.file.name, entry.contract, f"{entry.accepted:,}", f"{entry.quarantined:,}", note)
    left = [*waiting(result.waiting), *unmatched_lines(result.unmatched)]
    return Group(table if result.files else Text("The inbox holds no file that is whole."), *left)


def _skipped(entry: "FileResult") -> str:
    if not entry.already:
        return ""
    return "already ingested" + (", not known to be by this revision of its contract" if entry.other_revision else "")


def contract(words: "ContractWords") -> Group:
    """Render a contract in words: its columns, the rules for a batch, the layout of its files."""
    about = words.kind if words.asset_type is None else f"{words.kind} of type {words.asset_type}"
    head = Text(f"{words.name} {words.version}", style="bold")
    head.append(f", {about}, digest {words.digest}; rows are stored in {words.table}", style="not bold")
    table = column_table("column", "is", "type", "unit", "demands")
    for column in words.columns:
        table.add_row(column.name, column.role, column.type, column.unit, "; ".join(column.rules))
    layout = [Text(f"files: {name.replace('_', ' ')} {value}") for name, value in words.layout.items()]
    return Group(head, table, *(Text(f"- {rule}") for rule in words.rules), *layout)


def inferred(result: "InferredContract") -> Group:
    """Render where an inferred contract was written, what it decided, and how the files keep it."""
    head = Text(f"Written to {result.file}: of {result.rows:,} rows, {result.rows - result.refused:,} keep it.")
    parts = [Text(f"- {decision}") for decision in result.decisions]
    parts += [Text(f"refused: {breach}", style="yellow") for breach in result.breaches]
    return Group(head, *parts, Text(f"See it with `forewarn contract check {result.file}`.", style="dim"))
