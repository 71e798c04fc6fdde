"""Telemetry as it was known at a cut-off, as slices of one sorted array wherever possible.

All rows of one asset and instant reconcile to one row: of each source the row known latest, then per channel the first
value that is not null in the order of sources. Once the last of these rows is known the instant is *settled*: every
later cut-off sees the same row. So every instant is reconciled once, and a window in which all instants are settled at
its cut-off is a slice. Only windows with an instant still open (a late row, a correction to come) are reconciled one by
one, by the same code.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pandas as pd

from features.names import raw_channel
from features.telemetry.counters import Counter, without_first
from features.telemetry.reconciliation import Rows, reconcile_rows, sorted_rows
from features.telemetry.regimes import Regimes
from features.telemetry.sorted_times import IntArray, expand, locate, range_maximum
from features.telemetry.spans import Readings, Segments, Spans

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class KnownTelemetry:
    """The telemetry known in any window at any cut-off."""

    channels: tuple[str, ...]  # raw or normalised by regime
    regimes: Regimes | None
    raw: tuple[str, ...]  # the columns of `rows`
    rows: Rows  # every row, unreconciled
    instant: IntArray  # (n,), event times
    settled: IntArray  # (n,), when the last row of each instant was known
    first_known: IntArray  # (n,), earliest known time of any row of this instant or of a later one of its asset
    first_row: IntArray  # (n + 1,), where each instant's rows begin
    offset: IntArray  # (n_assets + 1,), where each asset's instants begin
    # each channel's reconciled values without nulls, and how many of them precede each instant, (n + 1,)
    series: tuple[tuple[FloatArray, IntArray], ...]
    counters: tuple[Counter | None, ...]  # of each channel, None where it does not count

    @classmethod
    def from_frame(
        cls,
        telemetry: pd.DataFrame,
        assets: "pd.Index[str]",
        channels: Sequence[str],
        *,
        measured: Sequence[str],
        regimes: Regimes | None,
        counters: Sequence[Counter] = (),
    ) -> "KnownTelemetry":
        """Sort and reconcile the rows of some assets, which may come in any order.

        `channels` may be normalised by regime; all the `measured` ones break ties between rows that are otherwise
        equal.
        """
        rows = sorted_rows(telemetry, assets, needed_channels(channels, regimes), measured)
        return cls.from_rows(rows, len(assets), channels, regimes=regimes, counters=counters)

    @classmethod
    def from_rows(
        cls,
        rows: Rows,
        n_assets: int,
        channels: Sequence[str],
        *,
        regimes: Regimes | None,
        counters: Sequence[Counter] = (),
    ) -> "KnownTelemetry":
        """Reconcile sorted rows of the channels that `needed_channels` names."""
        raw = needed_channels(channels, regimes)
        first_row, instants = reconcile_rows(rows, rows.asset)
        offset = np.searchsorted(instants.asset, np.arange(n_assets + 1))
        any_rows = len(first_row) > 0
        counting = {counter.channel: counter for counter in counters}
        return cls(
            channels=tuple(channels),
            regimes=regimes,
            raw=raw,
            rows=rows,
            instant=instants.event,
            settled=np.maximum.reduceat(rows.known, first_row) if any_rows else first_row,
            first_known=_later_minimum(np.minimum.reduceat(rows.known, first_row) if any_rows else first_row, offset),
            first_row=np.append(first_row, len(rows.event)),
            offset=offset,
            series=tuple(
                _without_nulls(values) for values in _channel_values(instants.readings, raw, channels, regimes)
            ),
            counters=tuple(counting.get(channel) for channel in channels),
        )

    def spans(
        self,
        asset: IntArray,
        as_of: IntArray,
        width: int,
        since: IntArray | None = None,
        known_by: IntArray | None = None,
    ) -> Spans:
        """Find the instants in (as_of - width, as_of] for cut-offs `asset`, `as_of` (n,); times in microseconds.

        None of them is earlier than `since` (n,): before that another machine stood there. What counts is what was
        known at the cut-off, or by `known_by` (n,).
        """
        known_by = as_of if known_by is None else known_by
        begin = locate(self.instant, self.offset, asset, as_of - width, "right")
        if since is not None:
            begin = np.maximum(begin, locate(self.instant, self.offset, asset, since, "left"))
        end = locate(self.instant, self.offset, asset, as_of, "right")
        # Instants at the window's end without a known row yet are cut off, so that windows stay plain slices where all
        # rows arrive some minutes late.
        known_end = locate(self.first_known, self.offset, asset, known_by, "right")
        end = np.maximum(np.minimum(end, known_end), begin)
        return Spans(begin, end, as_of, known_by, range_maximum(self.settled, begin, end) > known_by)

    @cached_property
    def times(self) -> tuple[IntArray, ...]:
        """The event times of each channel's values without nulls."""
        return tuple(
            self.instant if before[-1] == len(self.instant) else self.instant[np.diff(before) > 0]
            for _, before in self.series
        )

    @cached_property
    def increments(self) -> tuple[FloatArray | None, ...]:
        """The increments of each channel that counts, one for each of its values; None for the others."""
        return tuple(
            None if counter is None else counter.increments(values)
            for counter, (values, _) in zip(self.counters, self.series, strict=True)
        )

    def segments(self, spans: Spans, *, timed: bool = False) -> tuple[Segments, ...]:
        """Return each channel's samples in the windows as known at their cut-offs, with their times if `timed`.

        The samples of a channel that counts are its increments.
        """
        reconciled = self._reconcile_open(spans)
        return tuple(
            segments if counted is None else without_first(segments, self._all_increments(number, counted, reconciled))
            for number, (segments, counted) in enumerate(
                zip(self._segments(spans, reconciled, timed), self.increments, strict=True)
            )
        )

    def readings(self, spans: Spans) -> Readings:
        """Return each channel's readings and times in the windows as known at their cut-offs."""
        reconciled, first = self._reconcile_open(spans), self.earliest(spans)
        if reconciled is not None:
            first[reconciled.windows] = reconciled.first(spans.as_of[reconciled.windows] + 1)
        return Readings(self._segments(spans, reconciled, timed=True), first)

    def earliest(self, spans: Spans) -> IntArray:
        """Return the first instant of each window, known by its cut-off or not; as_of + 1 for an empty window."""
        first = spans.as_of + 1
        occupied = spans.end > spans.begin
        first[occupied] = self.instant[spans.begin[occupied]]
        return first

    def _segments(self, spans: Spans, reconciled: "_Reconciled | None", timed: bool) -> tuple[Segments, ...]:
        result = []
        for number, (flat, before) in enumerate(self.series):
            start, length = before[spans.begin], before[spans.end] - before[spans.begin]
            samples, times = flat, self.times[number] if timed else None
            if reconciled is not None:
                counts = reconciled.counts(number)
                start[reconciled.windows] = len(flat) + np.cumsum(counts) - counts
                length[reconciled.windows] = counts
                present = reconciled.present[number]
                samples = np.concatenate([flat, reconciled.columns[number][present]])
                times = None if times is None else np.concatenate([times, reconciled.event[present]])
            result.append(Segments(samples, start, length, times=times))
        return tuple(result)

    def _all_increments(self, number: int, counted: FloatArray, reconciled: "_Reconciled | None") -> FloatArray:
        """Return a channel's increments in the order of its samples, those of open windows last."""
        counter = self.counters[number]
        if reconciled is None or counter is None:
            return counted
        values = reconciled.columns[number][reconciled.present[number]]
        return np.concatenate([counted, counter.increments(values)])

    def _reconcile_open(self, spans: Spans) -> "_Reconciled | None":
        """Reconcile each open window from the rows known by its cut-off; None when no window is open."""
        windows = np.flatnonzero(spans.is_open)
        if not len(windows):
            return None
        window, row = expand(self.first_row[spans.begin[windows]], self.first_row[spans.end[windows]])
        known = self.rows.known[row] <= spans.known_by[windows][window]
        window, row = window[known], row[known]
        first, instants = reconcile_rows(self.rows.take(row), window)
        columns = _channel_values(instants.readings, self.raw, self.channels, self.regimes)
        present = [~np.isnan(values) for values in columns]
        return _Reconciled(windows, window[first], instants.event, columns, present)


