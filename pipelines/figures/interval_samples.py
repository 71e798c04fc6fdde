"""Predicted numbers with their intervals and the truth: in a version's evaluation, and as they came later."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from data_contracts.workspace import Workspace
from features.clock import Clock
from models.artifact.artifact import Artifact
from models.conformal.coverage import HIGH, LOW, StageCoverage, coverage_by_stage, interval_figures
from models.conformal.interval_table import IntervalTable
from models.registry.registration.run_record import PREDICTIONS_FILE
from models.registry.registry import Registry
from models.training.holdout_evaluation import true_numbers
from pipelines.evidence.champion import MonitoredModel

_HOUR = pd.Timedelta(hours=1)


@dataclass(frozen=True)
class IntervalSamples:
    """Predictions whose truth is known, and how their intervals held it."""

    samples: pd.DataFrame  # asset, as_of, prediction, truth up to the cap, and the interval's ends
    figures: Mapping[str, float]  # of `interval_figures`
    stages: tuple[StageCoverage, ...]


@dataclass(frozen=True)
class ComparedIntervals:
    """The intervals of a version, as they held the test samples and what came later."""

    table: IntervalTable
    evaluated: IntervalSamples
    later: IntervalSamples | None = None  # None until something came, or where it was not asked for
    unit: str = ""  # of a condition's value; empty for a life
    clock: Clock | None = None  # how a life is written; None for a condition


def compare_intervals(
    workspace: Workspace, champion: MonitoredModel, pairs: pd.DataFrame | None = None
) -> ComparedIntervals | None:
    """Hold a version's evaluation and later pairs (asset, as_of, prediction, truth) against its intervals, if any."""
    artifact, evaluated = champion.model.artifact, evaluated_intervals(workspace, champion)
    if artifact.intervals is None or evaluated is None:
        return None
    later = None if pairs is None else later_intervals(artifact, pairs)
    unit = artifact.about.unit if artifact.about is not None and artifact.target == "condition" else None
    clock = artifact.clock if artifact.target == "remaining_life" else None
    return ComparedIntervals(artifact.intervals, evaluated, later, unit or "", clock)


def evaluated_intervals(workspace: Workspace, champion: MonitoredModel) -> IntervalSamples | None:
    """Read the test samples of a version's evaluation; None if it has no intervals."""
    model, registry = champion.model, Registry(workspace)
    if model.artifact.intervals is None:
        return None
    with registry.run_file(model.name, model.version, PREDICTIONS_FILE) as path:
        tested = pd.read_parquet(path)
    if LOW not in tested:
        return None
    figures = registry.metrics(model.name, model.version)
    figures = {name: value for name, value in figures.items() if name.startswith("interval_")}
    return _with_stages(model.artifact, tested.assign(truth=true_numbers(champion.experiment, tested)), figures)


def later_intervals(artifact: Artifact, pairs: pd.DataFrame) -> IntervalSamples | None:
    """Hold what came later (asset, as_of, prediction, truth) against the intervals of the predictions; None if none."""
    table, predicted = artifact.intervals, pairs["prediction"].to_numpy(dtype=np.float64)
    if table is None or pairs.empty:
        return None
    limit = None if artifact.cap is None else artifact.cap / _HOUR
    low, high = artifact.predict_intervals(predicted).T
    samples = pairs.assign(**{"truth": pairs["truth"].clip(upper=limit), LOW: low, HIGH: high})
    true, constant = samples["truth"].to_numpy(dtype=np.float64), table.constant_around(predicted)
    figures = interval_figures(samples, true, constant, level=table.level, score_at="all")
    return _with_stages(artifact, samples, figures)


def _with_stages(artifact: Artifact, samples: pd.DataFrame, figures: Mapping[str, float]) -> IntervalSamples:
    known = samples[samples["truth"].notna() & samples[LOW].notna()].reset_index(drop=True)
    kept = known[["asset", "as_of", "prediction", "truth", LOW, HIGH]]
    stages = () if artifact.intervals is None else coverage_by_stage(kept, kept["truth"].to_numpy(), artifact.intervals)
    return IntervalSamples(kept, figures, stages)
