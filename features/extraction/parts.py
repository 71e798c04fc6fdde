"""Extraction in parts that other processes compute: what each is handed over, and how cut-offs are divided.

A part says where its telemetry is (the places of the workspace, the table and its version, the assets), not what it is:
the process that computes it reads that itself. Only cut-offs and the records of the part's own assets come with it.
"""

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd

from features.recipe.recipe import Recipe

if TYPE_CHECKING:
    from data_contracts.tables.history import History

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
# More than one for each worker, as not all take equally long; few, as each costs a message and begins within a piece.
_PARTS_A_WORKER = 2
# What a part's result may take, in values: some parts wait at the workers until their turn.
_MOST_VALUES = 16_000_000


@dataclass(frozen=True)
class Part:
    """Some cut-offs, and all that another process needs to compute features at them."""

    history: "History"  # its telemetry has not been read
    cut_offs: pd.DataFrame
    recipe: str  # as JSON


def computed_parts(
    history: "History", cut_offs: pd.DataFrame, recipe: Recipe, compute: Callable[[Part], FloatArray]
) -> Iterator[tuple[int, FloatArray]]:
    """Yield runs of cut-offs, in their order, with the engine's results: the place of the first, (n_columns, n).

    Each asset's cut-offs should follow each other, so that few parts have to read its telemetry.
    """
    if (stored := history.stored) is None or (engine := stored.engine) is None:
        raise ValueError("a history without an engine is computed in this process")
    bounds = _bounds(len(cut_offs), len(recipe.layout.columns), engine.workers)
    text = recipe.to_json()
    keys = cut_offs[["asset", "as_of"]]
    # Taken, not sliced: a slice of text is pickled with all of it.
    runs = [keys.iloc[np.arange(first, last)] for first, last in itertools.pairwise(bounds)]
    results = engine.map(compute, (Part(_detached(history, recipe, own), own, text) for own in runs))
    yield from zip(bounds[:-1], results, strict=True)


def by_asset(cut_offs: pd.DataFrame) -> IntArray:
    """Return the places of cut-offs in order of their assets."""
    numbers, _ = pd.factorize(cut_offs["asset"], sort=True)
    return np.argsort(numbers, kind="stable").astype(np.int64, copy=False)


def _bounds(n: int, n_columns: int, workers: int) -> list[int]:
    """Divide cut-offs evenly; one part even if there are none."""
    parts = max(_PARTS_A_WORKER * workers, -(-n * n_columns // _MOST_VALUES))
    parts = max(1, min(parts, n))
    return [n * number // parts for number in range(parts + 1)]


def _detached(history: "History", recipe: Recipe, cut_offs: pd.DataFrame) -> "History":
    """Keep the records of the cut-offs' assets, of those tables that the recipe has features of."""
    if (stored := history.stored) is None:
        raise ValueError("telemetry that was read stays in its process")
    names = cut_offs["asset"].unique()
    frames = {"assets": history.assets, "failures": history.failures}
    frames |= {"work_orders": history.work_orders, "events": history.events}
    counted = {"assets", *(name.split("__", 1)[0] for name in recipe.output)}
    kept = {
        name: frame[frame["asset"].isin(names if name in counted else [])].reset_index(drop=True)
        for name, frame in frames.items()
    }
    # A frame by its type, as in `open_history`.
    return replace(history, telemetry=stored.detached(names), contract=None, crossings=None, **kept)  # type: ignore[arg-type]
