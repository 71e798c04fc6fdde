"""One extraction: its windows cut into slabs that fit in memory, and slabs into blocks that fit a core's cache."""

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import pandas as pd
from numpy.lib.stride_tricks import sliding_window_view

from features.calculators.array_times import hours_since_first
from features.calculators.blocks import series_a_block
from features.calculators.plan import plan_for
from features.calculators.tsfresh_calculators import needs_times
from features.recipe.layout import Group, as_slice
from features.recipe.recipe import Recipe
from features.telemetry.counters import without_first
from features.telemetry.gaps import Gaps, SamplesAsDue, samples_as_due
from features.telemetry.known_telemetry import KnownTelemetry
from features.telemetry.sorted_times import IntArray, width
from features.telemetry.spans import Segments

FloatArray = npt.NDArray[np.float64]
T = TypeVar("T", bound=np.generic)

# Bound the memory of windows that cannot be slices, and the time between two reports of progress.
_SLAB_VALUES = 8_000_000
_SLAB_WINDOWS = 65_536


@dataclass(frozen=True)
class CutOffs:
    """Cut-offs as numbers, (n,)."""

    asset: IntArray  # the asset's number
    as_of: IntArray  # microseconds since 1970
    since: IntArray | None = None  # when its machine took another's place, as `Machines.replaced_since` has it
    known_by: IntArray | None = None  # when what counts was known by; the cut-offs themselves if None

    def part(self, begin: int, end: int) -> "CutOffs":
        """Return the cut-offs of a range."""
        later = (None if times is None else times[begin:end] for times in (self.since, self.known_by))
        return CutOffs(self.asset[begin:end], self.as_of[begin:end], *later)


@dataclass(frozen=True)
class Job:
    """What to compute, and from which telemetry."""

    recipe: Recipe
    cut_offs: CutOffs
    telemetry: KnownTelemetry | None  # None when no channel has features
    # computes the context columns at assets' numbers and cut-offs
    context: Callable[[IntArray, IntArray], Mapping[str, FloatArray]]

    @property
    def columns(self) -> Mapping[str, int]:
        """Where each column stands in the result."""
        return self.recipe.layout.columns

    @property
    def groups(self) -> Mapping[pd.Timedelta, Sequence[Group]]:
        """For each window its groups of channels."""
        return self.recipe.layout.groups


def _slabs(
    telemetry: KnownTelemetry, cut_offs: CutOffs, window: pd.Timedelta, gaps: Gaps | None, *, timed: bool
) -> Iterator[tuple[int, int, Sequence[Segments]]]:
    """Yield ranges of windows with each channel's samples, as many at a time as the memory limit allows."""
    if gaps is None:
        spans = telemetry.spans(cut_offs.asset, cut_offs.as_of, width(window), cut_offs.since, cut_offs.known_by)
        for begin, end in _parts(spans.open_instants * len(telemetry.raw) * (1 + timed)):
            yield begin, end, telemetry.segments(spans.part(begin, end), timed=timed)
    else:
        yield from slabs_as_due(telemetry, cut_offs, window, gaps, timed=timed)


def slabs_as_due(
    telemetry: KnownTelemetry, cut_offs: CutOffs, window: pd.Timedelta, gaps: Gaps, *, timed: bool = False
) -> Iterator[tuple[int, int, tuple[SamplesAsDue, ...]]]:
    """Yield ranges of windows with each channel's samples as the rule for gaps places them."""
    # The value that replaces a window's first sample may have come before the window.
    reach = width(window + gaps.fill_for)
    spans = telemetry.spans(cut_offs.asset, cut_offs.as_of, reach, cut_offs.since, cut_offs.known_by)
    due = gaps.due(window, telemetry.earliest(spans), cut_offs.as_of)
    placed = gaps.most_samples(due, spans.end - spans.begin) * len(telemetry.channels) * (1 + timed)
    for begin, end in _parts(spans.open_instants * len(telemetry.raw) + placed):
        part = spans.part(begin, end)
        readings = telemetry.readings(part)
        due = gaps.due(window, readings.first, part.as_of)
        segments = [samples_as_due(gaps, samples, part.as_of, due, timed=timed) for samples in readings.segments]
        yield (
            begin,
            end,
            tuple(
                samples if counter is None else without_first(samples, counter.increments(samples.flat))
                for samples, counter in zip(segments, telemetry.counters, strict=True)
            ),
        )


