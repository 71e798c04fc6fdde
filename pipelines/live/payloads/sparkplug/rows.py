"""Metrics of one message as rows: those of one time are one row, in the order of time."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from data_contracts.contract.contract_types import quality_column
from pipelines.live.payloads.message import EVENT_TIME, QUALITY_TYPE, TIME_TYPE
from pipelines.live.payloads.sparkplug.births import NO_CHANNEL, Birth
from pipelines.live.payloads.sparkplug.grid import Grid, metric_columns, place_metrics
from pipelines.live.payloads.sparkplug.numbers import as_doubles, as_singles
from pipelines.live.payloads.sparkplug.plain_rows import plain_rows
from pipelines.live.payloads.sparkplug.wire_format.definitions import FLOAT_VALUE
from pipelines.live.payloads.sparkplug.wire_format.metric_scan import (
    FIELD_AT,
    FLAGS,
    HISTORICAL,
    NULL,
    SET_LENGTH,
    TRANSIENT,
    VALUE_AT,
    Table,
)
from pipelines.live.payloads.sparkplug.wire_format.payload import SparkplugPayload
from pipelines.live.payloads.sparkplug.wire_format.properties import quality_of

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Readings:
    """The rows of a message; whether all its readings are historical."""

    rows: pa.RecordBatch
    historical: bool


def read_rows(payload: SparkplugPayload, birth: Birth) -> Readings | None:
    """Return the readings of a message's channels; None if there are none.

    A metric that the birth does not have is a PayloadError "no birth certificate". Metrics that are no channels, and
    transient ones, which no historian should keep, are left out.
    """
    plain = plain_rows(payload.metrics, birth)
    return any_rows(payload, birth) if plain is None else Readings(plain, bool(payload.metrics[0, FLAGS] & HISTORICAL))


def any_rows(payload: SparkplugPayload, birth: Birth) -> Readings | None:
    """Return what `read_rows` does, by a way that reads any message, and slower."""
    columns, metrics = metric_columns(payload, birth), payload.metrics
    kept = (columns != NO_CHANNEL) & (metrics[:, FLAGS] & TRANSIENT == 0)
    if not kept.any():
        return None
    if not kept.all():
        columns, metrics = columns[kept], metrics[kept]
    grid = place_metrics(metrics, columns, len(birth.channels), payload.sent)
    batch = {EVENT_TIME: pa.array(grid.times).cast(TIME_TYPE), **_channels(metrics, grid, birth)}
    if (metrics[:, SET_LENGTH] > 0).any():
        batch |= _qualities(payload, np.flatnonzero(kept), grid, birth)
    return Readings(pa.record_batch(batch), bool((metrics[:, FLAGS] & HISTORICAL != 0).all()))


def _channels(metrics: Table, grid: Grid, birth: Birth) -> dict[str, pa.Array]:
    shape = (len(birth.channels), len(grid.times))
    present = metrics[:, FLAGS] & NULL == 0
    given = np.zeros(shape, bool)
    given.reshape(-1)[grid.cells] = present
    # A channel of floats stays one of 32 bits, unless a value came with more.
    is_single = metrics[:, FIELD_AT] == FLOAT_VALUE
    singles = birth.singles.copy()
    singles[grid.columns[present & ~is_single]] = False
    narrow = np.zeros(shape, np.uint32)
    wide = np.zeros(shape, np.float64)
    if (of_singles := present & singles[grid.columns]).any():
        narrow.reshape(-1)[grid.cells[of_singles]] = as_singles(metrics[of_singles, VALUE_AT])
    if (others := present & ~singles[grid.columns]).any():
        datatypes = birth.datatypes[grid.columns[others]]
        wide.reshape(-1)[grid.cells[others]] = as_doubles(
            metrics[others, FIELD_AT], metrics[others, VALUE_AT], datatypes
        )
    values = [narrow[n].view(np.float32) if single else wide[n] for n, single in enumerate(singles)]
    return {channel: _array(values[n], given[n]) for n, channel in enumerate(birth.channels)}


def _array(values: npt.NDArray[np.floating], given: Mask) -> pa.Array:
    return pa.array(values) if given.all() else pa.array(values, mask=~given)


def _qualities(payload: SparkplugPayload, kept: npt.NDArray[np.int64], grid: Grid, birth: Birth) -> dict[str, pa.Array]:
    """Return a column of qualities for each channel that has some."""
    words: dict[int, list[str | None]] = {}
    known: dict[bytes, str | None] = {}
    for place in np.flatnonzero(payload.metrics[kept, SET_LENGTH] > 0):
        properties = payload.properties(int(kept[place]))
        if properties not in known:
            known[properties] = quality_of(properties)
        if known[properties] is not None:
            column, row = divmod(int(grid.cells[place]), len(grid.times))
            words.setdefault(column, [None] * len(grid.times))[row] = known[properties]
    return {
        quality_column(birth.channels[column]): pa.array(of_channel, QUALITY_TYPE)
        for column, of_channel in sorted(words.items())
    }
