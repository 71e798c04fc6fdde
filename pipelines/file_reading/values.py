"""Cells to values of a contract's types; a cell that cannot be read stays as its text, for the checks to refuse."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from data_contracts.contract.contract import DTYPES
from data_contracts.contract.file_layout import FileLayout

TEXT = pa.large_string()
_NULLABLE = {pa.int64(): pd.Int64Dtype(), pa.bool_(): pd.BooleanDtype()}
_TYPES = {kind: pd.api.types.pandas_dtype(name) for kind, name in DTYPES.items()}
_NUMBER = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$"
_WHOLE = r"^[+-]?\d+(\.0*)?$"
_EXACT = 2.0**53  # beyond it a float is no longer every whole number
_LARGEST = str(2**63 - 1)
_MOST = 0.5
_BLANKS = "\u00a0\u202f\u2009"  # what typography puts between groups of digits


@dataclass(frozen=True)
class Values:
    """A column read as its type."""

    column: "pd.Series[Any]"
    unreadable: npt.NDArray[np.bool_]
    first: str = ""  # the first cell that cannot be read
    clock_changes: int = 0  # of them, times that the zone skips or has twice


def without_missing(column: pa.ChunkedArray, layout: FileLayout) -> tuple[pa.ChunkedArray, Mapping[str, int]]:
    """Make the layout's words for no value null, whatever their case; return how often each was there."""
    if not layout.missing or not is_text(column.type):
        return column, {}
    trimmed = pc.utf8_trim_whitespace(column)
    words = pa.array(sorted({word.strip().lower() for word in layout.missing}), column.type)
    missing = pc.is_in(pc.utf8_lower(trimmed), value_set=words)
    counts = pc.value_counts(trimmed.filter(missing)).to_pylist()
    if not counts:
        return column, {}
    return pc.if_else(missing, pa.scalar(None, column.type), column), {str(c["values"]): c["counts"] for c in counts}


def read_values(column: pa.ChunkedArray, kind: str, layout: FileLayout) -> Values:
    """Read a column as one of a contract's types other than times."""
    if kind == "string":
        return _whole(_texts(column))
    if not is_text(column.type):
        return _whole(_typed(column, kind))
    if kind == "boolean":
        return _booleans(column)
    return _numbers(column, kind, layout)


def fits_decimal(columns: Sequence[pa.ChunkedArray], mark: str) -> bool:
    """Return whether all texts are numbers with this decimal mark, and some cannot be numbers with another.

    One that is always followed by three digits might group thousands.
    """
    # Without the mark nothing is a number with it, and most files are without.
    if not any(pc.any(pc.match_substring(column, mark)).as_py() for column in columns):
        return False
    return all(are_decimal(column, mark) for column in columns) and any(has_decimal(column, mark) for column in columns)


def are_decimal(column: pa.ChunkedArray, mark: str = ",") -> bool:
    """Return whether all texts are numbers with a decimal mark, or whole."""
    escaped = re.escape(mark)
    number = rf"^\s*[+-]?(\d+|\d*{escaped}\d+)([eE][+-]?\d+)?\s*$"
    return pc.all(pc.match_substring_regex(column, number)).as_py() is not False


def has_decimal(column: pa.ChunkedArray, mark: str = ",") -> bool:
    """Return whether in some text the mark cannot group thousands."""
    escaped = re.escape(mark)
    decimal = rf"{escaped}(\d{{1,2}}|\d{{4,}})(\D|$)|^\s*[+-]?0*{escaped}"
    return bool(pc.any(pc.match_substring_regex(column, decimal)).as_py())


@dataclass
class MarksTally:
    """The cells of a column that are no numbers, over all chunks of its file, and which other marks would read them."""

    rows: int = 0
    present: int = 0
    unreadable: int = 0
    first: tuple[int, str] = (0, "")  # the row and text of the first
    matches: dict[str, int] = field(default_factory=dict)  # by the option that would read them

    def add(self, column: pa.ChunkedArray, values: Values, layout: FileLayout) -> None:
        """Count the next chunk."""
        if is_text(column.type):
            self.present += len(column) - column.null_count
            if values.unreadable.any():
                if not self.unreadable:
                    self.first = self.rows + int(values.unreadable.argmax()), values.first
                self.unreadable += int(values.unreadable.sum())
                texts = pc.utf8_trim_whitespace(column.filter(pa.array(values.unreadable)))
                for option, form in _mark_forms(layout).items():
                    count = pc.sum(pc.match_substring_regex(texts, form).cast(pa.int64())).as_py()
                    self.matches[option] = self.matches.get(option, 0) + count
        self.rows += len(column)

    @property
    def option(self) -> str | None:
        """Return the option that would read most of the cells, if most are numbers with other marks."""
        if self.unreadable * 2 <= self.present:
            return None
        return next((option for option, count in self.matches.items() if count > _MOST * self.unreadable), None)