def _parts(cost: IntArray) -> Iterator[tuple[int, int]]:
    """Cut windows into runs within the memory limit; `cost` is each window's number of values."""
    total = np.cumsum(cost)
    begin, spent = 0, 0
    while begin < len(total):
        fits = int(np.searchsorted(total, spent + _SLAB_VALUES, side="right"))
        end = min(max(fits, begin + 1), begin + _SLAB_WINDOWS, len(total))
        yield begin, end
        begin, spent = end, int(total[end - 1])


def work(job: Job, begin: int, matrix: FloatArray) -> Iterator[tuple[int, list[Callable[[], None]]]]:
    """Yield the blocks that fill a matrix (n_columns, n) from the cut-off `begin` on, slab by slab.

    Each list of blocks comes with how many windows are done once it has run. Context columns are filled at once.
    """
    n = matrix.shape[1]
    cut_offs = job.cut_offs.part(begin, begin + n)
    matrix.fill(np.nan)
    for name, values in job.context(cut_offs.asset, cut_offs.as_of).items():
        matrix[job.columns[name]] = values
    if job.telemetry is None:
        return
    for number, (window, groups) in enumerate(job.groups.items()):
        timed = any(needs_times(group.features) for group in groups)
        for first, last, segments in _slabs(job.telemetry, cut_offs, window, job.recipe.gaps, timed=timed):
            blocks = [block for group in groups for block in _blocks(matrix[:, first:last], segments, group)]
            yield number * n + last, blocks


def _blocks(matrix: FloatArray, segments: Sequence[Segments], group: Group) -> Iterator[Callable[[], None]]:
    """Cut the windows of all the group's channels into blocks of one length."""
    length = np.concatenate([segments[channel].length for channel in group.channels])
    order = np.argsort(length, kind="stable")
    bounds = np.flatnonzero(np.diff(length[order])) + 1
    for windows in np.split(order, bounds):
        samples = int(length[windows[0]]) if len(windows) else 0
        step = series_a_block(max(samples, 1))
        for first in range(0, len(windows) if samples else 0, step):
            yield partial(_compute, matrix, segments, group, windows[first : first + step], samples)


def _compute(matrix: FloatArray, segments: Sequence[Segments], group: Group, part: IntArray, samples: int) -> None:
    """Compute a block into the matrix; `part` are window numbers, ascending, counted through the group's channels."""
    n = matrix.shape[1]
    chosen = [segments[channel] for channel in group.channels]
    start = [channel.start for channel in chosen]
    series = _gather([channel.flat for channel in chosen], start, part, n, samples)
    hours = None
    if needs_times(group.features):
        times = [channel.times.view("datetime64[us]") for channel in chosen if channel.times is not None]
        hours = hours_since_first(_gather(times, start, part, n, samples))
    values = plan_for(group.features, samples).run(series, hours)
    bounds = np.searchsorted(part, np.arange(len(group.channels) + 1) * n)
    for number, (first, last) in enumerate(itertools.pairwise(bounds)):
        if first < last:
            _write(matrix, group.places[number], as_slice(part[first:last] - number * n), values[:, first:last])


def _write(matrix: FloatArray, rows: slice | IntArray, windows: slice | IntArray, values: FloatArray) -> None:
    if isinstance(rows, slice) or isinstance(windows, slice):
        matrix[rows, windows] = values
    else:
        matrix[np.ix_(rows, windows)] = values


def _gather(
    flat: Sequence[npt.NDArray[T]], start: Sequence[IntArray], part: IntArray, n: int, samples: int
) -> npt.NDArray[T]:
    """Copy windows of one length into a block, (len(part), samples); `part` is as in `_compute`."""
    bounds = np.searchsorted(part, np.arange(len(flat) + 1) * n)
    blocks = [
        _windows(flat[number], start[number][part[first:last] - number * n], samples)
        for number, (first, last) in enumerate(itertools.pairwise(bounds))
        if last > first
    ]
    return np.ascontiguousarray(blocks[0] if len(blocks) == 1 else np.concatenate(blocks))


def _windows(flat: npt.NDArray[T], start: IntArray, samples: int) -> npt.NDArray[T]:
    if len(start) == 1:
        # A view: one window needs no gathering.
        return flat[None, start[0] : start[0] + samples]
    return sliding_window_view(flat, samples)[start]
