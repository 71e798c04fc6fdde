"""Telemetry as it was known at a cut-off, as slices of one sorted array wherever that is the same.

All rows of one asset and instant reconcile to one row: of each source the row known latest, then per channel the first
value that is not null in the order of sources. Once the last of these rows is known the instant is *settled*: whoever
looks later sees the same. So every instant is reconciled once, and a window in which all instants are settled at its
cut-off is a slice. Only windows that hold an instant still open (a late row, a correction to come) are reconciled one
by one, by the same code.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pandas as pd

from features.names import raw_channel
from features.telemetry.reconciliation import Rows, reconcile_rows, sorted_rows
from features.telemetry.regimes import Regimes
from features.telemetry.sorted_times import IntArray, expand, locate, range_maximum
from features.telemetry.spans import Readings, Segments, Spans

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class KnownTelemetry:
    """Answer what telemetry was known in a window at a cut-off.

    Parameters
    ----------
    channels
        The channels wanted, raw or normalised by regime.
    regimes
        How to normalise, when a channel asks for it.
    raw
        The columns of `rows`.
    rows
        Every row, unreconciled.
    instant, settled : (n,)
        Each instant's event time, and when its last row was known.
    heard_of : (n,)
        The earliest known time of any row of this instant or of a later one of its asset.
    first_row : (n + 1,)
        Where each instant's rows begin.
    offset : (n_assets + 1,)
        Where each asset's instants begin.
    series
        Each channel's reconciled values without nulls, and how many of them precede each instant, (n + 1,).
    """

    channels: tuple[str, ...]
    regimes: Regimes | None
    raw: tuple[str, ...]
    rows: Rows
    instant: IntArray
    settled: IntArray
    heard_of: IntArray
    first_row: IntArray
    offset: IntArray
    series: tuple[tuple[FloatArray, IntArray], ...]

    @classmethod
    def from_frame(
        cls,
        telemetry: pd.DataFrame,
        assets: "pd.Index[str]",
        channels: Sequence[str],
        *,
        measured: Sequence[str],
        regimes: Regimes | None,
    ) -> "KnownTelemetry":
        """Sort and reconcile telemetry.

        Parameters
        ----------
        telemetry
            Rows as they arrived, in any order: asset, event_time, known_time, source and the channels.
        assets
            The assets of interest; the others' rows are passed over.
        channels
            The channels wanted, raw or normalised by regime.
        measured
            All channels there are: they decide between rows that nothing else tells apart.
        regimes
            Needed for channels that are normalised.

        Returns
        -------
        KnownTelemetry
        """
        rows = sorted_rows(telemetry, assets, needed_channels(channels, regimes), measured)
        return cls.from_rows(rows, len(assets), channels, regimes=regimes)

    @classmethod
    def from_rows(
        cls, rows: Rows, n_assets: int, channels: Sequence[str], *, regimes: Regimes | None
    ) -> "KnownTelemetry":
        """Reconcile telemetry that is sorted already.

        Parameters
        ----------
        rows
            Of the measured channels behind `channels`, as `needed_channels` names them.
        n_assets
            How many assets there are.
        channels, regimes
            As for `from_frame`.

        Returns
        -------
        KnownTelemetry
        """
        raw = needed_channels(channels, regimes)
        first_row, instants = reconcile_rows(rows, rows.asset)
        offset = np.searchsorted(instants.asset, np.arange(n_assets + 1))
        some = len(first_row) > 0
        return cls(
            channels=tuple(channels),
            regimes=regimes,
            raw=raw,
            rows=rows,
            instant=instants.event,
            settled=np.maximum.reduceat(rows.known, first_row) if some else first_row,
            heard_of=_later_minimum(np.minimum.reduceat(rows.known, first_row) if some else first_row, offset),
            first_row=np.append(first_row, len(rows.event)),
            offset=offset,
            series=tuple(
                _without_nulls(values) for values in _channel_values(instants.readings, raw, channels, regimes)
            ),
        )

    def spans(self, asset: IntArray, as_of: IntArray, width: int) -> Spans:
        """Find the instants with event time in (as_of - width, as_of].

        Parameters
        ----------
        asset, as_of : (n,)
            Numbers of the assets, and cut-offs in microseconds since 1970.
        width
            The windows' width in microseconds.

        Returns
        -------
        Spans
            In the order of the cut-offs.
        """
        begin = locate(self.instant, self.offset, asset, as_of - width, "right")
        end = locate(self.instant, self.offset, asset, as_of, "right")
        # Instants at the window's end of which nothing was known yet are cut off: where all rows come some minutes
        # late, windows stay plain slices.
        heard = locate(self.heard_of, self.offset, asset, as_of, "right")
        end = np.maximum(np.minimum(end, heard), begin)
        return Spans(begin, end, as_of, range_maximum(self.settled, begin, end) > as_of)

    @cached_property
    def times(self) -> tuple[IntArray, ...]:
        """The event times of each channel's values without nulls."""
        return tuple(
            self.instant if before[-1] == len(self.instant) else self.instant[np.diff(before) > 0]
            for _, before in self.series
        )

    def segments(self, spans: Spans, *, timed: bool = False) -> tuple[Segments, ...]:
        """Give the samples of windows as they were known at their cut-offs.

        Parameters
        ----------
        spans
            The windows.
        timed
            Whether the times of the samples are wanted too.

        Returns
        -------
        tuple of Segments
            One for each channel, with the windows in the order of the spans.
        """
        return self._segments(spans, self._reconciled(spans), timed)

    def readings(self, spans: Spans) -> Readings:
        """Give the samples of windows with their times, as they were known at their cut-offs.

        Parameters
        ----------
        spans
            The windows.

        Returns
        -------
        Readings
            With the windows in the order of the spans.
        """
        anew, first = self._reconciled(spans), self.earliest(spans)
        if anew is not None:
            first[anew.chosen] = anew.first(spans.as_of[anew.chosen] + 1)
        return Readings(self._segments(spans, anew, timed=True), first)

    def earliest(self, spans: Spans) -> IntArray:
        """Give the first instant of each window, known by its cut-off or not.

        Parameters
        ----------
        spans
            The windows.

        Returns
        -------
        (n,) array
            Microseconds since 1970; one after the cut-off for an empty window.
        """
        first = spans.as_of + 1
        some = spans.end > spans.begin
        first[some] = self.instant[spans.begin[some]]
        return first

    def _segments(self, spans: Spans, anew: "_Reconciled | None", timed: bool) -> tuple[Segments, ...]:
        result = []
        for number, (flat, before) in enumerate(self.series):
            start, length = before[spans.begin], before[spans.end] - before[spans.begin]
            samples, times = flat, self.times[number] if timed else None
            if anew is not None:
                counts = anew.counts(number)
                start[anew.chosen] = len(flat) + np.cumsum(counts) - counts
                length[anew.chosen] = counts
                present = anew.present[number]
                samples = np.concatenate([flat, anew.columns[number][present]])
                times = None if times is None else np.concatenate([times, anew.event[present]])
            result.append(Segments(samples, start, length, times=times))
        return tuple(result)

    def _reconciled(self, spans: Spans) -> "_Reconciled | None":
        """Reconcile each open window from the rows known by its cut-off; None when no window is open."""
        chosen = np.flatnonzero(spans.is_open)
        if not len(chosen):
            return None
        window, row = expand(self.first_row[spans.begin[chosen]], self.first_row[spans.end[chosen]])
        known = self.rows.known[row] <= spans.as_of[chosen][window]
        window, row = window[known], row[known]
        first, instants = reconcile_rows(self.rows.take(row), window)
        columns = _channel_values(instants.readings, self.raw, self.channels, self.regimes)
        present = [~np.isnan(values) for values in columns]
        return _Reconciled(chosen, window[first], instants.event, columns, present)