def _mark_forms(layout: FileLayout) -> dict[str, str]:
    """Return how numbers with other marks look, by the option that names these."""
    mark = layout.decimal or "."
    other = "," if mark == "." else "."
    escaped, escaped_other = re.escape(mark), re.escape(other)
    grouped = rf"\d{{1,3}}({escaped}\d{{3}})+"
    groups = rf"^[+-]?\d{{1,3}}({escaped_other}\d{{3}})+$"
    return {
        # Without a declared decimal mark the comma of 1,234 may be that too, with one it groups.
        **({f"--layout thousands={other}": groups} if layout.decimal is not None else {}),
        f"--decimal '{other}'": rf"^[+-]?\d*{escaped_other}\d+([eE][+-]?\d+)?$",
        f"--decimal '{other}' --layout thousands={mark}": rf"^[+-]?(\d*|{grouped}){escaped_other}\d+$",
        f"--layout thousands={other}": rf"^[+-]?\d{{1,3}}({escaped_other}\d{{3}})+({escaped}\d+)?$",
        "--layout thousands=MARK": rf"^[+-]?\d{{1,3}}([ ',.{_BLANKS}]\d{{3}})+([.,]\d+)?$",
    }


def is_text(kind: pa.DataType) -> bool:
    """Return whether cells are texts, as those of a text file are."""
    return bool(pa.types.is_large_string(kind) or pa.types.is_string(kind))


def is_plain_type(kind: pa.DataType) -> bool:
    """Return whether values can be written as texts: no structs, lists or bytes."""
    return not (pa.types.is_nested(kind) or pa.types.is_binary(kind) or pa.types.is_large_binary(kind))


def _whole(values: "pd.Series[Any]") -> Values:
    return Values(values, np.zeros(len(values), dtype=bool))


def _texts(column: pa.ChunkedArray) -> "pd.Series[Any]":
    if pa.types.is_floating(column.type):
        # What a program makes of whole numbers as soon as one is missing; beyond 2**53 it has changed them.
        present = column.drop_null()
        changed = pc.or_(pc.not_equal(present, pc.round(present)), pc.greater_equal(pc.abs(present), _EXACT))
        if pc.any(changed).as_py():
            first = present.filter(changed)[0].as_py()
            raise NotTextError(first)
        column = column.cast(pa.int64())
    texts: pd.Series[Any] = column.cast(TEXT).to_pandas().astype(_TYPES["string"])
    return texts


class NotTextError(ValueError):
    """A column that should hold texts holds numbers that do not tell what was written."""

    def __init__(self, number: float) -> None:
        super().__init__(f"holds the number {number!r}")


def _typed(column: pa.ChunkedArray, kind: str) -> "pd.Series[Any]":
    """Convert what loses nothing; the rest stays, for the checks to refuse."""
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if kind == "number" and pa.types.is_integer(column.type) and _is_plain(column):
        column = column.cast(pa.float64())
    if pa.types.is_integer(column.type):
        column = column.cast(pa.int64())
    values: pd.Series[Any] = column.to_pandas(types_mapper=_NULLABLE.get)
    whole = pa.types.is_floating(column.type) and kind == "integer" and _is_plain(column)
    if pa.types.is_null(column.type) or (whole and bool((values.dropna() % 1 == 0).all())):
        return values.astype(_TYPES[kind])
    return values.astype("float64") if pa.types.is_floating(column.type) else values


def _booleans(column: pa.ChunkedArray) -> Values:
    lowered = pc.utf8_lower(pc.utf8_trim_whitespace(column))
    true = pc.is_in(lowered, value_set=pa.array(["true", "1"], column.type))
    known = pc.or_(true, pc.is_in(lowered, value_set=pa.array(["false", "0"], column.type)))
    good = pc.if_else(known, true, pa.scalar(None, pa.bool_()))
    return _mixed(column, good.to_pandas().astype(_TYPES["boolean"]))


