"""Times as files write them: ISO 8601, a declared format, counts since 1970, cycles.

Times have to name their zone, or the layout has to: a shift of an hour moves every label, and nothing downstream could
notice. For the same reason no order of day and month is ever guessed, and no bare number is taken for a time.
"""

import re
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from data_contracts.contract.file_layout import CYCLE, ROW, FileLayout, strptime_format
from data_contracts.errors import ForewarnError, UsageError
from pipelines.file_reading.values import is_text

TIME = "datetime64[us, UTC]"
_ISO = r"^\d{4}-?\d\d-?\d\d[T ]\d\d.*$|^\d{4}-\d\d-\d\d$"  # 20260131 alone is a number
_ZONE = r"[T ]\d\d.*(?:[Zz]|[+-]\d\d(?::?\d\d)?)$"  # a bare date ends in digits too, hence the time of day
_EPOCHS = {"epoch_s": (1_000_000, 1), "epoch_ms": (1_000, 1), "epoch_us": (1, 1), "epoch_ns": (1, 1_000)}  # in us
_LARGEST = 2.0**62
_NUMBER = r"^[+-]?\d+(\.\d+)?$"
_EPOCH_DIGITS = {10: "epoch_s", 13: "epoch_ms", 16: "epoch_us", 19: "epoch_ns"}
_SERIAL_DATES = (20_000, 80_000)  # days since 1899-12-30, from 1954 to 2119
_MOST = 0.5  # a share of times that cannot be read beyond which not the cells are at fault, but the format


@dataclass(frozen=True)
class Times:
    """A column of times."""

    column: "pd.Series[Any]"  # in UTC to the microsecond; NaT where there is none, or it cannot be read
    unreadable: npt.NDArray[np.bool_]


@dataclass
class TimesTally:
    """What of a column of times cannot be read, over all chunks of its file; rows count from 0."""

    rows: int = 0
    present: int = 0
    unreadable: int = 0
    written: int = 0  # of the unreadable, those that no clock change explains
    naive: int = 0  # that name no zone, nor does the layout
    zoned: int = 0
    # The row and text of the first of each kind.
    firsts: dict[str, tuple[int, str]] = field(default_factory=dict)

    def first(self, kind: str, cells: npt.NDArray[np.bool_], codes: npt.NDArray[Any], texts: pa.Array) -> None:
        """Note the first cell of a kind."""
        if kind not in self.firsts and cells.any():
            row = int(cells.argmax())
            self.firsts[kind] = self.rows + row, str(texts[int(codes[row])])

    def check(self, path: Path, name: str, layout: FileLayout) -> None:
        """Raise where most cells cannot be read, or name no zone."""
        # One time without a zone among others is a bad cell; a column of them lacks --time-zone.
        if self.naive > self.zoned:
            row, text = self.firsts["naive"]
            raise _without_zone(path, name, row, text)
        if self.unreadable <= _MOST * self.present:
            return
        # Nor is the format at fault where clocks change, and a file may be of that hour alone.
        if layout.time_zone is not None and self.written <= _MOST * self.present:
            return
        row, first = self.firsts["written" if layout.time_zone is not None else "unreadable"]
        # A word such as OFF is a bad cell, however many there are; what has digits is a time in another format.
        if re.search(r"\d", first):
            raise _unread(path, name, row, first, self.unreadable, layout)


def read_times(path: Path, name: str, column: pa.ChunkedArray, layout: FileLayout) -> Times:
    """Read a column of times; raise where most cannot be read, or name no zone and the layout names none."""
    tally = TimesTally()
    times = parse_times(path, name, column, layout, tally)
    tally.check(path, name, layout)
    return times


def parse_times(path: Path, name: str, column: pa.ChunkedArray, layout: FileLayout, tally: TimesTally) -> Times:
    """Read the next chunk of a column of times; what cannot be read is counted, for the tally to judge at the end."""
    if pa.types.is_timestamp(column.type) or pa.types.is_date(column.type):
        read = _of_timestamps(path, name, column, layout, tally.rows)
        tally.rows += len(column)
        return read
    # Machines share their instants, so that there are fewer to parse than rows.
    encoded = pc.dictionary_encode(column.cast(pa.large_string())).combine_chunks()
    texts = pc.utf8_trim_whitespace(encoded.dictionary)
    blank = pc.equal(texts, "").to_numpy(zero_copy_only=False)
    codes = pc.fill_null(encoded.indices, -1).to_numpy(zero_copy_only=False)
    codes = np.where(np.append(blank, True)[codes], -1, codes)
    try:
        parsed, naive = _parse(texts, layout)
    except _NoZoneError as error:
        row = tally.rows + int((codes == error.position).argmax())
        raise _without_zone(path, name, row, str(texts[error.position])) from error
    instants = np.append(parsed.to_numpy("datetime64[us]"), np.datetime64("NaT"))[codes]
    times = pd.Series(instants, name=name).dt.tz_localize("UTC")
    unreadable = times.isna().to_numpy() & (codes >= 0)
    _count(tally, codes, unreadable, np.append(naive, False)[codes], texts, layout)
    return Times(times, unreadable)


