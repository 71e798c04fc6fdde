"""Write the features of an experiment's samples as Parquet files, for analysis or training elsewhere."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from data_contracts.errors import StorageError, UsageError
from data_contracts.progress import ProgressCallback, silent
from data_contracts.tables.blocks.block_engine import BlockEngine
from data_contracts.tables.history import open_history
from data_contracts.workspace import Workspace
from features import slow_features, stream, write_features
from models.experiment.experiment import Experiment
from models.training.column_selection import learn_recipe
from models.training.samples import draw_samples
from models.training.training import latest_known_time


@dataclass(frozen=True)
class Extraction:
    """What was written, and how long it took."""

    folder: Path
    rows: int
    columns: int  # with asset and as_of
    files: int
    bytes: int  # of all files together
    seconds: float  # to compute and write; without reading the telemetry and drawing the samples
    slow_features: tuple[str, ...]  # of a channel; computed by tsfresh, for no kernel computes them

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values."""
        return asdict(self) | {"folder": str(self.folder)}


def extract_features(
    workspace: Workspace,
    experiment: Experiment,
    folder: Path,
    *,
    now: pd.Timestamp,
    engine: BlockEngine | None = None,
    progress: ProgressCallback = silent,
) -> Extraction:
    """Write the features of an experiment's training and test samples to a new or empty folder.

    Memory holds a block of assets and a batch or two of rows, however much telemetry and how many samples there are.
    Regimes, event codes and the like are learned as in training; no column is left out. Features are
    computed by `engine`, in this process if None.
    """
    _check_new_or_empty(folder)
    data = experiment.data
    history = open_history(workspace, data.asset_type, plant=data.plant, as_of=now, engine=engine, checked=True)
    known_until = latest_known_time(history)
    history = history.as_of(known_until)
    samples = draw_samples(experiment, history, known_until)
    recipe = learn_recipe(experiment, history, samples.train)
    begin = time.perf_counter()
    with _remove_files_on_failure(folder):
        batches = stream(history, samples.all_cut_offs, recipe, progress=progress)
        rows = write_features(batches, folder)
    files = list(folder.iterdir())
    return Extraction(
        folder=folder,
        rows=rows,
        columns=len(batches.schema),
        files=len(files),
        bytes=sum(file.stat().st_size for file in files),
        seconds=time.perf_counter() - begin,
        slow_features=slow_features(recipe.feature_set.features),
    )


def _check_new_or_empty(folder: Path) -> None:
    """Raise before the work starts: it may take an hour until the first file is written."""
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder} is a file", "a new or an empty folder", "Name another folder with --out")
    if folder.exists() and any(folder.iterdir()):
        raise UsageError(f"the folder {folder} is not empty", "a new or an empty one", "Name another folder with --out")


@contextmanager
def _remove_files_on_failure(folder: Path) -> Iterator[None]:
    """Delete the files of an interrupted run: a part of the rows looks like all of them."""
    try:
        yield
    except UsageError:
        # Another run has written into the folder meanwhile; the files are not ours.
        raise
    except BaseException as error:
        for file in folder.glob("part-*") if folder.is_dir() else ():
            file.unlink()
        if isinstance(error, OSError):
            found = f"files cannot be written into {folder} ({error.strerror or error})"
            raise StorageError(
                found, "a writable folder with enough free space", "Free some space, or name another folder with --out"
            ) from error
        raise
