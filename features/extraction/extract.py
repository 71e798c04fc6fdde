"""The one way from stored telemetry to features: for training, for scoring a fleet, and for the endpoint."""

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import numpy.typing as npt
import pandas as pd
from numpy.lib.stride_tricks import sliding_window_view

from data_contracts.errors import UsageError
from data_contracts.progress import ProgressCallback, silent
from features.calculators.array_times import hours_since_first
from features.calculators.blocks import cores, finish, series_a_block, workers
from features.calculators.plan import plan_for
from features.calculators.tsfresh_calculators import needs_times
from features.extraction.arrow_batches import record_batches
from features.recipe.layout import Group, as_slice
from features.recipe.recipe import Recipe, named_channels
from features.telemetry.gaps import Gaps, SamplesAsDue, samples_as_due
from features.telemetry.known_telemetry import KnownTelemetry
from features.telemetry.point_in_time import PointInTimeQuery
from features.telemetry.reconciliation import Rows
from features.telemetry.sorted_times import IntArray, microseconds, width
from features.telemetry.spans import Segments

if TYPE_CHECKING:
    import pyarrow as pa

    from data_contracts.tables.history import History

FloatArray = npt.NDArray[np.float64]
T = TypeVar("T", bound=np.generic)

# Bounds the memory of windows that cannot be slices, and how often progress is told.
_SLAB_VALUES = 8_000_000
_SLAB_WINDOWS = 65_536


def extract(
    history: "History",
    cut_offs: pd.DataFrame,
    recipe: Recipe,
    *,
    threads: int | None = None,
    progress: ProgressCallback = silent,
) -> pd.DataFrame:
    """Compute the recipe's columns at cut-offs, each from what was known then and nothing else.

    A window holds the telemetry with event time in (as_of - window, as_of], reconciled from the rows known by as_of.
    Nulls are left out channel by channel, so that channels may differ in length; a channel without a sample has NaN
    features, its length included. With a rule for gaps the samples are those due, and a channel of which too much is
    missing in a window has NaN features there as well: `coverage` says so. Work orders and failures count when they
    happened before as_of and were known by it, events also when they happened at as_of.

    The order of rows in the history does not matter, nor what else it holds: one cut-off alone gives the same bits as
    the same cut-off among thousands.

    Parameters
    ----------
    history
        What is known of the assets, and maybe what became known later.
    cut_offs
        Columns asset and as_of (UTC), in any order.
    recipe
        What to compute.
    threads
        How many cores to use; all if None. The result is the same.
    progress
        Told how many windows are done.

    Returns
    -------
    pandas.DataFrame
        One row for each cut-off in its order, indexed by (asset, as_of); the recipe's `output` columns, float64.

    Raises
    ------
    UsageError
        When the history lacks a channel of the recipe, or the cut-offs a column.
    """
    found = _extract(_job(history, cut_offs, recipe), len(cut_offs), threads, progress)
    found.index = _index(cut_offs)
    return found


def extract_rows(rows: Rows, asked: PointInTimeQuery, recipe: Recipe, *, threads: int | None = None) -> pd.DataFrame:
    """Compute the recipe's columns as `extract` does, from telemetry that is sorted already: for one asset at a time.

    Parameters
    ----------
    rows
        Telemetry of the recipe's measured channels, in their order; the assets are numbered as in `asked`.
    asked
        The assets and their cut-offs. What else is known of them is read only if the recipe tells of it, and its
        telemetry is left aside.
    recipe
        What to compute.
    threads
        How many cores to use; all if None.

    Returns
    -------
    pandas.DataFrame
        As of `extract`, bit for bit, with the rows numbered: an index of assets and times takes as long as some models.
    """
    n = len(asked.assets)
    telemetry = None
    if recipe.layout.needs_telemetry:
        telemetry = KnownTelemetry.from_rows(rows, n, recipe.channels, regimes=recipe.regimes)

    def tell(asset: IntArray, as_of: IntArray) -> Mapping[str, FloatArray]:
        if recipe.layout.columns.keys().isdisjoint(recipe.context.columns):
            return {}
        assets = pd.Index(asked.assets, dtype="str")
        return recipe.context.calculate(asked.history, assets, asset, as_of, recipe.layout.columns)

    return _extract(_Job(recipe, _CutOffs(np.arange(n), asked.as_of), telemetry, tell), n, threads, silent)


