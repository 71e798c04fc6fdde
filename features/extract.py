"""The one way from stored telemetry to features: for training, for scoring a fleet, and for the endpoint."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd
from numpy.lib.stride_tricks import sliding_window_view

from data_contracts.errors import UsageError
from data_contracts.progress import Report, silent
from features.calculate import calculate
from features.known_telemetry import KnownTelemetry, Segments, Spans
from features.recipe import Recipe, named_channels
from features.sorted_times import IntArray, microseconds, width

if TYPE_CHECKING:
    from data_contracts.history import History

FloatArray = npt.NDArray[np.float64]

# A block of these many samples (1 MiB) and its intermediate arrays stay in the processor's cache.
_BLOCK_SAMPLES = 131_072
# Bounds the memory of windows that cannot be slices, and how often progress is told.
_OPEN_VALUES = 8_000_000
_SLAB_WINDOWS = 65_536


def extract(history: "History", cut_offs: pd.DataFrame, recipe: Recipe, *, progress: Report = silent) -> pd.DataFrame:
    """Compute the recipe's columns at cut-offs, each from what was known then and nothing else.

    A window holds the telemetry with event time in (as_of - window, as_of], reconciled from the rows known by as_of.
    Nulls are left out channel by channel, so that channels may differ in length; a channel without a sample has NaN
    features, its length included. Work orders and failures count when they happened before as_of and were known by it,
    events also when they happened at as_of.

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
    _check(history, cut_offs, recipe)
    assets = pd.Index(cut_offs["asset"].unique())
    asset = assets.get_indexer(pd.Index(cut_offs["asset"])).astype(np.int64)
    as_of = microseconds(cut_offs["as_of"])
    columns = {name: number for number, name in enumerate(recipe.output)}
    matrix = np.full((len(cut_offs), len(columns)), np.nan)
    plans = {window: _plan(recipe, window, columns) for window in recipe.windows}
    if any(plans.values()):
        telemetry = KnownTelemetry.from_frame(
            history.telemetry, assets, recipe.channels, measured=history.channels, regimes=recipe.regimes
        )
        for number, (window, plan) in enumerate(plans.items()):
            spans = telemetry.spans(asset, as_of, width(window))
            for begin, end in _slabs(spans, len(telemetry.raw)):
                segments = telemetry.segments(spans.part(begin, end))
                for group in plan:
                    _fill(matrix[begin:end], segments, group)
                progress("features", number * len(asset) + end, len(plans) * len(asset))
    for name, values in recipe.context.calculate(history, assets, asset, as_of, columns).items():
        matrix[:, columns[name]] = values
    index = pd.MultiIndex.from_frame(cut_offs[["asset", "as_of"]])
    return pd.DataFrame(matrix, index=index, columns=pd.Index(list(columns), dtype="str"))


@dataclass(frozen=True)
class _Group:
    """Channels of one window that want the same features.

    Parameters
    ----------
    features
        Their features.
    channels
        Their numbers in the recipe.
    columns : (n_channels, n_features)
        Where each result goes.
    """

    features: tuple[str, ...]
    channels: tuple[int, ...]
    columns: IntArray


def _plan(recipe: Recipe, window: pd.Timedelta, columns: Mapping[str, int]) -> list[_Group]:
    """Group the channels by the features that are wanted of them."""
    wanted: dict[tuple[str, ...], list[int]] = {}
    kinds = [recipe.kind(channel, window) for channel in recipe.channels]
    for number, kind in enumerate(kinds):
        features = tuple(f for f in recipe.feature_set.of_kind(kind) if f"{kind}__{f}" in columns)
        if features:
            wanted.setdefault(features, []).append(number)
    return [
        _Group(features, tuple(chosen), np.array([[columns[f"{kinds[c]}__{f}"] for f in features] for c in chosen]))
        for features, chosen in wanted.items()
    ]


def _slabs(spans: Spans, n_channels: int) -> Iterator[tuple[int, int]]:
    """Cut the windows into runs whose open instants fit the memory we allow."""
    cost = np.cumsum(spans.open_instants * n_channels)
    begin, spent = 0, 0
    while begin < len(cost):
        fits = int(np.searchsorted(cost, spent + _OPEN_VALUES, side="right"))
        end = min(max(fits, begin + 1), begin + _SLAB_WINDOWS, len(cost))
        yield begin, end
        begin, spent = end, int(cost[end - 1])


def _fill(matrix: FloatArray, segments: Sequence[Segments], group: _Group) -> None:
    """Compute the windows length by length, all channels of the group together, and write them where they belong."""
    n = len(matrix)
    length = np.concatenate([segments[channel].length for channel in group.channels])
    order = np.argsort(length, kind="stable")
    bounds = np.flatnonzero(np.diff(length[order])) + 1
    for alike in np.split(order, bounds):
        samples = int(length[alike[0]]) if len(alike) else 0
        step = max(1, _BLOCK_SAMPLES // max(samples, 1))
        for first in range(0, len(alike) if samples else 0, step):
            part = alike[first : first + step]
            block = _gather([segments[channel] for channel in group.channels], part, n, samples)
            channel, window = np.divmod(part, n)
            matrix[window[:, None], group.columns[channel]] = calculate(block, group.features)


def _gather(segments: Sequence[Segments], part: IntArray, n: int, samples: int) -> FloatArray:
    """Copy windows of one length into a block, (len(part), samples); `part` counts through the channels."""
    bounds = np.searchsorted(part, np.arange(len(segments) + 1) * n)
    blocks = [
        sliding_window_view(channel.flat, samples)[channel.start[part[first:last] - number * n]]
        for number, (channel, first, last) in enumerate(zip(segments, bounds[:-1], bounds[1:], strict=True))
        if last > first
    ]
    return np.ascontiguousarray(blocks[0] if len(blocks) == 1 else np.concatenate(blocks))


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
