"""Rates of change in a flush: as `row_measures.rates` finds them, also from one flush to the next."""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from data_contracts.streams.flush_rows import FlushRows, Numbers
from data_contracts.validation.row_measures import rates_since_last_good

CARRIED_US = 10_000_000
"""How long, in microseconds, a stored value is what the next message's first value is compared with."""
Carried = dict[str, dict[str, tuple[int, float]]]
"""By channel and asset, the event time (µs) and value of the last reading that was stored."""


def rates_above(
    rows: FlushRows, values: Numbers, limit: float, carried: Mapping[str, tuple[int, float]]
) -> npt.NDArray[np.int64]:
    """Return the rows whose value changed faster than `limit` a second since the last good one of their asset."""
    place = rows.in_order[0]
    place = place[~np.isnan(values[place])]
    if rows.in_order[1]:  # rows of one key are compared by value, so that their order has no effect
        place = place[np.lexsort((values[place], rows.known_us[place], rows.event_us[place], rows.codes[place]))]
    code, event, value = rows.codes[place], rows.event_us[place], values[place]
    if not len(place):
        return place
    seconds, starts = event / 1e6, np.flatnonzero(np.diff(code, prepend=-1))
    before = _before(rows, code[starts], event[starts], carried)
    elapsed, change = np.diff(seconds, prepend=np.nan), np.abs(np.diff(value, prepend=np.nan))
    elapsed[starts], change[starts] = seconds[starts] - before[0] / 1e6, np.abs(value[starts] - before[1])
    with np.errstate(divide="ignore", invalid="ignore"):
        suspicious = (elapsed == 0) | ((elapsed > 0) & (change / elapsed > limit))
    above = []
    # Row by row only for assets with a rate above the limit or a repeated instant.
    for asset in np.unique(np.searchsorted(starts, np.flatnonzero(suspicious), side="right") - 1).tolist():
        own = slice(starts[asset], starts[asset + 1] if asset + 1 < len(starts) else None)
        has_before = int(not np.isnan(before[0][asset]))
        at = np.concatenate([before[0][asset : asset + has_before] / 1e6, seconds[own]])
        numbers = np.concatenate([before[1][asset : asset + has_before], value[own]])
        rates = np.array(rates_since_last_good(at, numbers, limit))[has_before:]
        above.append(place[own][rates > limit])
    return np.sort(np.concatenate([*above, np.empty(0, dtype=np.int64)]))


def carry_on(carried: Carried, rows: FlushRows, good: npt.NDArray[np.bool_], channels: Mapping[str, Numbers]) -> None:
    """Remember the last reading of each asset and channel that is stored, where it is newer than the one before."""
    for channel, before in carried.items():
        values = channels.get(channel)
        if values is None:
            continue
        stored = np.flatnonzero(good & ~np.isnan(values))
        stored = stored[np.lexsort((rows.known_us[stored], rows.event_us[stored], rows.codes[stored]))]
        codes = rows.codes[stored]
        last = stored[np.flatnonzero(np.diff(codes, append=-1))]
        for row in last.tolist():
            asset, us = rows.assets[rows.codes[row]], int(rows.event_us[row])
            if asset not in before or us >= before[asset][0]:
                before[asset] = (us, float(values[row]))


def _before(
    rows: FlushRows,
    codes: npt.NDArray[np.int64],
    first_us: npt.NDArray[np.int64],
    carried: Mapping[str, tuple[int, float]],
) -> tuple[Numbers, Numbers]:
    """Return the time (µs) and value that the first row of each asset is compared with; NaN for none."""
    times, values = np.full(len(codes), np.nan), np.full(len(codes), np.nan)
    for place, (code, first) in enumerate(zip(codes.tolist(), first_us.tolist(), strict=True)):
        before = carried.get(rows.assets[code])
        if before is not None and 0 <= first - before[0] <= CARRIED_US:
            times[place], values[place] = before
    return times, values
