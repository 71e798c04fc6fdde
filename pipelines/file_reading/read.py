"""Reading files under a contract, in the layout that the contract or the command line names."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from data_contracts.contract.contract import Column, Contract
from data_contracts.contract.file_layout import CYCLE, PLAIN, ROW, FileLayout
from data_contracts.errors import ForewarnError
from data_contracts.ingestion.ingest import KNOWN_TIME_ASSUMED
from pipelines.file_reading import columns as naming
from pipelines.file_reading.columns import Columns
from pipelines.file_reading.combine import join, number_rows, stack
from pipelines.file_reading.convert import Converted, convert
from pipelines.file_reading.find_files import base_folder, find_files, passed_over
from pipelines.file_reading.headers import Complete
from pipelines.file_reading.long_layout import name_roles, to_wide
from pipelines.file_reading.missing_columns import check_columns, check_repeated
from pipelines.file_reading.notes import FileNotes, LongNotes, ReadingNotes
from pipelines.file_reading.raw_table import read_raw


@dataclass(frozen=True)
class FileTable:
    """The rows of files, and what reading them decided."""

    frame: pd.DataFrame
    notes: ReadingNotes


@dataclass(frozen=True)
class OneFile:
    """One of the files of a table."""

    path: Path
    frame: pd.DataFrame
    units: dict[str, str]
    written: FileNotes
    converted: Converted
    long: LongNotes | None


def read_table(
    paths: Path | Sequence[Path], contract: Contract, layout: FileLayout | None = None, *, strict: bool = True
) -> FileTable:
    """Read files, folders or patterns as one table with the contract's columns and types.

    The rows keep the files' order: text as ``str``, numbers as float64, times in UTC to the microsecond. A cell that
    cannot be read as its type stays as its text, for the checks to refuse; what is wrong with a whole file is raised.
    Where files lack them, a row counts as known at its event time, and telemetry as physical. Columns that the contract
    does not know follow unchanged. Without `strict`, a missing or repeated column is no error here, but for the checks
    to find and the quarantine to hold. The layout is the contract's by default.
    """
    layout = layout or contract.file_layout or PLAIN
    files, base = find_files(paths), base_folder(paths)
    several, joined_later = len(files) > 1, _is_joined(layout)
    tables, empty = [], []
    for file in files:
        if several and not file.stat().st_size:
            empty.append(str(file))
            continue
        columns, written, long = _columns(file, contract, layout, base)
        if columns.rows and (strict or several):
            check_repeated(file, columns.names)
        if columns.rows and strict and not joined_later:
            check_columns(file, columns.names, contract, layout, several=several)
        converted = convert(columns, contract, layout, separator=written.separator)
        tables.append(OneFile(file, converted.frame, {**columns.units, **written.units}, written, converted, long))
    filled = [table for table in tables if len(table.frame)]
    if not filled:
        raise ForewarnError(
            f"{files[0]} holds no rows", "at least one row", "Check how it was written; nothing was stored"
        )
    frame, repeated = stack([table.frame for table in filled])
    before = len(frame)
    if joined_later and len(filled) > 1:
        frame = join(frame)
    if joined_later and strict:
        check_columns(files[0], list(frame.columns), contract, layout, several=False)
    if layout.time_format == ROW:
        frame = _with_columns(frame, {"event_time": number_rows(frame, layout)})
    frame, given = with_defaults(frame, contract)
    frame = in_order(frame, contract, units_of(filled, contract))
    # Readings keep their event time when they are corrected, so that only other tables need to know.
    frame.attrs[KNOWN_TIME_ASSUMED] = "known_time" in given and contract.kind != "telemetry"
    notes = replace(notes_of(files, filled, len(frame), layout), passed_over=tuple(map(str, passed_over(paths))))
    empty += [str(table.path) for table in tables if not len(table.frame)]
    joined = before if before != len(frame) else None
    return FileTable(frame, replace(notes, filled=given, empty=tuple(empty), repeated=repeated, joined=joined))


def with_defaults(frame: pd.DataFrame, contract: Contract) -> tuple[pd.DataFrame, dict[str, str]]:
    """Fill in what a plant's own export seldom holds, and say with what: the known time, and telemetry's source."""
    given, columns = {}, {}
    if contract.column("known_time") and "known_time" not in frame and "event_time" in frame:
        columns["known_time"], given["known_time"] = frame["event_time"], "event_time"
    if contract.kind == "telemetry" and contract.column("source") and "source" not in frame:
        columns["source"], given["source"] = pd.Series("physical", frame.index, dtype="str"), "physical"
    return _with_columns(frame, columns), given


def for_other_tables(layout: FileLayout) -> FileLayout:
    """Return the layout for failures, work orders and the like that come with telemetry in this layout.

    Their times, marks and names are written alike; what stands where is not.
    """
    time_format = CYCLE if layout.time_format == ROW else layout.time_format
    return replace(
        PLAIN,
        decimal=layout.decimal,
        thousands=layout.thousands,
        missing=layout.missing,
        time_format=time_format,
        time_zone=layout.time_zone,
        cycle=layout.cycle,
        start=layout.start,
        rename=layout.rename,
        encoding=layout.encoding,
        ignore_extra=layout.ignore_extra,
    )


def _columns(
    path: Path, contract: Contract, layout: FileLayout, base: Path | None
) -> tuple[Columns, FileNotes, LongNotes | None]:
    """Read one file's cells into a row for each instant, under the contract's names."""
    raw = read_raw(path, layout, header_test(path, contract, layout))
    columns = naming.named_columns(path, raw.table, layout)
    columns, units, recognised = naming.without_units_row(columns, contract, layout)
    columns = naming.with_constants(columns, contract, layout, base)
    long = None
    if layout.shape == "long" and columns.rows:
        columns, long = to_wide(columns, contract, layout)
    columns = naming.without_extra(columns, contract, layout)
    notes = replace(
        raw.notes,
        units={**raw.notes.units, **units},
        recognised=(*raw.notes.recognised, *recognised),
        renamed=columns.renamed,
        ignored=(*raw.notes.ignored, *columns.ignored),
    )
    return columns, notes, long


def header_test(path: Path, contract: Contract, layout: FileLayout) -> Complete:
    """Return what says whether names are the header of a file."""
    needed = set(naming.needed(contract, layout))

    def complete(names: list[str]) -> bool:
        ours = [naming.our_name(name, layout.rename) for name in names]
        if layout.shape == "long":
            return {"event_time", "value"} <= set(name_roles(Columns(path, tuple(ours), ())).names)
        return bool(needed) and needed <= set(ours)

    return complete


def _with_columns(frame: pd.DataFrame, columns: Mapping[str, "pd.Series[Any]"]) -> pd.DataFrame:
    # All at once: each column that is inserted makes a wide frame slower.
    return pd.concat([frame, pd.DataFrame(columns)], axis="columns") if columns else frame


def _is_joined(layout: FileLayout) -> bool:
    return layout.join or layout.shape == "long"


def units_of(tables: Sequence[OneFile], contract: Contract) -> dict[str, str]:
    """Return the units that the files name; raise if they contradict each other."""
    units: dict[str, tuple[str, Path]] = {}
    for table in tables:
        for name, unit in table.units.items():
            before, path = units.setdefault(name, (unit, table.path))
            if before != unit:
                found = f"{name} is in {before} in {path}, in {unit} in {table.path}"
                raise ForewarnError(found, "one unit", "Import the files one by one; nothing was stored")
    known = {name: unit for name, (unit, _) in units.items() if contract.column(name) is not None}
    return {name: unit.replace("\u00b2", "2").replace("\u00b3", "3") for name, unit in known.items()}


def in_order(frame: pd.DataFrame, contract: Contract, units: dict[str, str]) -> pd.DataFrame:
    """Put the contract's columns first; a unit that is not literally the contract's stays in the header, to be checked.

    In the header, and not beside the table, it stays with rows in quarantine too.
    """
    order = [column.name for column in contract.columns]
    names = list(frame.columns)
    # By position, not by name: a file that names a column twice has to reach the checks as it is.
    positions = sorted(range(len(names)), key=lambda i: order.index(names[i]) if names[i] in order else len(order))
    headers = []
    for position in positions:
        column: Column | None = contract.column(names[position])
        unit = units.get(names[position])
        other = column is not None and column.unit is not None and unit not in (None, column.unit)
        headers.append(f"{names[position]} [{unit}]" if other else names[position])
    return frame.iloc[:, positions].set_axis(headers, axis="columns")


def notes_of(files: Sequence[Path], tables: Sequence[OneFile], n_rows: int, layout: FileLayout) -> ReadingNotes:
    """Return what reading the files that have rows decided, found and left out."""
    written = [table.written for table in tables]
    decimals = {table.converted.decimal for table in tables}
    recognised = {key: None for one in written for key in one.recognised}
    if layout.decimal is None and "," in decimals:
        recognised["decimal"] = None
    examples: dict[str, str] = {}
    for table in tables:
        for name, text in table.converted.examples.items():
            examples.setdefault(name, text)
    return ReadingNotes(
        files=tuple(map(str, files)),
        rows=n_rows,
        written=FileNotes(
            separator=" ".join(dict.fromkeys(one.separator for one in written)),
            encoding=" ".join(dict.fromkeys(one.encoding for one in written if one.encoding)),
            skipped_lines=max(one.skipped_lines for one in written),
            units={name: unit for one in written for name, unit in one.units.items()},
            renamed={theirs: ours for one in written for theirs, ours in one.renamed.items()},
            ignored=tuple(dict.fromkeys(name for one in written for name in one.ignored)),
        ),
        decimal="," if "," in decimals else ".",
        time_format=layout.time_format or "ISO 8601",
        time_zone=layout.time_zone,
        recognised=tuple(recognised),
        clock=_clock(layout),
        missing=_sum(table.converted.missing for table in tables),
        unreadable=_sum(table.converted.unreadable for table in tables),
        examples=examples,
        clock_changes=_sum(table.converted.clock_changes for table in tables),
        long=long_notes([table.long for table in tables if table.long is not None]),
    )


def _clock(layout: FileLayout) -> str:
    if layout.time_format not in (CYCLE, ROW):
        return ""
    one = "cycle n" if layout.time_format == CYCLE else "row n of an asset"
    return f"{one} counts as n x {layout.cycle} after {layout.start_time:%Y-%m-%dT%H:%M:%SZ}"


def _sum(counts: Any) -> dict[str, int]:
    total: Counter[str] = Counter()
    for each in counts:
        total.update(each)
    return dict(total)


def long_notes(notes: Sequence[LongNotes]) -> LongNotes | None:
    """Add the notes of several parts of a long table; None without any."""
    if not notes:
        return None
    return LongNotes(
        tags_as=notes[0].tags_as,
        lines=sum(each.lines for each in notes),
        tags=sum(each.tags for each in notes),
        unknown_tags=_sum(each.unknown_tags for each in notes),
        bad=_sum(each.bad for each in notes),
        uncertain=sum(each.uncertain for each in notes),
        uncertain_kept=notes[0].uncertain_kept,
        repeated=sum(each.repeated for each in notes),
    )
