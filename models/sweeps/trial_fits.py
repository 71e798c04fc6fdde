"""Judging one configuration: fits on the folds of the training period, in whichever process."""

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from data_contracts.errors import ForewarnError
from features.recipe.recipe import Recipe
from features.recipe.selection import informative_columns
from models.estimators import estimators
from models.experiment.experiment import Experiment
from models.experiment.sweep_plan import SearchMetric
from models.sweeps.feature_store import Block, MappedFeatures
from models.sweeps.held_out_folds import HeldOut, Rows
from models.sweeps.inner_data import InnerData
from models.sweeps.search_metrics import measure
from models.sweeps.simplicity import fitted_size
from models.sweeps.trials import Trial, is_hopeless
from models.training.column_selection import best_columns, ranking_samples
from models.training.learners.fit_learner import make_learner

Vector = npt.NDArray[np.float64]
_SAMPLES, _FOLDS, _ASSETS = "samples.parquet", "folds.npz", "folds.json"


@dataclass(frozen=True)
class TrialTask:
    """A trial to judge: all that another process needs, beside the files of the search's folder."""

    number: int
    params: dict[str, Any]
    experiment: str  # as JSON
    recipe: str  # as JSON; empty where the trial cannot be judged, for `reason`
    blocks: tuple[Block, ...]
    folder: Path
    metric: SearchMetric
    deadline: float  # seconds since 1970, after which no fold is begun
    others: tuple[tuple[float, ...], ...] = ()  # the scores of complete trials, to stop early by
    known: Trial | None = None  # an earlier trial of the same configuration
    reason: str = ""


@dataclass(frozen=True)
class Judged:
    """A trial, None where the time was up, and its predictions of the samples, NaN where there is none."""

    trial: Trial | None
    predicted: Vector = field(default_factory=lambda: np.empty(0))


def save_inner_data(inner: InnerData, folder: Path) -> None:
    """Write samples and folds where the processes that judge trials read them."""
    folder.mkdir(parents=True, exist_ok=True)
    inner.train.to_parquet(folder / _SAMPLES, index=False)
    masks = {
        f"{number}-{step}-{name}": mask
        for number, fold in enumerate(inner.folds)
        for step, pair in enumerate(fold.steps)
        for name, mask in zip(("learn", "predict"), pair, strict=True)
    }
    with (folder / _FOLDS).open("wb") as stream:
        np.savez(stream, **masks)
    (folder / _ASSETS).write_text(json.dumps([fold.assets for fold in inner.folds]), encoding="utf-8")


@lru_cache(maxsize=1)
def _read(folder: Path) -> tuple[pd.DataFrame, tuple[HeldOut, ...]]:
    masks, assets = np.load(folder / _FOLDS), json.loads((folder / _ASSETS).read_text(encoding="utf-8"))
    steps = len(masks.files) // 2 // len(assets)
    folds = tuple(
        HeldOut(tuple(own), tuple((masks[f"{number}-{s}-learn"], masks[f"{number}-{s}-predict"]) for s in range(steps)))
        for number, own in enumerate(assets)
    )
    return pd.read_parquet(folder / _SAMPLES), folds


def judge_trial(task: TrialTask) -> Judged:
    """Fit and score a configuration fold by fold, until it is done, hopeless, or the time is up."""
    if task.known is not None:
        return Judged(Trial(task.number, task.params, *_outcome(task.known)))
    if task.reason:
        return Judged(Trial(task.number, task.params, "failed", (), reason=task.reason))
    try:
        return _judge(task)
    except ForewarnError as error:
        return Judged(Trial(task.number, task.params, "failed", (), reason=str(error)))


def _outcome(trial: Trial) -> tuple[Any, ...]:
    return trial.state, trial.scores, trial.columns, trial.size, 0.0, trial.reason


def _judge(task: TrialTask) -> Judged:
    began, experiment = time.monotonic(), Experiment.from_json(task.experiment)
    train, folds = _read(task.folder)
    features, recipe = MappedFeatures.open(task.blocks), Recipe.from_json(task.recipe)
    target = train["target"].to_numpy(np.float64)
    columns = None if experiment.features.keep else _differing(features, train)
    predicted, scores, most, size = np.full(len(train), np.nan), [], 0, 0
    for fold in folds:
        held_out = np.zeros(len(train), dtype=np.bool_)
        for learn, predict in fold.steps:
            if time.time() > task.deadline:
                return Judged(None)
            if np.unique(target[learn]).size < 2 or not predict.any():
                continue
            chosen = columns or _selected(experiment, recipe, features, train, learn)
            values, model = _fit_and_predict(experiment, features, chosen, (learn, predict), target)
            predicted[predict], most = values, max(most, len(chosen))
            held_out |= predict
            size = max(size, fitted_size(model, len(chosen)))
        scores.append(measure(task.metric, target[held_out], predicted[held_out]))
        if len(scores) < len(folds) and is_hopeless(task.metric, scores, task.others):
            seconds = time.monotonic() - began
            return Judged(Trial(task.number, task.params, "pruned", tuple(scores), most, size, seconds))
    seconds = time.monotonic() - began
    if not np.isfinite(scores).any():
        reason = f"no fold has samples to measure {task.metric} by"
        return Judged(Trial(task.number, task.params, "failed", (), seconds=seconds, reason=reason))
    return Judged(Trial(task.number, task.params, "complete", tuple(scores), most, size, seconds), predicted)


def _fit_and_predict(
    experiment: Experiment, features: MappedFeatures, columns: Sequence[str], rows: tuple[Rows, Rows], target: Vector
) -> tuple[Vector, Any]:
    learn, predict = rows
    model = make_learner(experiment, columns)
    model = estimators.fit(model, features.take(learn, columns), target[learn])
    return estimators.predict(model, features.take(predict, columns)), model


def _differing(features: MappedFeatures, train: pd.DataFrame) -> tuple[str, ...]:
    """Return the columns that differ between samples, as training drops the others: no label is looked at."""
    return informative_columns(features.frame(train, np.arange(len(train))))


def _selected(
    experiment: Experiment, recipe: Recipe, features: MappedFeatures, train: pd.DataFrame, learn: Rows
) -> tuple[str, ...]:
    """Choose the best columns on what a fold learns from, as training does."""
    learned = train[learn].reset_index(drop=True)
    places = ranking_samples(learned, experiment)
    rows = np.flatnonzero(learn)[places]
    return best_columns(
        experiment, recipe, features.frame(train, rows), learned["target"].to_numpy(np.float64)[places]
    ).columns
