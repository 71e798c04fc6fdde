"""Read the files of a public data set as their authors published them; errors name the file and the line."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from data_contracts.errors import ForewarnError, NotFoundError

_REMEDY = "Fetch the original file again; nothing was stored"


def find_original(directory: Path, name: str) -> Path:
    """Return the path of one original file; `NotFoundError` names the files that are there."""
    if not directory.is_dir():
        raise NotFoundError(f"no folder {directory}", "the folder that holds the data set", "Check the path")
    path = directory / name
    if not path.is_file():
        names = sorted(item.name for item in directory.iterdir() if item.is_file())
        found = f"no {name} in {directory}, which holds {', '.join(names[:12]) or 'no file'}"
        raise NotFoundError(found, f"the original file {name}", "Name the folder with the files in their original form")
    return path


def read_number_table(path: Path, columns: int) -> list[list[float]]:
    """Read blank-separated numbers, `columns` of them on every line; blank lines are left out."""
    rows = []
    for number, line in enumerate(_read_text(path).splitlines(), start=1):
        fields = line.split()
        if not fields:
            continue
        if len(fields) != columns:
            found = f"{path}, line {number}: {_count(len(fields), 'column')}"
            raise ForewarnError(found, f"{_count(columns, 'column')}, separated by blanks", _REMEDY)
        try:
            rows.append([float(field) for field in fields])
        except ValueError as error:
            raise ForewarnError(f"{path}, line {number}: {error}", "numbers only", _REMEDY) from error
    if not rows:
        raise ForewarnError(f"{path} is empty", f"lines of {_count(columns, 'number')}", _REMEDY)
    return rows


def read_comma_table(path: Path, columns: Sequence[str]) -> pd.DataFrame:
    """Read comma-separated text with exactly these columns, in order, and no value missing; blank lines are left out.

    All columns are text.
    """
    lines = _read_text(path).splitlines()
    if not any(line.strip() for line in lines):
        raise ForewarnError(f"{path} is empty", f"the columns {', '.join(columns)}", _REMEDY)
    header = [name.strip().strip('"') for name in lines[0].split(",")]
    if header != list(columns):
        raise ForewarnError(
            f"{path} has the columns {', '.join(header)}", f"{', '.join(columns)}, in that order", _REMEDY
        )
    rows = []
    for number, line in enumerate(lines[1:], start=2):
        fields = [field.strip().strip('"') for field in line.split(",")]
        if fields == [""]:
            continue
        if len(fields) != len(header) or not all(fields):
            found = f"{path}, line {number}: {line[:80]!r}, with {_count(sum(map(bool, fields)), 'value')}"
            raise ForewarnError(found, f"{len(header)} values: {', '.join(header)}", _REMEDY)
        rows.append(fields)
    if not rows:
        raise ForewarnError(f"{path} has a header and no rows", "at least one row", _REMEDY)
    return pd.DataFrame(rows, columns=header, dtype="str")


def parse_numbers(path: Path, texts: "pd.Series[str]") -> "pd.Series[float]":
    """Parse a column of `read_comma_table`."""
    parsed = pd.to_numeric(texts, errors="coerce").astype("float64")
    _raise_at_first(path, texts, parsed.isna(), "a number")
    return parsed


def parse_times(path: Path, texts: "pd.Series[str]") -> "pd.Series[pd.Timestamp]":
    """Parse a column of times that name no zone, taken as UTC, to the microsecond."""
    parsed = pd.to_datetime(texts, format="%Y-%m-%d %H:%M:%S", errors="coerce", utc=True).astype("datetime64[us, UTC]")
    _raise_at_first(path, texts, parsed.isna(), "a time such as 2015-01-01 06:00:00")
    return parsed


def _raise_at_first(path: Path, texts: "pd.Series[str]", bad: "pd.Series[bool]", expected: str) -> None:
    if bad.any():
        row = int(bad.to_numpy().argmax())
        raise ForewarnError(f"{path}, row {row + 1}: {texts.name} is {texts.iloc[row]!r}", expected, _REMEDY)


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ForewarnError(f"{path} is not text ({error.reason})", "the original text file", _REMEDY) from error
    except OSError as error:
        raise ForewarnError(
            f"{path} cannot be read ({error.strerror})", "a readable file", "Check its permissions"
        ) from error


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
