"""The row checks of a flush: the outcomes and reasons of `examine`, in one sweep over arrays.

Rules for a batch as a whole, such as a share of nulls, say nothing about a row, and how rows fall into flushes is
chance: they are checked over an hour's rows.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from data_contracts.contract.contract_types import ALL_CHANNELS, Column, Contract, quality_column
from data_contracts.streams.compiled_contract import ChannelChecks, CompiledContract, reason
from data_contracts.streams.flush_rates import rates_above
from data_contracts.streams.flush_rows import SOURCE, FlushRows, Numbers, to_frame
from data_contracts.validation.checks import examine
from data_contracts.validation.quality_flags import flag_meaning, unknown_quality
from data_contracts.validation.row_measures import repeated_keys
from data_contracts.validation.text_formats import matches_format

_CODES = {"uncertain": 1, "bad": 2}  # as noted of a reading; 0 for none
NOTHING_CARRIED: Mapping[str, Mapping[str, tuple[int, float]]] = {}


@dataclass(frozen=True)
class CheckedFlush:
    """The rows of a flush with what their checks say."""

    reasons: Mapping[int, tuple[str, ...]]  # why each bad row is refused, by its place
    good: npt.NDArray[np.bool_]
    channels: Mapping[str, Numbers]  # bad readings are NaN
    noted: Mapping[str, npt.NDArray[np.int8]]  # by stored column, which readings are uncertain (1) or bad (2)
    nulled: int  # readings that became null because of their quality
    examined: pd.DataFrame | None = None  # the checked rows, where the contract was examined


class _Reasons:
    """Reasons as they come, check by check."""

    def __init__(self, n_rows: int) -> None:
        self.by_row: dict[int, tuple[str, ...]] = {}
        self.good = np.ones(n_rows, dtype=bool)

    def add(self, rows: npt.NDArray[Any], why: str) -> None:
        """Refuse rows, by places or by a mask."""
        if rows.dtype == bool:
            if not rows.any():
                return
            rows = np.flatnonzero(rows)
        self.good[rows] = False
        for row in rows.tolist():
            self.by_row[row] = (*self.by_row.get(row, ()), why)


def check_flush(
    rows: FlushRows,
    compiled: CompiledContract,
    *,
    now: pd.Timestamp,
    carried: Mapping[str, Mapping[str, tuple[int, float]]] = NOTHING_CARRIED,
) -> CheckedFlush:
    """Check each row; `carried` has the last stored reading by channel and asset, for rates of change."""
    if compiled.examined_because:
        return _examined(rows, compiled.contract, now)
    contract, reasons = compiled.contract, _Reasons(len(rows))
    channels, noted, nulled = _apply_qualities(rows, contract, reasons)
    checks = {channel.name: channel for channel in compiled.channels}
    for column in contract.columns:
        if column.name in checks:
            _check_channel(channels.get(column.name), checks[column.name], reasons)
        elif column.name in ("asset", "source"):
            _check_texts(rows, column, contract, reasons)
        elif column.name in ("event_time", "known_time"):
            _check_times(rows, column.name, compiled, reasons)
    _check_keys(rows, compiled, reasons)
    if compiled.ordered:
        reasons.add(rows.event_us > rows.known_us, compiled.time_order)
    for channel in compiled.channels:
        if channel.max_rate is not None and channel.name in channels:
            before = carried.get(channel.name, {})
            fast = rates_above(rows, channels[channel.name], channel.max_rate, before)
            reasons.add(fast, str(channel.rate))
    return CheckedFlush(reasons.by_row, reasons.good, channels, noted, nulled)


def _examined(rows: FlushRows, contract: Contract, now: pd.Timestamp) -> CheckedFlush:
    outcome = examine(to_frame(rows, contract, np.arange(len(rows))), contract, now=now, by_cell=True)
    good = np.ones(len(rows), dtype=bool)
    good[list(outcome.reasons)] = False
    nulled = sum(count for counts in outcome.nulled.values() for count in counts.values())
    return CheckedFlush(outcome.reasons, good, rows.channels, {}, nulled, outcome.frame)


def _check_channel(values: Numbers | None, checks: ChannelChecks, reasons: _Reasons) -> None:
    if values is None:  # an optional column that did not come
        return
    if checks.required is not None:
        reasons.add(np.isnan(values), checks.required)
    # NaN is neither below nor above.
    below = values <= checks.low if checks.strict_low else values < checks.low
    above = values >= checks.high if checks.strict_high else values > checks.high
    reasons.add(below | above, checks.range)
    if checks.allowed is not None:
        reasons.add(~np.isin(values, checks.allowed) & ~np.isnan(values), str(checks.allowed_reason))
    if checks.multiple_of is not None:
        with np.errstate(invalid="ignore", over="ignore"):
            steps = values / checks.multiple_of
            whole = np.isfinite(values) & np.isclose(steps, np.round(steps), rtol=0, atol=1e-9)
        reasons.add(~whole & ~np.isnan(values), str(checks.multiple_reason))


def _check_times(rows: FlushRows, name: str, compiled: CompiledContract, reasons: _Reasons) -> None:
    times = rows.event_us if name == "event_time" else rows.known_us
    if name == "event_time" and compiled.earliest_us is not None:
        reasons.add(times < compiled.earliest_us, compiled.earliest)
    for limited, earliest, latest, why in compiled.time_limits:
        if limited == name:
            outside = np.zeros(len(rows), dtype=bool)
            if earliest is not None:
                outside |= times < earliest
            if latest is not None:
                outside |= times > latest
            reasons.add(outside, why)


def _check_texts(rows: FlushRows, column: Column, contract: Contract, reasons: _Reasons) -> None:
    """Check each text once, however many rows have it."""
    texts = rows.assets if column.name == "asset" else (SOURCE,)
    for code, text in enumerate(texts):
        failed = [check for check, keeps in _text_checks(column, text) if not keeps]
        for check in failed:
            of_text = rows.codes == code if column.name == "asset" else np.ones(len(rows), dtype=bool)
            reasons.add(of_text, reason(check, column, contract))


def _text_checks(column: Column, text: str) -> list[tuple[str, bool]]:
    checks = []
    if column.allowed is not None:
        checks.append(("allowed", text in column.allowed))
    if column.min_length is not None or column.max_length is not None:
        shortest, longest = column.min_length or 0, column.max_length
        checks.append(("length", shortest <= len(text) and (longest is None or len(text) <= longest)))
    if column.pattern is not None:
        checks.append(
            ("pattern", bool(pd.Series([text], dtype="str").str.contains(column.pattern, regex=True).iloc[0]))
        )
    if column.format is not None:
        checks.append(("format", matches_format(text, column.format)))
    return checks


def _check_keys(rows: FlushRows, compiled: CompiledContract, reasons: _Reasons) -> None:
    """Refuse repeated keys; only rows that share one are compared value by value."""
    parts = {"asset": rows.codes, "event_time": rows.event_us, "known_time": rows.known_us}
    key = [parts[name] for name in compiled.contract.key if name in parts]
    if len(rows) < 2:
        return
    order = np.lexsort(key) if key else np.arange(len(rows))
    equal = np.ones(len(rows) - 1, dtype=bool)
    for part in key:
        equal &= part[order][1:] == part[order][:-1]
    if not equal.any():
        return
    shared = np.zeros(len(rows), dtype=bool)
    shared[order[1:][equal]] = shared[order[:-1][equal]] = True
    chosen = np.flatnonzero(shared)
    repeated = repeated_keys(_valued(rows, compiled.contract, chosen), compiled.contract)
    reasons.add(chosen[repeated.to_numpy() > 0], compiled.unique)


def _valued(rows: FlushRows, contract: Contract, chosen: npt.NDArray[np.int64]) -> pd.DataFrame:
    from data_contracts.validation.conform import conform
    from data_contracts.validation.quality_flags import apply_qualities

    frame = to_frame(rows, contract, chosen)
    return apply_qualities(conform(frame, contract, by_cell=True).frame, contract).frame


def _apply_qualities(
    rows: FlushRows, contract: Contract, reasons: _Reasons
) -> tuple[Mapping[str, Numbers], Mapping[str, npt.NDArray[np.int8]], int]:
    """Make bad readings null, and uncertain ones where the contract drops them; note which are not good."""
    if not rows.qualities:
        return rows.channels, {}, 0
    channels, noted, nulled = dict(rows.channels), dict[str, npt.NDArray[np.int8]](), 0
    declared = [column.name for column in contract.columns if column.name in rows.qualities]
    names = [*declared, *(name for name in rows.qualities if name not in declared)]
    unknown: list[tuple[int, str]] = []
    for column in contract.quality_columns(names):
        codes, strange = _quality_codes(rows.qualities[column.name], column)
        unknown += strange
        stored = quality_column(str(column.quality_of))
        noted[stored] = np.maximum(noted[stored], codes) if stored in noted else codes
        dropped = codes == 2 if column.uncertain == "keep" else codes > 0
        targets = contract.channels if column.quality_of == ALL_CHANNELS else (str(column.quality_of),)
        for target in targets:
            if target in channels and dropped.any():
                nulled += int((dropped & ~np.isnan(channels[target])).sum())
                channels[target] = np.where(dropped, np.nan, channels[target])
    for row, why in unknown:
        reasons.add(np.array([row]), why)
    return channels, {name: codes for name, codes in noted.items() if codes.any()}, nulled


def _quality_codes(flags: pa.Array, column: Column) -> tuple[npt.NDArray[np.int8], list[tuple[int, str]]]:
    """Return what each flag means as noted, and the rows whose flag is not known."""
    encoded = pc.dictionary_encode(flags)
    if isinstance(encoded, pa.ChunkedArray):
        encoded = encoded.combine_chunks()
    words, own = encoded.dictionary.to_pylist(), dict(column.quality_words)
    meanings = [flag_meaning(str(word), own) for word in words]
    places = pc.fill_null(encoded.indices, len(words)).to_numpy()
    codes = np.array([*(_CODES.get(str(meaning), 0) for meaning in meanings), 0], dtype=np.int8)[places]
    strange = [place for place, meaning in enumerate(meanings) if meaning is None]
    rows = np.flatnonzero(np.isin(places, strange)) if strange else np.empty(0, dtype=np.int64)
    return codes, [(row, unknown_quality(words[places[row]], column)) for row in rows.tolist()]
