"""The features of an experiment's samples as Parquet files, for whoever wants to look at them or learn elsewhere."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from data_contracts.errors import StorageError, UsageError
from data_contracts.progress import ProgressCallback, silent
from data_contracts.tables.history import read_history
from data_contracts.workspace import Workspace
from features import slow_features, stream, write_features
from models.experiment.experiment import Experiment
from models.training.column_selection import learn_recipe
from models.training.samples import draw_samples
from models.training.training import latest_known_time


@dataclass(frozen=True)
class Extraction:
    """What was written, and how long it took.

    Parameters
    ----------
    folder : Path
        Where the files are.
    rows, columns : int
        Samples, and the columns of each: asset, as_of and the features.
    files, bytes : int
        How many files, and how large they are together.
    seconds : float
        For features and files, without reading the telemetry and drawing the samples.
    slow_features : tuple of str
        The features of a channel that no kernel computes: they went through tsfresh.
    """

    folder: Path
    rows: int
    columns: int
    files: int
    bytes: int
    seconds: float
    slow_features: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain values."""
        return asdict(self) | {"folder": str(self.folder)}


def extract_features(
    workspace: Workspace,
    experiment: Experiment,
    folder: Path,
    *,
    now: pd.Timestamp,
    progress: ProgressCallback = silent,
) -> Extraction:
    """Write the features of an experiment's training and test samples, all columns of its recipe, into a folder.

    The memory is that of the history and of a batch or two of rows, however many samples there are. Regimes, event
    codes and the like are learned as in training; no column is left out.

    Parameters
    ----------
    workspace : Workspace
        Holds the telemetry.
    experiment : Experiment
        Says which samples and features.
    folder : Path
        A new or empty folder.
    now : pd.Timestamp
        Nothing known later is used.
    progress : ProgressCallback
        Takes word of how far the work is.

    Returns
    -------
    Extraction

    Raises
    ------
    UsageError
        If the folder holds something already.
    ModelError
        If there are no samples to learn from.
    """
    _refuse_what_is_there(folder)
    history = read_history(workspace, experiment.data.asset_type, plant=experiment.data.plant, as_of=now)
    known_until = latest_known_time(history)
    history = history.as_of(known_until)
    samples = draw_samples(experiment, history, known_until)
    recipe = learn_recipe(experiment, history, samples.train)
    begin = time.perf_counter()
    with _nothing_half(folder):
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


def _refuse_what_is_there(folder: Path) -> None:
    """Look before the work: it may take an hour until the first file is written."""
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder} is a file", "a new or an empty folder", "Name another folder with --out")
    if folder.exists() and any(folder.iterdir()):
        raise UsageError(f"the folder {folder} is not empty", "a new or an empty one", "Name another folder with --out")


@contextmanager
def _nothing_half(folder: Path) -> Iterator[None]:
    """Take away what was written so far when the work is interrupted: a part of the rows looks like all of them."""
    try:
        yield
    except UsageError:
        # Someone else's files have come into the folder meanwhile.
        raise
    except BaseException as error:
        for file in folder.glob("part-*") if folder.is_dir() else ():
            file.unlink()
        if isinstance(error, OSError):
            found = f"files cannot be written into {folder} ({error.strerror or error})"
            raise StorageError(
                found, "a folder with room that may be written to", "Make room, or name another"
            ) from error
        raise
