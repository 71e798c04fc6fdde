"""Rows of any shape as JSON texts and back, so that quarantine can store what fits no table."""

import hashlib
import json
import math
import re
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import pandas as pd

from data_contracts.contract.contract_types import DTYPES, Contract


def to_texts(frame: pd.DataFrame) -> list[str]:
    """Write each row as a JSON object, without loss; instants in ISO 8601, NaN as null."""
    names = _unique([str(name) for name in frame.columns])
    plain = {name: [_plain(value) for value in frame.iloc[:, place]] for place, name in enumerate(names)}
    return [json.dumps(dict(zip(plain, row, strict=True))) for row in zip(*plain.values(), strict=True)]


def from_texts(texts: Iterable[str], contract: Contract, *, numerals: bool = False) -> pd.DataFrame:
    """Read rows written by `to_texts`, with the contract's types; a value that cannot have its type stays as it is.

    With `numerals`, texts are read as numbers and truth values, as in a repaired CSV file. Otherwise a text in a column
    of numbers is what was refused.
    """
    frame = pd.DataFrame([json.loads(text) for text in texts], dtype=object)
    for column in contract.columns:
        if column.name in frame.columns:
            frame[column.name] = _typed(frame[column.name], column.type, numerals=numerals)
    return frame


def fingerprint(frame: pd.DataFrame) -> str:
    """Return a digest of rows that does not depend on their order, 32 hexadecimal digits."""
    digest = hashlib.sha256(json.dumps([str(name) for name in frame.columns]).encode())
    if len(frame):
        digest.update(np.sort(row_hashes(frame)).astype("<u8").tobytes())
    return digest.hexdigest()[:32]


def row_hashes(frame: pd.DataFrame) -> "np.ndarray[Any, np.dtype[Any]]":
    """Return a hash of each row's values."""
    try:
        return pd.util.hash_pandas_object(frame, index=False).to_numpy()
    except TypeError:  # cells that are lists or the like
        return pd.util.hash_pandas_object(pd.Series(to_texts(frame), dtype="str"), index=False).to_numpy()


def _unique(names: list[str]) -> list[str]:
    """Append a number to repeated names, since a JSON object would keep only the last column of a name."""
    seen: Counter[str] = Counter()
    unique = []
    for name in names:
        seen[name] += 1
        unique.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return unique


def _plain(value: Any) -> Any:
    if value is None or value is pd.NA or value is pd.NaT:
        return None
    if isinstance(value, pd.Timestamp):
        return value.isoformat()
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else str(value)  # JSON has no infinity
    return value if isinstance(value, str | int | float | bool) else str(value)


def _typed(values: "pd.Series[Any]", kind: str, *, numerals: bool) -> "pd.Series[Any]":
    if kind == "string":
        return values
    read = _READERS[kind]
    cells = [read(value, numerals) if isinstance(value, str) else value for value in values]
    typed = pd.Series(cells, index=values.index, dtype=object)
    if any(isinstance(cell, str) for cell in cells) or (kind == "number" and any(map(_is_rounded, cells))):
        return typed
    try:
        return typed.astype(DTYPES[kind])  # type: ignore[call-overload,no-any-return]
    except (ValueError, TypeError):
        return typed


def _is_rounded(cell: Any) -> bool:
    """Return whether a whole number would be another as a float."""
    return isinstance(cell, int) and abs(cell) > 2**53


def _time(text: str, _: bool) -> Any:
    if not _ISO.match(text):
        return text
    try:
        time = pd.Timestamp(text)
    except ValueError:
        return text
    return text if time.tzinfo is None else time.tz_convert("UTC").as_unit("us")


def _number(text: str, numerals: bool) -> Any:
    if text in ("inf", "-inf"):  # as infinities are written
        return float(text)
    if not numerals or not _NUMERAL.fullmatch(text.strip()):
        return text
    return int(text) if _WHOLE.fullmatch(text.strip()) else float(text)


def _truth(text: str, numerals: bool) -> Any:
    return {"true": True, "false": False}.get(text.strip().lower(), text) if numerals else text


_ISO = re.compile(r"\d{4}-\d\d-\d\d[T ]")
_WHOLE = re.compile(r"[+-]?\d+")
_NUMERAL = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")
_READERS: dict[str, Callable[[str, bool], Any]] = {
    "timestamp": _time,
    "number": _number,
    "integer": _number,
    "boolean": _truth,
}