def _extract(job: "_Job", n: int, threads: int | None, progress: ProgressCallback) -> pd.DataFrame:
    matrix = np.empty((len(job.columns), n))
    total = len(job.plans) * n
    with workers(cores(threads, matrix.size)) as pool:
        for done, blocks in _work(job, 0, matrix):
            finish([pool.submit(block) for block in blocks])
            progress("features", done, total)
    return pd.DataFrame(matrix.T, columns=job.recipe.index, copy=False)


def stream(
    history: "History",
    cut_offs: pd.DataFrame,
    recipe: Recipe,
    *,
    threads: int | None = None,
    progress: ProgressCallback = silent,
) -> "pa.RecordBatchReader":
    """Compute the recipe's columns at cut-offs, a batch at a time: the memory does not grow with the cut-offs.

    Parameters
    ----------
    history, cut_offs, recipe, threads
        As for `extract`, whose values these are.
    progress
        Told how many cut-offs are done.

    Returns
    -------
    pyarrow.RecordBatchReader
        Columns asset and as_of, then the recipe's `output`; the rows in the order of the cut-offs. A batch is computed
        while the one before is read. ``features.write_features`` writes them, and so does whatever else reads Arrow.

    Raises
    ------
    UsageError
        As `extract` does.
    """
    # pyarrow takes a third of a second to import, and one asset at a time needs none of it.
    import pyarrow as pa

    job = _job(history, cut_offs, recipe)
    instant = pa.timestamp("us", tz="UTC")
    # Made from the names: a column of pandas may be held in chunks, and a batch has none.
    keys = [pa.array(cut_offs["asset"].to_numpy(dtype=object), pa.string()), pa.array(job.asked.as_of, instant)]
    computed = [pa.field(name, pa.float64()) for name in job.columns]
    schema = pa.schema([pa.field("asset", pa.string()), pa.field("as_of", instant), *computed])

    def start(begin: int, matrix: FloatArray, pool: Executor) -> list[Future[None]]:
        progress("features", begin, len(cut_offs))
        return [pool.submit(block) for _, blocks in _work(job, begin, matrix) for block in blocks]

    def head(begin: int, end: int) -> list["pa.Array"]:
        return [column.slice(begin, end - begin) for column in keys]

    return pa.RecordBatchReader.from_batches(schema, record_batches(schema, len(cut_offs), start, head, threads))


def coverage(history: "History", cut_offs: pd.DataFrame, recipe: Recipe) -> pd.DataFrame:
    """State how much telemetry was missing at cut-offs, and which of the recipe's features are withheld for it.

    Parameters
    ----------
    history, cut_offs
        As for `extract`.
    recipe
        What would be computed; its `gaps` say when samples are due.

    Returns
    -------
    pandas.DataFrame
        One row for each cut-off in its order, indexed by (asset, as_of). For each channel and window that the recipe
        has features of, named as in their columns, the share of samples that was missing before filling (1 where the
        asset had no reading at all); and ``reason``, a sentence where one of these shares is above what is allowed and
        `extract` gives NaN, null elsewhere.

    Raises
    ------
    UsageError
        As `extract` does, and for a recipe without a rule for gaps.
    """
    if recipe.gaps is None:
        raise UsageError("A recipe without a rule for gaps", "one that says when samples are due", "Give it gaps")
    job = _job(history, cut_offs, recipe)
    missing: dict[str, FloatArray] = {}
    for window, plan in job.plans.items():
        used = {channel: recipe.kind(recipe.channels[channel], window) for group in plan for channel in group.channels}
        missing |= {used[channel]: np.ones(len(cut_offs)) for channel in sorted(used)}
        if job.telemetry is None or not used:
            continue
        for begin, end, samples in _slabs_as_due(job.telemetry, job.asked, window, recipe.gaps):
            for channel, kind in used.items():
                missing[kind][begin:end] = samples[channel].missing
    frame = pd.DataFrame(missing, index=_index(cut_offs))
    return frame.assign(reason=recipe.gaps.reasons(frame))


