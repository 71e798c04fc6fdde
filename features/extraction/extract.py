"""Extraction of a recipe from stored telemetry, the same for training, fleet scoring and the endpoint."""

import itertools
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor, Future
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd

from data_contracts.errors import UsageError
from data_contracts.progress import ProgressCallback, silent
from features.calculators.blocks import cores, finish, workers
from features.extraction.arrow_batches import record_batches
from features.extraction.job import CutOffs, Job, slabs_as_due, work
from features.extraction.parts import Part, by_asset, computed_parts
from features.recipe.layout import as_slice
from features.recipe.recipe import Recipe, named_channels
from features.telemetry.gaps import Gaps
from features.telemetry.known_telemetry import KnownTelemetry
from features.telemetry.machines import replaced_since
from features.telemetry.point_in_time import PointInTimeQuery
from features.telemetry.reconciliation import Rows
from features.telemetry.sorted_times import IntArray, microseconds

if TYPE_CHECKING:
    import pyarrow as pa

    from data_contracts.tables.history import History

FloatArray = npt.NDArray[np.float64]


def extract(
    history: "History",
    cut_offs: pd.DataFrame,
    recipe: Recipe,
    *,
    threads: int | None = None,
    progress: ProgressCallback = silent,
) -> pd.DataFrame:
    """Compute the recipe's columns at cut-offs, each only from what was known then.

    A window holds the telemetry with event time in (as_of - window, as_of], reconciled from the rows known by as_of.
    Nulls are left out channel by channel, so that channels may differ in length; a channel without a sample has NaN
    features, its length included. With a rule for gaps the samples are those due, and a channel with too many missing
    in a window has NaN features there as well, which `coverage` reports. Work orders and failures count when they
    happened before as_of and were known by it, events also when they happened at as_of. Where the asset records known
    by as_of say that the machine took another's place, nothing from before that counts.

    Neither the order of rows in the history nor its other content matters: one cut-off alone gives the same bits as the
    same cut-off among thousands.

    Parameters
    ----------
    history
        The assets' history; it may contain what became known later.
    cut_offs
        Columns asset and as_of (UTC), in any order.
    recipe
        What to compute.
    threads
        How many cores to use; all if None. The result is the same. The engine of a history that `open_history` opened
        with one uses its own.
    progress
        Called with how many windows are done.

    Returns
    -------
    pandas.DataFrame
        One row for each cut-off in its order, indexed by (asset, as_of); the recipe's `output` columns, float64.

    Raises
    ------
    UsageError
        When the history lacks a channel of the recipe, or the cut-offs a column or a time zone.
    """
    _check(history, cut_offs, recipe)
    if history.stored is None:
        features = run(_job(history, cut_offs, recipe), threads, progress)
    elif history.stored.engine is None:
        features = _run_blocks(history, cut_offs, recipe, threads, progress)
    else:
        features = _run_elsewhere(history, cut_offs, recipe, progress)
    features.index = _index(cut_offs)
    return features


def _run_blocks(
    history: "History", cut_offs: pd.DataFrame, recipe: Recipe, threads: int | None, progress: ProgressCallback
) -> pd.DataFrame:
    """Compute the columns a block of assets at a time: memory holds the result and one block."""
    matrix = np.empty((len(recipe.layout.columns), len(cut_offs)))
    groups, done = len(recipe.layout.groups), 0
    for places, block in history.blocks_at(cut_offs):
        reported = partial(_report_part, progress, done * groups, len(cut_offs) * groups)
        part = run(_job(block, cut_offs.iloc[places], recipe), threads, reported)
        if len(places):
            matrix[:, as_slice(places)] = part.to_numpy().T
        done += len(places)
    return pd.DataFrame(matrix.T, columns=recipe.index, copy=False)


def _run_elsewhere(
    history: "History", cut_offs: pd.DataFrame, recipe: Recipe, progress: ProgressCallback
) -> pd.DataFrame:
    """Compute the columns by the history's engine: memory holds the result and a few parts of it."""
    matrix, places = np.empty((len(recipe.layout.columns), len(cut_offs))), by_asset(cut_offs)
    total = len(recipe.layout.groups) * len(cut_offs)
    progress("features", 0, total)
    for first, values in computed_parts(history, cut_offs.iloc[places], recipe, compute_part):
        last = first + values.shape[1]
        if last > first:
            matrix[:, as_slice(places[first:last])] = values
        progress("features", len(recipe.layout.groups) * last, total)
    return pd.DataFrame(matrix.T, columns=recipe.index, copy=False)