@dataclass(frozen=True)
class _Reconciled:
    """Hold the instants of open windows, each window's reconciled for itself.

    Parameters
    ----------
    chosen : (n_open,)
        The open windows among all.
    owner, event : (n,)
        Each instant's window among the open ones, ascending, and its event time.
    columns, present
        Each channel's values, and where they are not null, (n,).
    """

    chosen: IntArray
    owner: IntArray
    event: IntArray
    columns: list[FloatArray]
    present: list[npt.NDArray[np.bool_]]

    def counts(self, channel: int) -> IntArray:
        """Count the values of a channel in each open window."""
        return np.bincount(self.owner[self.present[channel]], minlength=len(self.chosen))

    def first(self, nothing: IntArray) -> IntArray:
        """Give each window's first instant, and another time where there is none."""
        begin = np.searchsorted(self.owner, np.arange(len(self.chosen) + 1))
        some = begin[1:] > begin[:-1]
        result = nothing.copy()
        result[some] = self.event[begin[:-1][some]]
        return result


def needed_channels(channels: Sequence[str], regimes: Regimes | None) -> tuple[str, ...]:
    """Name the measured channels behind others.

    Parameters
    ----------
    channels
        Channels, raw or normalised by regime.
    regimes
        The regimes, when there are any.

    Returns
    -------
    tuple of str
        With the operating channels when one is normalised.
    """
    measured = [raw_channel(channel) for channel in channels]
    if regimes is not None and measured != list(channels):
        measured += regimes.operating
    return tuple(dict.fromkeys(measured))


def _later_minimum(values: IntArray, offset: IntArray) -> IntArray:
    """Give the smallest value from each place to the end of its asset."""
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