def _numbers(column: pa.ChunkedArray, kind: str, layout: FileLayout) -> Values:
    target = pa.int64() if kind == "integer" else pa.float64()
    plain = layout.decimal in (None, ".") and layout.thousands is None
    try:
        numbers = pc.cast(column, target) if plain and not (kind == "integer" and _has_hexadecimal(column)) else None
    except pa.ArrowInvalid:
        numbers = None
    if numbers is None or (kind == "number" and not _is_plain(numbers)):
        numbers = _cast(_with_points(column, layout), kind)
    values = numbers.to_pandas(types_mapper=_NULLABLE.get)
    return _mixed(column, values.astype(_TYPES[kind]))


def _has_hexadecimal(column: pa.ChunkedArray) -> bool:
    """Return whether Arrow would read one of the texts as a hexadecimal number, which no file means."""
    return bool(pc.any(pc.match_substring(column, "x", ignore_case=True)).as_py())


def _is_plain(numbers: pa.ChunkedArray) -> bool:
    """Return whether no number is NaN, infinite or so large that its last digits may be lost."""
    if len(numbers) == numbers.null_count:
        return True
    bounds = pc.min_max(numbers).as_py()  # skips NaN
    if any(bound is None or abs(bound) >= _EXACT for bound in bounds.values()):
        return False
    return not pc.any(pc.is_nan(numbers)).as_py()


def _with_points(column: pa.ChunkedArray, layout: FileLayout) -> pa.ChunkedArray:
    """Write numbers with a point and without groups; null for what is no number in the layout."""
    decimal, thousands = layout.decimal or ".", layout.thousands
    text = pc.utf8_trim_whitespace(column)
    null = pa.scalar(None, text.type)
    if thousands is not None:
        if thousands == " ":
            text = pc.replace_substring_regex(text, f"[{_BLANKS}]", " ")
        mark, point = re.escape(thousands), re.escape(decimal)
        grouped = pc.match_substring_regex(text, rf"^[+-]?\d{{1,3}}({mark}\d{{3}})+({point}\d*)?$")
        text = pc.if_else(grouped, pc.replace_substring(text, thousands, ""), text)
    if decimal != ".":
        text = pc.if_else(pc.match_substring(text, "."), null, pc.replace_substring(text, decimal, "."))
    return pc.if_else(pc.match_substring_regex(text, _NUMBER), text, null)


def _cast(text: pa.ChunkedArray, kind: str) -> pa.ChunkedArray:
    """Convert texts of numbers; null for those that would be changed by it."""
    whole = pc.match_substring_regex(text, _WHOLE)
    null = pa.scalar(None, text.type)
    if kind == "integer":
        digits = pc.replace_substring_regex(pc.if_else(whole, text, null), r"^\+|\.0*$", "")
        # As a column without other cells is cast, of which all have to fit.
        bare = pc.utf8_ltrim(digits, "-")
        length = pc.utf8_length(bare)
        fits = pc.or_(pc.less_equal(length, 18), pc.and_(pc.equal(length, 19), pc.less_equal(bare, _LARGEST)))
        return pc.cast(pc.if_else(fits, digits, null), pa.int64())
    numbers = pc.cast(text, pa.float64())
    large = pc.and_(whole, pc.greater_equal(pc.abs(numbers), _EXACT))
    changed = pc.and_(large, pc.not_equal(text, str(int(_EXACT))))
    lost = pc.or_(changed, pc.invert(pc.is_finite(numbers)))
    return pc.if_else(lost, pa.scalar(None, pa.float64()), numbers)


def _mixed(column: pa.ChunkedArray, values: "pd.Series[Any]") -> Values:
    """Put the text back where a cell could not be read."""
    unreadable = values.isna().to_numpy() & pc.is_valid(column).to_numpy()
    if unreadable.any():
        unreadable &= pc.fill_null(pc.not_equal(pc.utf8_trim_whitespace(column), ""), False).to_numpy()
    if not unreadable.any():
        return Values(values, unreadable)
    mixed = values.astype(object)
    mixed[values.isna()] = None
    texts = column.filter(pa.array(unreadable)).to_pylist()
    mixed[unreadable] = texts
    return Values(mixed, unreadable, str(texts[0]))
