"""Rows of the messages that a high rate sends; `rows` reads any."""

import numpy as np
import pyarrow as pa

from pipelines.live.payloads.message import EVENT_TIME, TIME_TYPE
from pipelines.live.payloads.sparkplug.births import Birth
from pipelines.live.payloads.sparkplug.grid import LATEST_MILLISECONDS, MOST_CELLS
from pipelines.live.payloads.sparkplug.wire_format.metric_place import NOT_PLAIN, fill_plain, place_plain
from pipelines.live.payloads.sparkplug.wire_format.metric_scan import Table


def plain_rows(metrics: Table, birth: Birth) -> pa.RecordBatch | None:
    """Return the readings of a message; None if it holds something that this way does not read, or that is wrong."""
    n, channels, singles = len(metrics), len(birth.channels), birth.singles
    columns, rows, times = np.empty((3, n), np.int64)
    count = place_plain(metrics, birth.aliases, birth.alias_columns, LATEST_MILLISECONDS, columns, rows, times)
    if count <= 0 or count * channels > MOST_CELLS:
        return None
    shape = (channels, count)
    narrow = np.zeros(shape if singles.any() else (0, 0), np.uint32)
    wide = np.zeros(shape if not singles.all() else (0, 0), np.int64)
    state = np.zeros(shape, np.uint8)
    readings = fill_plain(metrics, columns, rows, singles, narrow, wide, state)
    if readings == NOT_PLAIN:
        return None
    arrays = [pa.Array.from_buffers(TIME_TYPE, count, [None, pa.py_buffer(1_000 * times[:count])])]
    for column, single in enumerate(singles):
        values = narrow[column].view(np.float32) if single else wide[column].view(np.float64)
        arrays.append(pa.array(values) if readings == state.size else pa.array(values, mask=state[column] != 2))
    return pa.RecordBatch.from_arrays(arrays, [EVENT_TIME, *birth.channels])