def _count(
    tally: TimesTally,
    codes: npt.NDArray[Any],
    unreadable: npt.NDArray[np.bool_],
    naive: npt.NDArray[np.bool_],
    texts: pa.Array,
    layout: FileLayout,
) -> None:
    present = int((codes >= 0).sum())
    tally.first("naive", naive, codes, texts)
    tally.first("unreadable", unreadable, codes, texts)
    if layout.time_zone is not None and unreadable.any():
        written = unreadable & ~np.append(would_be_times(texts, replace(layout, time_zone="UTC")), False)[codes]
        tally.first("written", written, codes, texts)
        tally.written += int(written.sum())
    tally.present += present
    tally.unreadable += int(unreadable.sum())
    tally.naive += int(naive.sum())
    tally.zoned += present - int(unreadable.sum())
    tally.rows += len(codes)


def would_be_times(column: pa.ChunkedArray | pa.Array, layout: FileLayout) -> npt.NDArray[np.bool_]:
    """Return which cells the layout can read as times."""
    if not is_text(column.type):
        return np.asarray(column.is_valid().to_numpy(), dtype=bool)
    texts = pc.utf8_trim_whitespace(pa.array(column.to_pylist(), pa.large_string()))
    return np.asarray(_parse(texts, layout)[0].notna().to_numpy(), dtype=bool)


class _NoZoneError(ValueError):
    """A time names no zone, nor does the layout."""

    def __init__(self, position: int) -> None:
        super().__init__(position)
        self.position = position


def _of_timestamps(path: Path, name: str, column: pa.ChunkedArray, layout: FileLayout, before: int) -> Times:
    if pa.types.is_timestamp(column.type) and column.type.tz is not None:
        times = column.cast(pa.timestamp("us", "UTC"), safe=False).to_pandas()
        return Times(times.rename(name), np.zeros(len(times), dtype=bool))
    local = column.cast(pa.timestamp("us"), safe=False).to_pandas()
    try:
        times = _localized(local, layout).dt.tz_localize("UTC")
    except _NoZoneError as error:
        raise _without_zone(path, name, before + error.position, str(local.iloc[error.position])) from error
    return Times(times.rename(name), (times.isna() & local.notna()).to_numpy())


def _parse(texts: pa.Array, layout: FileLayout) -> tuple["pd.Series[Any]", npt.NDArray[np.bool_]]:
    """Read distinct texts, in UTC, and mark those that lack a zone.

    ISO 8601 with a zone is read in any layout, as it can mean nothing else.
    """
    form = layout.time_format
    if form is None:
        return _iso(texts, layout)
    counted = form in _EPOCHS or form in (CYCLE, ROW)
    times = _counted(texts, layout) if counted else _formatted(texts, strptime_format(form), layout)
    zoned = pc.and_(pc.match_substring_regex(texts, _ISO), pc.match_substring_regex(texts, _ZONE))
    rest = times.isna().to_numpy() & zoned.to_numpy(zero_copy_only=False)
    if rest.any():
        times[rest] = _iso(texts.filter(pa.array(rest)), layout)[0].to_numpy("datetime64[us]")
    return times, np.zeros(len(texts), dtype=bool)


def _iso(texts: pa.Array, layout: FileLayout) -> tuple["pd.Series[Any]", npt.NDArray[np.bool_]]:
    written = pc.match_substring_regex(texts, _ISO)
    candidates = pc.if_else(written, texts, pa.scalar(None, texts.type)).to_pandas()
    parsed = pd.to_datetime(candidates, format="ISO8601", utc=True, errors="coerce")
    times: pd.Series[Any] = parsed.astype(TIME).dt.tz_localize(None)
    zoned = times.notna() & pc.match_substring_regex(texts, _ZONE).to_numpy(zero_copy_only=False)
    naive = times.notna() & ~zoned
    if layout.time_zone is None:
        return times.mask(naive), naive.to_numpy(dtype=bool)
    return times.where(~naive, _localized(times.where(naive), layout)), np.zeros(len(texts), dtype=bool)