def compute_part(part: Part) -> FloatArray:
    """Compute the columns of a part, (n_columns, n), in the process that it was handed over to."""
    # A core each: as many parts run at a time as there are cores.
    values = _run_blocks(part.history, part.cut_offs, Recipe.from_json(part.recipe), 1, silent)
    return np.ascontiguousarray(values.to_numpy().T)


def _report_part(progress: ProgressCallback, before: int, total: int, step: str, done: int, _: int) -> None:
    progress(step, before + done, total)


def extract_rows(rows: Rows, query: PointInTimeQuery, recipe: Recipe, *, threads: int | None = None) -> pd.DataFrame:
    """Compute the recipe's columns as `extract` does, bit for bit, from sorted telemetry: for single assets.

    `rows` hold the recipe's measured channels, in their order, with assets numbered as in the query. The query's
    history is read only if the recipe has context features. The result's rows are numbered: building an index of
    assets and times takes as long as some predictions.
    """
    n = len(query.assets)
    telemetry = None
    if recipe.layout.needs_telemetry:
        telemetry = KnownTelemetry.from_rows(rows, n, recipe.channels, regimes=recipe.regimes, counters=recipe.counters)

    def context(asset: IntArray, as_of: IntArray) -> Mapping[str, FloatArray]:
        if recipe.layout.columns.keys().isdisjoint(recipe.context.columns):
            return {}
        assets = pd.Index(query.assets, dtype="str")
        return recipe.context.calculate(query.history, assets, asset, as_of, recipe.layout.columns)

    cut_offs = CutOffs(np.arange(n), query.as_of, query.replaced_since)
    return run(Job(recipe, cut_offs, telemetry, context), threads, silent)


def run(job: Job, threads: int | None, progress: ProgressCallback) -> pd.DataFrame:
    """Compute a job's columns; the result's rows are numbered."""
    n = len(job.cut_offs.as_of)
    matrix = np.empty((len(job.columns), n))
    total = len(job.groups) * n
    with workers(cores(threads, matrix.size)) as pool:
        for done, blocks in work(job, 0, matrix):
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
    """Compute the recipe's columns at cut-offs, a batch at a time: memory does not grow with the cut-offs.

    Parameters
    ----------
    history, cut_offs, recipe, threads
        As for `extract`, which gives the same values.
    progress
        Called with how many cut-offs are done.

    Returns
    -------
    pyarrow.RecordBatchReader
        Columns asset and as_of, then the recipe's `output`; the rows in the order of the cut-offs. A batch is computed
        while the one before is read. ``features.write_features`` or any other consumer of Arrow can write them.

    Raises
    ------
    UsageError
        As `extract` does.
    """
    # pyarrow takes a third of a second to import, and single assets do not need it.
    import pyarrow as pa

    _check(history, cut_offs, recipe)
    instant = pa.timestamp("us", tz="UTC")
    computed = [pa.field(name, pa.float64()) for name in recipe.layout.columns]
    schema = pa.schema([pa.field("asset", pa.string()), pa.field("as_of", instant), *computed])

    def batches(
        first: int, own: pd.DataFrame, fill: Callable[[int, FloatArray, Executor], list[Future[None]]]
    ) -> "Iterator[pa.RecordBatch]":
        # From an object array, as a pandas column may be chunked and a batch may not.
        keys = [pa.array(own["asset"].to_numpy(dtype=object), pa.string())]
        keys.append(pa.array(microseconds(own["as_of"]), instant))

        def start(begin: int, matrix: FloatArray, pool: Executor) -> list[Future[None]]:
            progress("features", first + begin, len(cut_offs))
            return fill(begin, matrix, pool)

        def head(begin: int, end: int) -> list["pa.Array"]:
            return [column.slice(begin, end - begin) for column in keys]

        return record_batches(schema, len(own), start, head, threads)

    def all_batches() -> "Iterator[pa.RecordBatch]":
        if history.stored is not None and history.stored.engine is not None:
            for first, values in computed_parts(history, cut_offs, recipe, compute_part):
                yield from batches(first, cut_offs.iloc[first : first + values.shape[1]], partial(_copy, values))
            return
        for first, own, block in _in_turn(history, cut_offs):
            yield from batches(first, own, partial(_start, _job(block, own, recipe)))

    return pa.RecordBatchReader.from_batches(schema, all_batches())


def _start(job: Job, begin: int, matrix: FloatArray, pool: Executor) -> list[Future[None]]:
    """Start to compute a job's columns from the cut-off `begin` on, into a matrix (n_columns, n)."""
    return [pool.submit(block) for _, blocks in work(job, begin, matrix) for block in blocks]


