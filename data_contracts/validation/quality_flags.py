"""Qualities of readings, as historians and OPC servers send them: a bad reading is none, and is counted.

What is not good is kept beside the readings, in a column for each channel that has such readings, and in none else.

Words are read by their beginning, as in "Good, Non-Specific", "UncertainLastUsableValue" or "Bad_NoCommunication".
Numbers are OPC DA quality bytes (192 to 255 good, 64 to 127 uncertain, 1 to 63 bad) or OPC UA status codes (from
2**30 uncertain, from 2**31 bad). 0 is bad in the one and good in the other, so the contract has to say.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from data_contracts.contract.contract_types import (
    ALL_CHANNELS,
    Column,
    Contract,
    is_quality_column,
    quality_column,
)
from data_contracts.validation.report import CheckResult

_WORDS = {
    "good": ("good", "ok", "valid"),
    "uncertain": ("uncertain", "questionable", "suspect"),
    "bad": ("bad", "invalid"),
}
_UNCERTAIN_CODES, _BAD_CODES, _CODES_END = 2**30, 2**31, 2**32


@dataclass(frozen=True)
class Judged:
    """A batch whose bad readings are null."""

    frame: pd.DataFrame  # with the qualities that are not good as `stored_names` names them
    results: tuple[CheckResult, ...]
    reasons: Mapping[int, tuple[str, ...]]  # by row, a quality that cannot be understood
    nulled: Mapping[str, Mapping[str, int]]  # by channel and quality, how many readings became null
    tallies: tuple["QualityTally", ...] = ()


@dataclass(frozen=True)
class QualityTally:
    """How good the readings are that a column says the quality of."""

    column: Column
    counts: Mapping[str, int]  # by quality
    missing: int  # readings without a quality
    unknown: int  # qualities that cannot be understood

    def __add__(self, other: "QualityTally") -> "QualityTally":
        names = dict.fromkeys((*self.counts, *other.counts))
        counts = {name: self.counts.get(name, 0) + other.counts.get(name, 0) for name in names}
        return QualityTally(self.column, counts, self.missing + other.missing, self.unknown + other.unknown)

    @property
    def result(self) -> CheckResult:
        """Return the result of the check."""
        parts = [f"{self.counts['bad']} bad readings are null"] if "bad" in self.counts else []
        if "uncertain" in self.counts:
            parts.append(
                f"{self.counts['uncertain']} uncertain ones are {'null' if self.column.uncertain == 'drop' else 'kept'}"
            )
        if self.missing:
            parts.append(f"{self.missing} without a quality are kept")
        if self.unknown:
            parts.insert(0, f"{self.unknown} are not known as {_known(self.column)}")
        detail = ", ".join(parts) or "all readings are good"
        return CheckResult("quality", self.column.name, not self.unknown, detail, self.unknown, "row")


def apply_qualities(frame: pd.DataFrame, contract: Contract) -> Judged:
    """Make bad readings null, and uncertain ones where the contract drops them; note which are not good."""
    noted: dict[str, pd.Series[Any]] = {}
    tallies: list[QualityTally] = []
    reasons: dict[int, tuple[str, ...]] = {}
    nulled: dict[str, dict[str, int]] = {}
    for column in contract.quality_columns(map(str, frame.columns)):
        qualities = _qualities(frame[column.name], column)
        unknown = frame[column.name].notna() & qualities.isna()
        for row in frame.index[unknown]:
            why = unknown_quality(frame[column.name][row], column)
            reasons[int(row)] = (*reasons.get(int(row), ()), why)
        drop = {"bad"} | ({"uncertain"} if column.uncertain == "drop" else set())
        _note(noted, quality_column(str(column.quality_of)), qualities)
        targets = contract.channels if column.quality_of == ALL_CHANNELS else (str(column.quality_of),)
        for target in targets:
            readings = qualities[frame[target].notna()]
            counts = {str(quality): int(n) for quality, n in readings.value_counts().items() if quality in drop}
            frame = frame.assign(**{target: frame[target].mask(qualities.isin(drop))})
            for quality, n in counts.items():
                nulled.setdefault(target, {})[quality] = nulled.get(target, {}).get(quality, 0) + n
        tallies.append(_tally(column, qualities, int(unknown.sum())))
    # A column of words as they came may have the name of one that is stored.
    rest = frame.drop(columns=[name for name in frame.columns if is_quality_column(str(name))])
    return Judged(rest.assign(**noted), tuple(each.result for each in tallies), reasons, nulled, tuple(tallies))


def stored_names(rows: pd.DataFrame, contract: Contract) -> list[str]:
    """Return the columns of checked rows that are stored: the contract's, and qualities where some are not good."""
    noted = [str(name) for name in rows.columns if is_quality_column(str(name)) and bool(rows[name].notna().any())]
    return [*(column.name for column in contract.stored_columns), *noted]


def _note(noted: dict[str, "pd.Series[Any]"], name: str, qualities: "pd.Series[Any]") -> None:
    """Add the qualities that are not good to those noted under a name; the worse of two counts."""
    other = qualities.where(qualities.isin(["bad", "uncertain"]), None)
    before = noted.get(name)
    if before is not None:
        other = before.where((before == "bad") | other.isna(), other)
    if other.notna().any():
        noted[name] = other


def _tally(column: Column, qualities: "pd.Series[Any]", unknown: int) -> QualityTally:
    counts = {str(quality): int(count) for quality, count in qualities.value_counts().items()}
    return QualityTally(column, counts, int(qualities.isna().sum()) - unknown, unknown)


def unknown_quality(flag: Any, column: Column) -> str:
    """Say why a row is refused whose quality cannot be understood."""
    return f"quality {column.name}: {flag!r} is not known as {_known(column)}"


def _known(column: Column) -> str:
    return f"good, uncertain or bad; list it as goodValues, uncertainValues or badValues of {column.name}"


def _qualities(flags: "pd.Series[Any]", column: Column) -> "pd.Series[Any]":
    meanings = {flag: flag_meaning(str(flag), dict(column.quality_words)) for flag in flags.dropna().unique()}
    return flags.map(meanings).astype(object)


def flag_meaning(flag: str, own: Mapping[str, str]) -> str | None:
    """Return what a flag means; None if it is not known.

    Examples
    --------
    >>> [flag_meaning(flag, {}) for flag in ("GOOD", "Bad, Not Connected", "192", "0x40000000", "0", "Badger")]
    ['good', 'bad', 'good', 'uncertain', None, None]
    """
    word = flag.strip().casefold()
    if word in own:
        return own[word]
    if re.fullmatch(r"\d+|0x[0-9a-f]+", word):
        return _of_code(int(word, 0) if word.startswith("0x") else int(word))
    return next(_by_beginning(flag.strip()), None)


def _by_beginning(flag: str) -> Iterator[str]:
    for quality, words in _WORDS.items():
        for word in words:
            # The rest of the name of a status begins in a way that no word of the language goes on.
            if re.fullmatch(rf"(?i:{word})(?:[^a-z].*)?", flag, re.DOTALL):
                yield quality


def _of_code(code: int) -> str | None:
    if 192 <= code <= 255:
        return "good"
    if 64 <= code <= 127 or _UNCERTAIN_CODES <= code < _BAD_CODES:
        return "uncertain"
    if 1 <= code <= 63 or _BAD_CODES <= code < _CODES_END:
        return "bad"
    return None