@dataclass(frozen=True)
class _CutOffs:
    """Hold cut-offs as numbers.

    Parameters
    ----------
    asset, as_of : (n,)
        The asset's number, and microseconds since 1970.
    """

    asset: IntArray
    as_of: IntArray

    def part(self, begin: int, end: int) -> "_CutOffs":
        """Give the cut-offs of a range."""
        return _CutOffs(self.asset[begin:end], self.as_of[begin:end])


@dataclass(frozen=True)
class _Job:
    """Hold what is to be computed, of what.

    Parameters
    ----------
    recipe
        As given.
    asked
        The cut-offs.
    telemetry
        What was known of the channels; None when no channel has features.
    tell
        Computes the columns of the assets' circumstances at cut-offs.
    """

    recipe: Recipe
    asked: _CutOffs
    telemetry: KnownTelemetry | None
    tell: Callable[[IntArray, IntArray], Mapping[str, FloatArray]]

    @property
    def columns(self) -> Mapping[str, int]:
        """Where each column stands in the result."""
        return self.recipe.layout.columns

    @property
    def plans(self) -> Mapping[pd.Timedelta, Sequence[Group]]:
        """For each window its groups of channels."""
        return self.recipe.layout.groups


def _job(history: "History", cut_offs: pd.DataFrame, recipe: Recipe) -> _Job:
    _check(history, cut_offs, recipe)
    assets = pd.Index(cut_offs["asset"].unique())
    asked = _CutOffs(assets.get_indexer(pd.Index(cut_offs["asset"])).astype(np.int64), microseconds(cut_offs["as_of"]))
    telemetry = None
    if recipe.layout.needs_telemetry:
        telemetry = KnownTelemetry.from_frame(
            history.telemetry, assets, recipe.channels, measured=history.channels, regimes=recipe.regimes
        )

    def tell(asset: IntArray, as_of: IntArray) -> Mapping[str, FloatArray]:
        return recipe.context.calculate(history, assets, asset, as_of, recipe.layout.columns)

    return _Job(recipe, asked, telemetry, tell)


def _slabs(
    telemetry: KnownTelemetry, asked: _CutOffs, window: pd.Timedelta, gaps: Gaps | None, *, timed: bool
) -> Iterator[tuple[int, int, Sequence[Segments]]]:
    """Give the samples of the windows, as many at a time as fit the memory we allow; with their times if `timed`."""
    if gaps is None:
        spans = telemetry.spans(asked.asset, asked.as_of, width(window))
        for begin, end in _parts(spans.open_instants * len(telemetry.raw) * (1 + timed)):
            yield begin, end, telemetry.segments(spans.part(begin, end), timed=timed)
    else:
        yield from _slabs_as_due(telemetry, asked, window, gaps, timed=timed)


def _slabs_as_due(
    telemetry: KnownTelemetry, asked: _CutOffs, window: pd.Timedelta, gaps: Gaps, *, timed: bool = False
) -> Iterator[tuple[int, int, tuple[SamplesAsDue, ...]]]:
    # What stands in for a window's first sample may have come before it.
    spans = telemetry.spans(asked.asset, asked.as_of, width(window + gaps.fill_for))
    room = gaps.room(gaps.due(window, telemetry.earliest(spans), asked.as_of), spans.end - spans.begin)
    placed = room * len(telemetry.channels) * (1 + timed)
    for begin, end in _parts(spans.open_instants * len(telemetry.raw) + placed):
        part = spans.part(begin, end)
        readings = telemetry.readings(part)
        due = gaps.due(window, readings.first, part.as_of)
        yield (
            begin,
            end,
            tuple(samples_as_due(gaps, samples, part.as_of, due, timed=timed) for samples in readings.segments),
        )


def _parts(cost: IntArray) -> Iterator[tuple[int, int]]:
    """Cut windows into runs that cost no more values than we allow."""
    total = np.cumsum(cost)
    begin, spent = 0, 0
    while begin < len(total):
        fits = int(np.searchsorted(total, spent + _SLAB_VALUES, side="right"))
        end = min(max(fits, begin + 1), begin + _SLAB_WINDOWS, len(total))
        yield begin, end
        begin, spent = end, int(total[end - 1])


