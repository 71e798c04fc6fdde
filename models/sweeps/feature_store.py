"""Features of the samples on disk: those of a window are computed once, whichever trials have it, and mapped.

Memory holds what is being computed; the trials, also those of other processes, share the pages of the files.
"""

import hashlib
import json
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from data_contracts.progress import ProgressCallback, silent
from data_contracts.tables.history import History
from features.extraction.extract import extract
from features.names import format_duration, parse_name
from features.recipe.recipe import Recipe

MOST_BYTES = 4_000_000_000
"""How much disk the features may take; the blocks that were not used for longest are removed, and computed again."""


@dataclass(frozen=True)
class Block:
    """Columns of all samples in a file, (n_samples, n_columns)."""

    file: Path
    columns: tuple[str, ...]


@dataclass
class FeatureStore:
    """The blocks of a search: one for each window, and one for events, ages and the like."""

    folder: Path
    history: History
    samples: pd.DataFrame  # asset, as_of
    most_bytes: int = MOST_BYTES
    keep_trials: int = 1  # the blocks of so many latest trials are not removed: they may be in use
    progress: ProgressCallback = silent
    extracted: int = 0  # how many blocks were computed
    _used: "OrderedDict[Path, int]" = field(default_factory=OrderedDict)  # by which trial each was used last
    _trials: int = 0

    def blocks(self, recipe: Recipe) -> tuple[Block, ...]:
        """Return the blocks that hold a recipe's columns, in their order, computing what is missing."""
        self._trials += 1
        found = []
        for columns, described in _parts(recipe):
            text = json.dumps(described, sort_keys=True)
            file = self.folder / f"features-{hashlib.sha256(text.encode()).hexdigest()[:16]}.npy"
            if not file.exists():
                self._compute(file, recipe, columns)
            self._used[file] = self._trials
            self._used.move_to_end(file)
            found.append(Block(file, columns))
        self._remove_oldest()
        return tuple(found)

    def _compute(self, file: Path, recipe: Recipe, columns: Sequence[str]) -> None:
        values = extract(self.history, self.samples, recipe.reduce(columns), progress=self.progress)
        # Whole or not at all, as the process may be killed meanwhile.
        scratch = file.with_suffix(".part")
        with scratch.open("wb") as stream:
            np.save(stream, np.ascontiguousarray(values.to_numpy(np.float64)))
        scratch.replace(file)
        self.extracted += 1

    def _remove_oldest(self) -> None:
        size = sum(file.stat().st_size for file in self._used)
        for file, trial in list(self._used.items()):
            if size <= self.most_bytes or trial > self._trials - self.keep_trials:
                return
            size -= file.stat().st_size
            file.unlink()
            del self._used[file]


@dataclass(frozen=True)
class MappedFeatures:
    """The columns of some blocks, read where they are needed."""

    columns: tuple[str, ...]
    parts: tuple[npt.NDArray[np.float64], ...]

    @classmethod
    def open(cls, blocks: Sequence[Block]) -> "MappedFeatures":
        """Map the files of blocks."""
        columns = tuple(name for block in blocks for name in block.columns)
        return cls(columns, tuple(np.load(block.file, mmap_mode="r") for block in blocks))

    def take(
        self, rows: npt.NDArray[np.intp] | npt.NDArray[np.bool_], columns: Sequence[str] | None = None
    ) -> npt.NDArray[np.float64]:
        """Return some rows of some columns, of all if None, as an array of their own."""
        chosen = None if columns is None else set(columns)
        taken, first = [], 0
        for part in self.parts:
            names = self.columns[first : first + part.shape[1]]
            first += part.shape[1]
            places = [place for place, name in enumerate(names) if chosen is None or name in chosen]
            taken.append(np.asarray(part[rows])[:, places])
        return np.hstack(taken)

    def frame(self, samples: pd.DataFrame, rows: npt.NDArray[np.intp]) -> pd.DataFrame:
        """Return some rows as a frame indexed by (asset, as_of)."""
        index = pd.MultiIndex.from_frame(samples.iloc[rows][["asset", "as_of"]])
        return pd.DataFrame(self.take(rows), columns=list(self.columns), index=index)


def _parts(recipe: Recipe) -> Iterator[tuple[tuple[str, ...], Mapping[str, Any]]]:
    """Yield the columns of each window, and of the context, with all that decides over their values."""
    content = json.loads(recipe.to_json())
    shared = {name: content.get(name) for name in ("asset_type", "regimes", "gaps", "counters")}
    context = set(recipe.context.columns)
    measured = [column for column in recipe.output if column not in context]
    named = {column: parse_name(column) for column in measured}
    for window in recipe.windows:
        own = tuple(column for column in measured if (named[column].window or window) == window)
        if own:
            # Not by their columns' names, in which the window stands only where there are several.
            features = [[named[column].kind, named[column].feature] for column in own]
            yield own, {**shared, "window": format_duration(window), "features": features}
    others = tuple(column for column in recipe.output if column in context)
    if others:
        yield others, {**shared, "context": content["context"], "columns": others}