def _formatted(texts: pa.Array, form: str, layout: FileLayout) -> "pd.Series[Any]":
    column = texts.to_pandas()
    if "%z" in form:
        zoned = pd.to_datetime(column, format=form, utc=True, errors="coerce")
        times: pd.Series[Any] = zoned.astype(TIME).dt.tz_localize(None)
        return times
    return _localized(pd.to_datetime(column, format=form, errors="coerce").astype("datetime64[us]"), layout)


def _counted(texts: pa.Array, layout: FileLayout) -> "pd.Series[Any]":
    if layout.time_format in _EPOCHS:
        (multiple, divisor), start = _EPOCHS[str(layout.time_format)], pd.Timestamp(0, unit="us")
    else:
        multiple, divisor = round(layout.cycle_duration / pd.Timedelta(microseconds=1)), 1
        start = layout.start_time.tz_localize(None)
    numeric = pc.match_substring_regex(texts, _NUMBER)
    numbers = pc.if_else(numeric, texts, pa.scalar(None, texts.type))
    approximate = numbers.cast(pa.float64()).to_numpy(zero_copy_only=False)
    fits = np.abs(approximate) * multiple < _LARGEST  # not where there is no number either
    microseconds = np.zeros(len(texts), dtype=np.int64)
    microseconds[fits] = np.round(approximate[fits] * multiple / divisor)
    # Whole numbers exactly: nanoseconds since 1970 do not fit into a float.
    whole = fits & pc.match_substring_regex(texts, r"^[+-]?\d+$").to_numpy(zero_copy_only=False)
    exact = pc.utf8_ltrim(numbers.filter(pa.array(whole)), "+").cast(pa.int64()).to_numpy(zero_copy_only=False)
    microseconds[whole] = exact * multiple // divisor
    times = start.to_datetime64() + microseconds.astype("timedelta64[us]")
    counted: pd.Series[Any] = pd.Series(np.where(fits, times, np.datetime64("NaT")))
    return counted


def _localized(local: "pd.Series[Any]", layout: FileLayout) -> "pd.Series[Any]":
    """Move local times to UTC by the layout's zone; NaT for those that it skips or has twice when clocks change."""
    if layout.time_zone is None:
        if local.notna().any():
            raise _NoZoneError(int(local.notna().to_numpy().argmax()))
        return local
    zoned: pd.Series[Any] = local.dt.tz_localize(ZoneInfo(layout.time_zone), ambiguous="NaT", nonexistent="NaT")
    utc: pd.Series[Any] = zoned.dt.tz_convert("UTC").dt.tz_localize(None)
    return utc


def _without_zone(path: Path, name: str, row: int, text: str) -> UsageError:
    found = f"{path}, row {row + 1}: {name} is {text}, without a time zone"
    return UsageError(found, "times such as 2026-01-31T06:00:00Z", "Name their zone with --time-zone UTC or the like")


def _unread(path: Path, name: str, row: int, text: str, count: int, layout: FileLayout) -> ForewarnError:
    """Return the error of a column of times in another format, which names the option that would read it."""
    more = f" (and {count - 1} more rows)" if count > 1 else ""
    found = f"{path}, row {row + 1}: {name} is {text!r}{more}"
    if layout.time_format is not None:
        return ForewarnError(found, f"times as {layout.time_format}", "Correct --time-format; nothing was stored")
    expected = "an ISO 8601 time such as 2026-01-31T06:00:00Z"
    if re.match(_NUMBER, text):
        digits = len(text.lstrip("+-").partition(".")[0])
        epoch = _EPOCH_DIGITS.get(digits)
        if _SERIAL_DATES[0] <= float(text) <= _SERIAL_DATES[1]:
            remedy = (
                "A bare number is no time: if it is a spreadsheet's date, format the column as yyyy-mm-dd hh:mm:ss and "
                "save it again; if it is a number of cycles, say so with --time-format cycle"
            )
        elif epoch is not None:
            remedy = f"A bare number is no time: if it counts from 1970, say so with --time-format {epoch}"
        else:
            remedy = (
                "A bare number is no time: if it is a number of cycles, say so with --time-format cycle, and how long "
                "one counts with --layout cycle=1h; if it counts from 1970, with --time-format epoch_s, epoch_ms, "
                "epoch_us or epoch_ns"
            )
    else:
        remedy = (
            "Say how times are written with --time-format, such as 'dd.mm.yyyy HH:MM' or 'mm/dd/yyyy HH:MM:SS' "
            "(--separator and --decimal name the other marks)"
        )
    return ForewarnError(found, expected, f"{remedy}, or in the contract's fileLayout; nothing was stored")