def _work(job: _Job, begin: int, matrix: FloatArray) -> Iterator[tuple[int, list[Callable[[], None]]]]:
    """Give the blocks that fill a matrix (n_columns, n) from the cut-off `begin` on, slab by slab.

    Beside them stands how many windows are done when they have run. What needs no telemetry is filled first.
    """
    n = matrix.shape[1]
    asked = job.asked.part(begin, begin + n)
    matrix.fill(np.nan)
    for name, values in job.tell(asked.asset, asked.as_of).items():
        matrix[job.columns[name]] = values
    if job.telemetry is None:
        return
    for number, (window, groups) in enumerate(job.plans.items()):
        timed = any(needs_times(group.features) for group in groups)
        for first, last, segments in _slabs(job.telemetry, asked, window, job.recipe.gaps, timed=timed):
            blocks = [block for group in groups for block in _blocks(matrix[:, first:last], segments, group)]
            yield number * n + last, blocks


def _blocks(matrix: FloatArray, segments: Sequence[Segments], group: Group) -> Iterator[Callable[[], None]]:
    """Cut windows, of all channels of the group, into blocks of one length."""
    length = np.concatenate([segments[channel].length for channel in group.channels])
    order = np.argsort(length, kind="stable")
    bounds = np.flatnonzero(np.diff(length[order])) + 1
    for alike in np.split(order, bounds):
        samples = int(length[alike[0]]) if len(alike) else 0
        step = series_a_block(max(samples, 1))
        for first in range(0, len(alike) if samples else 0, step):
            yield partial(_compute, matrix, segments, group, alike[first : first + step], samples)


def _compute(matrix: FloatArray, segments: Sequence[Segments], group: Group, part: IntArray, samples: int) -> None:
    """Compute a block and write it where it belongs; `part` counts windows through the channels, upwards."""
    n = matrix.shape[1]
    chosen = [segments[channel] for channel in group.channels]
    start = [channel.start for channel in chosen]
    series = _gather([channel.flat for channel in chosen], start, part, n, samples)
    hours = None
    if needs_times(group.features):
        times = [channel.times.view("datetime64[us]") for channel in chosen if channel.times is not None]
        hours = hours_since_first(_gather(times, start, part, n, samples))
    found = plan_for(group.features, samples).run(series, hours)
    bounds = np.searchsorted(part, np.arange(len(group.channels) + 1) * n)
    for number, (first, last) in enumerate(itertools.pairwise(bounds)):
        if first < last:
            _write(matrix, group.places[number], as_slice(part[first:last] - number * n), found[:, first:last])


def _write(matrix: FloatArray, rows: slice | IntArray, windows: slice | IntArray, found: FloatArray) -> None:
    if isinstance(rows, slice) or isinstance(windows, slice):
        matrix[rows, windows] = found
    else:
        matrix[np.ix_(rows, windows)] = found


def _gather(
    flat: Sequence[npt.NDArray[T]], start: Sequence[IntArray], part: IntArray, n: int, samples: int
) -> npt.NDArray[T]:
    """Copy windows of one length into a block, (len(part), samples); `part` counts through the channels."""
    bounds = np.searchsorted(part, np.arange(len(flat) + 1) * n)
    blocks = [
        _windows(flat[number], start[number][part[first:last] - number * n], samples)
        for number, (first, last) in enumerate(itertools.pairwise(bounds))
        if last > first
    ]
    return np.ascontiguousarray(blocks[0] if len(blocks) == 1 else np.concatenate(blocks))


def _windows(flat: npt.NDArray[T], start: IntArray, samples: int) -> npt.NDArray[T]:
    if len(start) == 1:
        # A view: of one window there is nothing to gather.
        return flat[None, start[0] : start[0] + samples]
    return sliding_window_view(flat, samples)[start]


def _index(cut_offs: pd.DataFrame) -> pd.MultiIndex:
    return pd.MultiIndex.from_frame(cut_offs[["asset", "as_of"]])


def _check(history: "History", cut_offs: pd.DataFrame, recipe: Recipe) -> None:
    for column in ("asset", "as_of"):
        if column not in cut_offs.columns:
            raise UsageError(
                f"Cut-offs with the columns {', '.join(map(str, cut_offs.columns))}",
                "the columns asset and as_of",
                "Make them with features.cut_offs",
            )
    if cut_offs["as_of"].dt.tz is None:
        raise UsageError("Cut-offs without a time zone", "as_of in UTC", "Localise them")
    named_channels(recipe.measured_channels, history.channels)
