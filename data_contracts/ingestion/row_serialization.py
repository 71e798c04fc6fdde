"""Rows of any shape as JSON texts and back, so that quarantine can hold what fits no table."""

import hashlib
import json
import math
from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd

from data_contracts.contract.contract import Contract


def to_texts(frame: pd.DataFrame) -> list[str]:
    """Write each row as a JSON object.

    Parameters
    ----------
    frame
        Rows of any shape.

    Returns
    -------
    list of str
        One text a row, in order; instants in ISO 8601, NaN as null. Reading them again loses nothing.
    """
    names = _told_apart([str(name) for name in frame.columns])
    plain = {name: [_plain(value) for value in frame.iloc[:, place]] for place, name in enumerate(names)}
    return [json.dumps(dict(zip(plain, row, strict=True))) for row in zip(*plain.values(), strict=True)]


def from_texts(texts: Iterable[str], contract: Contract) -> pd.DataFrame:
    """Read rows back that were written as JSON objects.

    Parameters
    ----------
    texts
        One JSON object a row.
    contract
        The contract they should meet; columns that can be read as its types are.

    Returns
    -------
    pandas.DataFrame
        The rows, in order. A column that cannot be read as its type stays as it was written.
    """
    frame = pd.DataFrame([json.loads(text) for text in texts], dtype=object)
    for column in contract.columns:
        if column.name in frame.columns:
            frame[column.name] = _typed(frame[column.name], column.type)
    return frame


def fingerprint(frame: pd.DataFrame) -> str:
    """Compute a digest of rows that does not depend on their order.

    Parameters
    ----------
    frame
        The rows.

    Returns
    -------
    str
        32 hexadecimal digits.
    """
    digest = hashlib.sha256(json.dumps([str(name) for name in frame.columns]).encode())
    if len(frame):
        try:
            hashes = pd.util.hash_pandas_object(frame, index=False).to_numpy()
        except TypeError:  # cells that are lists or the like
            hashes = pd.util.hash_pandas_object(pd.Series(to_texts(frame), dtype="str"), index=False).to_numpy()
        digest.update(np.sort(hashes).astype("<u8").tobytes())
    return digest.hexdigest()[:32]


def _told_apart(names: list[str]) -> list[str]:
    """Give columns that share a name numbers, since an object would keep only the last of them."""
    return [f"{name} ({n})" if (n := names[: place + 1].count(name)) > 1 else name for place, name in enumerate(names)]


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