def _copy(values: FloatArray, begin: int, matrix: FloatArray, _: Executor) -> list[Future[None]]:
    """Copy columns that were computed into a matrix, from the cut-off `begin` on."""
    matrix[:] = values[:, begin : begin + matrix.shape[1]]
    return []


def _in_turn(history: "History", cut_offs: pd.DataFrame) -> "Iterator[tuple[int, pd.DataFrame, History]]":
    """Yield runs of cut-offs of one block, in their order: the place of the first, the cut-offs, and the block."""
    if (stored := history.stored) is None or not len(cut_offs):
        yield 0, cut_offs, next(history.blocks())
        return
    block = stored.block_of(cut_offs["asset"])
    bounds = [0, *(np.flatnonzero(np.diff(block)) + 1).tolist(), len(cut_offs)]
    for first, last in itertools.pairwise(bounds):
        own = cut_offs.iloc[first:last]
        yield first, own, next(history.blocks_at(own))[1]


def coverage(history: "History", cut_offs: pd.DataFrame, recipe: Recipe) -> pd.DataFrame:
    """Report how much telemetry was missing at cut-offs, and which of the recipe's features are withheld for it.

    Parameters
    ----------
    history, cut_offs
        As for `extract`.
    recipe
        What would be computed; its `gaps` define when samples are due.

    Returns
    -------
    pandas.DataFrame
        One row for each cut-off in its order, indexed by (asset, as_of). For each channel and window that has features,
        named as in their columns, the share of samples missing before filling (0 to 1; 1 where the asset had no reading
        at all); and ``reason``, a sentence where a share is above the limit and `extract` gives NaN, null elsewhere.

    Raises
    ------
    UsageError
        As `extract` does, and for a recipe without a rule for gaps.
    """
    if recipe.gaps is None:
        raise UsageError("A recipe without a rule for gaps", "one that defines when samples are due", "Set its gaps")
    _check(history, cut_offs, recipe)
    if history.stored is None:
        return _coverage(history, cut_offs, recipe, recipe.gaps)
    parts = [
        _coverage(block, cut_offs.iloc[places], recipe, recipe.gaps).assign(place=places)
        for places, block in history.blocks_at(cut_offs)
    ]
    return pd.concat(parts).sort_values("place", kind="stable").drop(columns="place")


def _coverage(history: "History", cut_offs: pd.DataFrame, recipe: Recipe, gaps: Gaps) -> pd.DataFrame:
    job = _job(history, cut_offs, recipe)
    missing: dict[str, FloatArray] = {}
    for window, groups in job.groups.items():
        kinds = {number: recipe.kind(recipe.channels[number], window) for group in groups for number in group.channels}
        missing |= {kinds[number]: np.ones(len(cut_offs)) for number in sorted(kinds)}
        if job.telemetry is None or not kinds:
            continue
        for begin, end, samples in slabs_as_due(job.telemetry, job.cut_offs, window, gaps):
            for number, kind in kinds.items():
                missing[kind][begin:end] = samples[number].missing
    frame = pd.DataFrame(missing, index=_index(cut_offs))
    return frame.assign(reason=gaps.reasons(frame))


def _job(history: "History", cut_offs: pd.DataFrame, recipe: Recipe) -> Job:
    assets = pd.Index(cut_offs["asset"].unique())
    asset = assets.get_indexer(pd.Index(cut_offs["asset"])).astype(np.int64)
    telemetry = None
    if recipe.layout.needs_telemetry:
        telemetry = KnownTelemetry.from_frame(
            history.telemetry,
            assets,
            recipe.channels,
            measured=history.channels,
            regimes=recipe.regimes,
            counters=recipe.counters,
        )

    def context(asset: IntArray, as_of: IntArray) -> Mapping[str, FloatArray]:
        return recipe.context.calculate(history, assets, asset, as_of, recipe.layout.columns)

    as_of = microseconds(cut_offs["as_of"])
    since = replaced_since(history.assets, assets, asset, as_of)
    return Job(recipe, CutOffs(asset, as_of, since), telemetry, context)


def _index(cut_offs: pd.DataFrame) -> pd.MultiIndex:
    return pd.MultiIndex.from_frame(cut_offs[["asset", "as_of"]])


def _check(history: "History", cut_offs: pd.DataFrame, recipe: Recipe) -> None:
    for column in ("asset", "as_of"):
        if column not in cut_offs.columns:
            raise UsageError(
                f"Cut-offs with the columns {', '.join(map(str, cut_offs.columns))}",
                "the columns asset and as_of",
                "Choose them with features.cut_offs",
            )
    if cut_offs["as_of"].dt.tz is None:
        raise UsageError("Cut-offs without a time zone", "as_of in UTC", "Localise them")
    named_channels(recipe.measured_channels, history.channels)
