"""Rows of any shape as JSON texts and back, so that quarantine can store what fits no table."""

import hashlib
import json
import math
from collections import Counter
from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd

from data_contracts.contract.contract import Contract


def to_texts(frame: pd.DataFrame) -> list[str]:
    """Write each row as a JSON object, without loss; instants in ISO 8601, NaN as null."""
    names = _unique([str(name) for name in frame.columns])
    plain = {name: [_plain(value) for value in frame.iloc[:, place]] for place, name in enumerate(names)}
    return [json.dumps(dict(zip(plain, row, strict=True))) for row in zip(*plain.values(), strict=True)]


def from_texts(texts: Iterable[str], contract: Contract) -> pd.DataFrame:
    """Read rows written by `to_texts`, with the contract's types; a column that cannot have its type stays as it is."""
    frame = pd.DataFrame([json.loads(text) for text in texts], dtype=object)
    for column in contract.columns:
        if column.name in frame.columns:
            frame[column.name] = _typed(frame[column.name], column.type)
    return frame


def fingerprint(frame: pd.DataFrame) -> str:
    """Return a digest of rows that does not depend on their order, 32 hexadecimal digits."""
    digest = hashlib.sha256(json.dumps([str(name) for name in frame.columns]).encode())
    if len(frame):
        try:
            hashes = pd.util.hash_pandas_object(frame, index=False).to_numpy()
        except TypeError:  # cells that are lists or the like
            hashes = pd.util.hash_pandas_object(pd.Series(to_texts(frame), dtype="str"), index=False).to_numpy()
        digest.update(np.sort(hashes).astype("<u8").tobytes())
    return digest.hexdigest()[:32]


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


def _typed(values: "pd.Series[Any]", kind: str) -> "pd.Series[Any]":
    try:
        if kind == "timestamp":
            aware = values.dropna().map(lambda text: pd.Timestamp(text).tzinfo is not None).all()
            return pd.to_datetime(values, utc=True, format="ISO8601").dt.as_unit("us") if aware else values
        if kind in ("number", "integer"):
            return pd.to_numeric(values).astype("float64" if kind == "number" else "Int64")
    except (ValueError, TypeError):
        return values
    return values