@dataclass(frozen=True)
class _Reconciled:
    """The instants of open windows, reconciled window by window."""

    windows: IntArray  # (n_open,), the open windows' numbers among all
    owner: IntArray  # (n,), each instant's window among the open ones, ascending
    event: IntArray  # (n,), each instant's event time
    columns: list[FloatArray]  # each channel's values, (n,)
    present: list[npt.NDArray[np.bool_]]  # where they are not null

    def counts(self, channel: int) -> IntArray:
        """Count a channel's values in each open window."""
        return np.bincount(self.owner[self.present[channel]], minlength=len(self.windows))

    def first(self, default: IntArray) -> IntArray:
        """Return each window's first instant, `default` where there is none."""
        begin = np.searchsorted(self.owner, np.arange(len(self.windows) + 1))
        occupied = begin[1:] > begin[:-1]
        result = default.copy()
        result[occupied] = self.event[begin[:-1][occupied]]
        return result


def needed_channels(channels: Sequence[str], regimes: Regimes | None) -> tuple[str, ...]:
    """Name the measured channels behind `channels`, with the operating channels if one is normalised."""
    measured = [raw_channel(channel) for channel in channels]
    if regimes is not None and measured != list(channels):
        measured += regimes.operating
    return tuple(dict.fromkeys(measured))


def _later_minimum(values: IntArray, offset: IntArray) -> IntArray:
    """Return the smallest value from each place to the end of its asset."""
    result = np.empty_like(values)
    for first, last in itertools.pairwise(offset):
        result[first:last] = np.minimum.accumulate(values[first:last][::-1])[::-1]
    return result


def _channel_values(
    values: FloatArray, raw: Sequence[str], channels: Sequence[str], regimes: Regimes | None
) -> list[FloatArray]:
    columns = {name: np.ascontiguousarray(values[:, number]) for number, name in enumerate(raw)}
    normalised = [raw_channel(channel) for channel in channels if raw_channel(channel) != channel]
    if regimes is not None and normalised:
        columns.update(regimes.normalise(columns, normalised))
    return [columns[channel] for channel in channels]


def _without_nulls(values: FloatArray) -> tuple[FloatArray, IntArray]:
    present = ~np.isnan(values)
    if present.all():
        return values, np.arange(len(values) + 1)
    return values[present], np.concatenate([[0], np.cumsum(present)])
