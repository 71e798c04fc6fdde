"""What the columns of unknown files seem to be: the time, the asset, channels, qualities, and the rest."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from data_contracts.contract.file_layout import FileLayout
from data_contracts.contract.unit_symbols import is_unit
from models.diagnosis.counter_signs import counter_signs
from pipelines.file_reading.columns import Columns
from pipelines.file_reading.values import is_text, read_values

MISSING_WORDS = ("nan", "n/a", "na", "#n/a", "-", "--", "null", "none", "bad input", "no data", "i/o timeout")
_TIME_NAMES = re.compile(r"time|date|stamp|zeit|datum|^ts$|^t$|cycle|segment", re.IGNORECASE)
_ASSET_NAMES = re.compile(
    r"asset|machine|pump|unit|tool|device|equip|engine|vehicle|turbine|serial|station|motor|maschine|anlage|^id$|_id$",
    re.IGNORECASE,
)
_IN_BRACKETS = re.compile(r"^(?P<name>.+?)\s*\((?P<unit>[^()]+)\)$")
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
_MOST_WORDS = 0.2  # a share of cells that are no numbers beyond which the column is no channel


@dataclass(frozen=True)
class TimeColumn:
    """The column that says when, and how."""

    name: str
    time_format: str | None  # None for ISO 8601
    zoned: bool  # whether every time names its zone
    ambiguous: bool = False  # whether day and month might be the other way round


@dataclass(frozen=True)
class ChannelGuess:
    """A column of numbers."""

    name: str  # as the contract calls it
    header: str  # as the files call it
    unit: str | None
    kind: str  # number or boolean
    low: float  # of the values that there are
    high: float
    usual: tuple[float, float]  # limits from robust quantiles
    missing_share: float
    missing_words: tuple[str, ...] = ()
    other_words: dict[str, int] = field(default_factory=dict)  # cells that are no numbers, and how many
    counter: bool = False  # whether it only grows


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


def unread_time(columns: Columns) -> tuple[str, str] | None:
    """Return the first column that is named as a time and nothing else, and what it holds that is none."""
    for name in columns.names:
        if _ONLY_TIME.fullmatch(name) and (texts := sample_texts(columns.column(name))):
            return name, texts[0]
    return None


def time_of_day(columns: Columns, date: str) -> str | None:
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


def sample_texts(column: pa.ChunkedArray) -> list[str]:
    """Return distinct texts of a column, evenly chosen where there are thousands."""
    present = pc.unique(column.drop_null().cast(pa.large_string()))
    step = max(1, len(present) // 2000)
    return [str(text).strip() for text in present[::step].to_pylist() if str(text).strip()]


def find_asset(columns: Columns, others: Iterable[str]) -> str | None:
    """Find the column that names the asset: named like one, of few values, each of many rows; None if there is none."""
    candidates = []
    for name in columns.names:
        if name in others or not (name == "asset" or _ASSET_NAMES.search(name)):
            continue
        texts = columns.column(name).drop_null().cast(pa.large_string())
        distinct = pc.count_distinct(texts).as_py()
        fractions = pc.any(pc.match_substring_regex(texts, r"\.\d*[1-9]")).as_py()
        if distinct and len(texts) >= 3 * distinct and not fractions:
            candidates.append((name != "asset", columns.names.index(name), name))
    return min(candidates)[2] if candidates else None


def guess_channel(header: str, unit: str | None, column: pa.ChunkedArray, layout: FileLayout) -> ChannelGuess | None:
    """Describe a column of numbers; None if it is none, or has no value."""
    match = _IN_BRACKETS.match(header)
    name = header
    if unit is None and match and is_unit(match["unit"]):
        name, unit = match["name"], match["unit"]
    if pa.types.is_boolean(column.type) or _is_boolean(column):
        return ChannelGuess(name, header, None, "boolean", 0.0, 1.0, (0.0, 1.0), column.null_count / len(column))
    if not is_text(column.type) and not pa.types.is_integer(column.type) and not pa.types.is_floating(column.type):
        return None
    values = read_values(column, "number", layout)
    words: Counter[str] = Counter(str(cell).strip() for cell in values.column[values.unreadable])
    present = values.column[values.column.notna() & ~values.unreadable].astype("float64")
    if present.empty or values.unreadable.mean() > _MOST_WORDS:
        return None
    missing_words = tuple(word for word in words if word.lower() in MISSING_WORDS)
    nulls = int(values.column.isna().sum()) + sum(words[word] for word in missing_words)
    numbers = present.to_numpy()
    return ChannelGuess(
        name=name,
        header=header,
        unit=unit,
        kind="number",
        low=float(numbers.min()),
        high=float(numbers.max()),
        usual=_usual(numbers),
        missing_share=nulls / len(column),
        missing_words=missing_words,
        other_words={word: count for word, count in words.items() if word not in missing_words},
    )


def _is_boolean(column: pa.ChunkedArray) -> bool:
    return (
        is_text(column.type) and bool(texts := sample_texts(column)) and {t.lower() for t in texts} <= {"true", "false"}
    )


def _usual(numbers: "np.ndarray[Any, Any]") -> tuple[float, float]:
    """Return limits that a few wild values do not move: the middle 98 per cent, and twice its width on each side."""
    first, last = np.percentile(numbers, [1, 99])
    # Where nearly all values are one, the others are what there is to know of it.
    width = last - first or float(np.ptp(numbers)) or abs(float(first)) or 1.0
    low, high = float(first - 2 * width), float(last + 2 * width)
    return (0.0 if first >= 0 and low < 0 else low), high


def grows(values: "pd.Series[Any]", asset: "pd.Series[Any]") -> bool:
    """Return whether numbers of each asset only grow, but for a few resets: a counter."""
    present = pd.DataFrame({"asset": pd.factorize(asset)[0], "value": values}).dropna()
    ordered = present.sort_values("asset", kind="stable")
    if counter_signs(ordered["value"].to_numpy(dtype=np.float64), ordered["asset"].to_numpy()).is_counter:
        return True
    # Whole numbers are counts on less evidence, as a person decides.
    steps = values.groupby(asset, sort=False).diff().dropna()
    return (
        len(steps) >= 20
        and bool((values.dropna() % 1 == 0).all())
        and (steps < 0).mean() < 0.02
        and (steps > 0).mean() > 0.5
    )
