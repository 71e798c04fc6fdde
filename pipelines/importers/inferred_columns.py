"""What the columns of unknown files seem to be: the time, the asset, channels, qualities, and the rest."""

import re
from collections import Counter
from collections.abc import Iterable
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
from pipelines.file_reading.values import is_plain_type, is_text, read_values

MISSING_WORDS = ("nan", "n/a", "na", "#n/a", "-", "--", "null", "none", "bad input", "no data", "i/o timeout")
_ASSET_NAMES = re.compile(
    r"asset|machine|pump|unit|tool|device|equip|engine|vehicle|turbine|serial|station|motor|maschine|anlage|^id$|_id$",
    re.IGNORECASE,
)
_IN_BRACKETS = re.compile(r"^(?P<name>.+?)\s*\((?P<unit>[^()]+)\)$")
_MOST_WORDS = 0.2  # a share of cells that are no numbers beyond which the column is no channel


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


def sample_texts(column: pa.ChunkedArray) -> list[str]:
    """Return distinct texts of a column, evenly chosen where there are thousands; none of nested or binary ones."""
    if not is_plain_type(column.type):
        return []
    present = pc.unique(column.drop_null().cast(pa.large_string()))
    step = max(1, len(present) // 2000)
    return [str(text).strip() for text in present[::step].to_pylist() if str(text).strip()]


def find_asset(columns: Columns, others: Iterable[str]) -> str | None:
    """Find the column that names the asset: named like one, of few values, each of many rows; None if there is none."""
    candidates = []
    for name in columns.names:
        if name in others or not (name == "asset" or _ASSET_NAMES.search(name)):
            continue
        if not is_plain_type(columns.column(name).type):
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
