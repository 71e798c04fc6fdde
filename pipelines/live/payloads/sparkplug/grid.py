"""Where metrics belong: the column of each by alias or name, and its row by time."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipelines.live.payloads.header_values import LATEST
from pipelines.live.payloads.payload_error import PayloadError
from pipelines.live.payloads.sparkplug.births import Birth
from pipelines.live.payloads.sparkplug.wire_format.metric_scan import (
    ALIAS_AT,
    FLAGS,
    HAS_ALIAS,
    HAS_NAME,
    HAS_TIME,
    TIME_AT,
    Table,
)
from pipelines.live.payloads.sparkplug.wire_format.payload import SparkplugPayload, unlike_specification

Integers = npt.NDArray[np.int64]
MOST_CELLS = 10_000_000
LATEST_MILLISECONDS = LATEST // 1_000


@dataclass(frozen=True, eq=False)
class Grid:
    """Rows by time and the channels of a birth; `cells` counts them channel by channel."""

    times: Integers  # of the rows, ascending, in microseconds
    cells: Integers  # of each metric
    columns: Integers  # of each metric


def place_metrics(metrics: Table, columns: Integers, channels: int, sent: int | None) -> Grid:
    """Return where each metric belongs. A second value of a channel at one time has a row of its own."""
    milliseconds = _times(metrics, sent)
    times, rows = _rows_by_time(milliseconds)
    if len(times) * channels > MOST_CELLS:
        found = f"{len(times):,} times of {channels:,} channels in one message"
        raise PayloadError("invalid value", found, f"at most {MOST_CELLS:,} values", "Send shorter messages")
    cells = columns * len(times) + rows
    if np.bincount(cells).max() > 1:
        times, rows = _rows_by_time_and_turn(milliseconds, cells)
        cells = columns * len(times) + rows
    return Grid(1_000 * times, cells, columns)


def metric_columns(payload: SparkplugPayload, birth: Birth) -> Integers:
    """Return the column of each metric; PayloadError "no birth certificate" for one that the birth does not have."""
    metrics = payload.metrics
    by_alias = metrics[:, FLAGS] & HAS_ALIAS != 0
    if by_alias.all() and len(metrics):
        return _by_alias(metrics[:, ALIAS_AT], birth)
    columns = np.empty(len(metrics), np.int64)
    if by_alias.any():
        columns[by_alias] = _by_alias(metrics[by_alias, ALIAS_AT], birth)
    for row in np.flatnonzero(~by_alias):
        if not metrics[row, FLAGS] & HAS_NAME:
            raise unlike_specification("a metric with neither alias nor name", "one of the two")
        name = payload.name(int(row))
        column = birth.name_columns.get(name)
        if column is None:
            raise not_born(f"metric {name[:60]!r}")
        columns[row] = column
    return columns


def not_born(what: str) -> PayloadError:
    """Return the error for data that no birth has announced."""
    return PayloadError(
        "no birth certificate",
        f"{what}, which no birth has announced",
        "an NBIRTH and DBIRTH first",
        "Ask the edge node for a rebirth; it answers with all its births",
    )


def _by_alias(aliases: Integers, birth: Birth) -> Integers:
    if not len(birth.aliases):
        raise not_born(f"alias {aliases[0]}")
    places = np.minimum(np.searchsorted(birth.aliases, aliases), len(birth.aliases) - 1)
    unknown = birth.aliases[places] != aliases
    if unknown.any():
        raise not_born(f"alias {aliases[unknown][0]}")
    return birth.alias_columns[places]


def _times(metrics: Table, sent: int | None) -> Integers:
    """Return the times of metrics in milliseconds: their own, or that of the payload."""
    times: Integers = metrics[:, TIME_AT]
    own = metrics[:, FLAGS] & HAS_TIME != 0
    if not own.all():
        if sent is None:
            raise unlike_specification("a metric without a timestamp", "one, in it or in the payload")
        times = np.where(own, times, sent // 1_000)
    for time in (int(times.min()), int(times.max())):
        if not 0 <= time < LATEST_MILLISECONDS:
            raise PayloadError("absurd time", f"timestamp {time}", "milliseconds since 1970", "Set the edge's clock")
    return times


def _rows_by_time(milliseconds: Integers) -> tuple[Integers, Integers]:
    steps = np.diff(milliseconds)
    if (steps >= 0).all():
        rows = np.concatenate(([0], np.cumsum(steps != 0)))
        return milliseconds[np.concatenate(([True], steps != 0))], rows
    times, rows = np.unique(milliseconds, return_inverse=True)
    return times, rows


def _rows_by_time_and_turn(milliseconds: Integers, cells: Integers) -> tuple[Integers, Integers]:
    """Return rows for when a channel has several values at a time: the first of each channel, the second, and so on."""
    order = np.argsort(cells, kind="stable")
    first = np.concatenate(([True], np.diff(cells[order]) != 0))
    starts = np.flatnonzero(first)[np.cumsum(first) - 1]
    turns = np.empty(len(cells), np.int64)
    turns[order] = np.arange(len(cells)) - starts
    keys, rows = np.unique(np.stack((milliseconds, turns), axis=1), axis=0, return_inverse=True)
    return keys[:, 0], rows.reshape(-1)
