"""The column that says when, among those of unknown files, and what cannot be a draft's clock."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from data_contracts.contract.file_layout import FileLayout
from data_contracts.errors import UsageError
from pipelines.file_reading.columns import Columns
from pipelines.importers.inferred_columns import sample_texts

_TIME_NAMES = re.compile(r"time|date|stamp|zeit|datum|^ts$|^t$|cycle|segment", re.IGNORECASE)
_FORMATS = (
    (r"\d{1,2}\.\d{1,2}\.\d{4}", "dd.mm.yyyy"),
    (r"\d{1,2}/\d{1,2}/\d{4}", "dd/mm/yyyy"),
    (r"\d{4}/\d{1,2}/\d{1,2}", "yyyy/mm/dd"),
)
_ISO = re.compile(r"\d{4}-\d\d-\d\d(?:[T ]\d\d.*)?$")
_ZONED = re.compile(r"[T ]\d\d.*(?:[Zz]|[+-]\d\d(?::?\d\d)?)$")
_EPOCHS = {10: "epoch_s", 13: "epoch_ms", 16: "epoch_us", 19: "epoch_ns"}
_COMPACT = {8: "%Y%m%d", 12: "%Y%m%d%H%M", 14: "%Y%m%d%H%M%S"}
_COMPACT_DATE = re.compile(r"(?:19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])(?:[01]\d|2[0-3])?")
_EPOCH_DIGITS = min(_EPOCHS)
_ONLY_TIME = re.compile(
    r"(?:event|local|utc)?[ _-]?(?:time|date|datum|zeit|date[ _-]?time|time[ _-]?stamp|zeit[ _-]?stempel|uhrzeit)",
    re.IGNORECASE,
)
_TIME_OF_DAY = re.compile(r"\d{1,2}:\d\d(?::\d\d(?:[.,]\d+)?)?$")
_MOST_TIMES = 0.5  # a share of times beyond which the others are bad cells
_SERIAL_DATES = (20_000, 80_000)  # days since 1899-12-30 from 1954 to 2119


@dataclass(frozen=True)
class TimeColumn:
    """The column that says when, and how."""

    name: str
    time_format: str | None  # None for ISO 8601
    zoned: bool  # whether every time names its zone
    ambiguous: bool = False  # whether day and month might be the other way round


def find_time(columns: Columns, time_format: str | None = None) -> TimeColumn | None:
    """Find the column of times: the first that is named like one and holds times; None if there is none.

    Of the format that is given, if one is, the name suffices.
    """
    named = sorted(columns.names, key=lambda name: (name != "event_time", _TIME_NAMES.search(name) is None))
    if time_format is not None:
        first = named[0] if named and _TIME_NAMES.search(named[0]) and time_format != "row" else None
        return None if first is None else TimeColumn(first, time_format, _names_zone(time_format))
    for name in named:
        if _TIME_NAMES.search(name) and (found := _as_time(name, columns.column(name))) is not None:
            return found
    return None


def _names_zone(time_format: str) -> bool:
    return "%z" in time_format or time_format in ("cycle", *_EPOCHS.values())


def _as_time(name: str, column: pa.ChunkedArray) -> TimeColumn | None:
    if pa.types.is_timestamp(column.type):
        return TimeColumn(name, None, column.type.tz is not None)
    texts = sample_texts(column)
    # A single cell that is no time, such as a total in the last line, is for the checks to refuse.
    if _are_most(iso := [text for text in texts if _ISO.match(text)], texts):
        return TimeColumn(name, None, all(_ZONED.search(text) for text in iso))
    for date, written in _FORMATS:
        dated = [match for text in texts if (match := re.match(rf"{date}(?P<rest>.*)$", text))]
        if _are_most(dated, texts):
            clock = {0: "", 1: " HH:MM", 2: " HH:MM:SS"}.get(dated[0]["rest"].count(":"), " HH:MM:SS")
            return _day_first(name, written, clock, [match[0] for match in dated])
    return _counted(name, texts)


def _counted(name: str, texts: Sequence[str]) -> TimeColumn | None:
    """Return a column of numbers that are times: dates without marks, counts since 1970, or cycles."""
    whole = [text.partition(".")[0] for text in texts if re.fullmatch(r"\d+(?:\.0*)?", text)]
    digits = Counter(map(len, whole)).most_common(1)[0][0] if whole else 0
    usual = [text for text in whole if len(text) == digits]
    if digits in _COMPACT and _are_most([text for text in usual if _COMPACT_DATE.match(text)], texts):
        return TimeColumn(name, _COMPACT[digits], zoned=False)
    if digits in _EPOCHS and _are_most(usual, texts):
        return TimeColumn(name, _EPOCHS[digits], zoned=True)
    if whole and len(whole) == len(texts) and max(map(len, whole)) < _EPOCH_DIGITS:
        return TimeColumn(name, "cycle", zoned=True)
    return None


def _are_most(some: Sequence[object], texts: Sequence[str]) -> bool:
    return len(some) > _MOST_TIMES * len(texts)


def _unread_time(columns: Columns) -> tuple[str, str] | None:
    """Return the first column that is named as a time and nothing else, and what it holds that is none."""
    for name in columns.names:
        if _ONLY_TIME.fullmatch(name) and (texts := sample_texts(columns.column(name))):
            return name, texts[0]
    return None


def _time_of_day(columns: Columns, date: str) -> str | None:
    """Return the column that has the time of day of a column of dates alone; None if there is none."""
    if any(":" in text for text in sample_texts(columns.column(date))):
        return None
    for name in columns.names:
        texts = sample_texts(columns.column(name)) if _TIME_NAMES.search(name) and name != date else []
        if texts and all(_TIME_OF_DAY.match(text) for text in texts):
            return name
    return None


def _day_first(name: str, written: str, clock: str, texts: Sequence[str]) -> TimeColumn:
    if not written.startswith("dd/"):
        return TimeColumn(name, written + clock, zoned=False)
    firsts, seconds = zip(*(map(int, text.split("/")[:2]) for text in texts), strict=True)
    if max(seconds) > 12:
        return TimeColumn(name, "mm/dd/yyyy" + clock, zoned=False)
    return TimeColumn(name, written + clock, zoned=False, ambiguous=max(firsts) <= 12)


def check_time(file: Path, columns: Columns, time: TimeColumn | None, layout: FileLayout) -> None:
    """Raise if times are there and no draft could read them: rows would be the clock, or days."""
    if time is not None and layout.time_format is None and (clock := _time_of_day(columns, time.name)):
        raise UsageError(
            f"{file} has the day in {time.name} and the time of day in {clock}",
            "one column of times",
            "Join the two into one column, such as 2026-01-31 06:00:00",
        )
    unread = _unread_time(columns) if time is None and layout.time_format != "row" else None
    if unread is None:
        return
    name, text = unread
    number = float(text) if re.fullmatch(r"\d+(\.\d+)?", text) else None
    if number is not None and number < min(_SERIAL_DATES):
        return  # such as the seconds of a run
    remedy = "Say how it is written with --time-format, such as 'dd.mm.yyyy HH:MM'"
    if number is not None and number <= max(_SERIAL_DATES):
        remedy = "If these are dates of a spreadsheet, format the column as yyyy-mm-dd hh:mm:ss and save it again"
    raise UsageError(
        f"{file}: {name} is named as a time, and holds {text!r}",
        "times such as 2026-01-31T06:00:00Z, or counts since 1970",
        f"{remedy}; if it is no time, and each row is a cycle, say so with --time-format row",
    )
