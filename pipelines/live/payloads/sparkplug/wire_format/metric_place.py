"""Compiled placing of the metrics that a high rate sends: in the order of time, by alias, floats and doubles.

Whatever else a message may hold is left to the arrays' way in `grid` and `rows`, which is several times slower.
"""

import numpy as np
import numpy.typing as npt

from features.kernels.compilation import compiled
from pipelines.live.payloads.sparkplug.wire_format.metric_scan import (
    ALIAS_AT,
    FIELD_AT,
    FLAGS,
    HAS_ALIAS,
    HAS_TIME,
    HISTORICAL,
    NULL,
    SET_LENGTH,
    TIME_AT,
    TRANSIENT,
    VALUE_AT,
    Table,
)

Integers = npt.NDArray[np.int64]
NOT_PLAIN = -1


@compiled
def place_plain(
    metrics: Table,
    aliases: Integers,
    alias_columns: Integers,
    latest: int,
    columns: Integers,
    rows: Integers,
    times: Integers,
) -> int:
    """Fill in each metric's column and row, and the time of each row; return how many rows, or `NOT_PLAIN`."""
    count, time = 0, -1
    for n in range(len(metrics)):
        flags = metrics[n, FLAGS]
        if flags & (HAS_ALIAS | HAS_TIME | TRANSIENT) != HAS_ALIAS | HAS_TIME or metrics[n, SET_LENGTH] != 0:
            return NOT_PLAIN
        if (flags ^ metrics[0, FLAGS]) & HISTORICAL != 0:
            return NOT_PLAIN
        column = _column(metrics[n, ALIAS_AT], aliases, alias_columns)
        if column < 0 or metrics[n, TIME_AT] < time or metrics[n, TIME_AT] >= latest:
            return NOT_PLAIN
        if metrics[n, TIME_AT] > time:
            time = metrics[n, TIME_AT]
            times[count] = time
            count += 1
        columns[n], rows[n] = column, count - 1
    return count


@compiled
def fill_plain(
    metrics: Table,
    columns: Integers,
    rows: Integers,
    singles: npt.NDArray[np.bool_],
    narrow: npt.NDArray[np.uint32],
    wide: Integers,
    state: npt.NDArray[np.uint8],
) -> int:
    """Fill in the bits of readings, and in `state` 1 for a null and 2 for one; return how many, or `NOT_PLAIN`."""
    readings = 0
    for n in range(len(metrics)):
        column, row = columns[n], rows[n]
        if state[column, row] != 0:
            return NOT_PLAIN
        state[column, row] = 1
        if metrics[n, FLAGS] & NULL != 0:
            continue
        # float_value and double_value.
        if metrics[n, FIELD_AT] != (12 if singles[column] else 13):
            return NOT_PLAIN
        if singles[column]:
            narrow[column, row] = metrics[n, VALUE_AT] & 0xFFFF_FFFF
        else:
            wide[column, row] = metrics[n, VALUE_AT]
        state[column, row] = 2
        readings += 1
    return readings


@compiled
def _column(alias: int, aliases: Integers, alias_columns: Integers) -> int:
    low, high = 0, len(aliases)
    while low < high:
        middle = (low + high) // 2
        if aliases[middle] < alias:
            low = middle + 1
        else:
            high = middle
    return alias_columns[low] if low < len(aliases) and aliases[low] == alias else -1
