"""Cross-validation over assets or plants: every asset is predicted by a model that was fitted without it.

Each fold is a training of its own: columns, operating regimes, threshold and calibration are learned from its training
assets alone. The predictions of all folds together give the figures of the model, which is fitted to all assets.

References
----------
Roberts et al., "Cross-validation strategies for data with temporal, spatial, hierarchical, or phylogenetic structure",
Ecography 40 (2017), doi:10.1111/ecog.02881 (whole groups are left out). Forman & Scholz, "Apples-to-apples in
cross-validation studies", SIGKDD Explorations 12 (2010), doi:10.1145/1882471.1882479 (why predictions are pooled).
"""

import glob
from collections.abc import Iterator, Mapping

import numpy as np
import pandas as pd

from data_contracts.errors import ModelError, UsageError
from data_contracts.progress import ProgressCallback, silent
from data_contracts.tables.corrections import latest_records
from data_contracts.tables.history import History
from models.experiment.condition_outcomes import outcome_history
from models.experiment.experiment import Experiment
from models.training.fitting import TestPredictions, fit_model, predict_test
from models.training.samples import Samples, draw_samples
from models.training.splits import asset_folds

_NAMED = 3


def predict_across(
    experiment: Experiment,
    history: History,
    samples: Samples,
    *,
    known_until: pd.Timestamp,
    progress: ProgressCallback = silent,
) -> TestPredictions:
    """Predict the samples of each asset by a model of the others; `samples` are those of all assets."""
    groups = _groups(experiment, history, samples.train["asset"])
    predicted = []
    for number, (name, assets) in enumerate(groups.items()):
        progress("train: folds", number, len(groups))
        predicted.append(_predict_fold(experiment, history, name, assets, known_until, progress))
    progress("train: folds", len(groups), len(groups))
    frame = pd.concat([part.frame for part in predicted], ignore_index=True)
    probabilities, constant = (
        np.vstack([getattr(part, name) for part in predicted]) for name in ("probabilities", "constant")
    )
    # A mode that a fold has too few failures of is among its others; a fold without a mode model says nothing of them.
    modes = [part.modes.dropna(axis=1) for part in predicted]
    names = sorted({name for own in modes for name in own.columns})
    by_mode = [own.reindex(columns=names, fill_value=0.0 if len(own.columns) else np.nan) for own in modes]
    return TestPredictions(frame, probabilities, constant, pd.concat(by_mode, ignore_index=True))


def plant_assets(history: History, assets: "pd.Series[str]") -> dict[str, tuple[str, ...]]:
    """Return the assets of each plant, where their latest records place them."""
    latest = latest_records(history.assets).set_index("asset")["plant"]
    names = sorted(set(assets.astype(str)))
    homeless = [name for name in names if pd.isna(latest.get(name))]
    if homeless:
        more = f" and {len(homeless) - _NAMED} more" if len(homeless) > _NAMED else ""
        listed = ", ".join(homeless[:_NAMED]) + more
        raise UsageError(
            f'split.kind = "plant", and no record places {listed}',
            "a plant for each asset",
            "Import records of the assets with their plant (`forewarn import files --assets`), or split by cross",
        )
    placed = pd.Series(names, index=[str(latest[name]) for name in names])
    plants = {str(plant): tuple(own) for plant, own in placed.groupby(level=0)}
    if len(plants) < 2:
        raise UsageError(
            f'split.kind = "plant", and all assets are of {next(iter(plants))!r}',
            "at least two plants, each to be tested by a model of the others",
            'Set split.kind = "cross" to leave out assets in turn, or import another plant and let data.plant be "all"',
        )
    return plants


def _groups(experiment: Experiment, history: History, assets: "pd.Series[str]") -> Mapping[str, tuple[str, ...]]:
    """Return the assets that are left out together, by a name for them."""
    if experiment.split.kind == "plant":
        return plant_assets(history, assets)
    failed = outcome_history(experiment, history).failures["asset"]
    folds = asset_folds(assets, failed, experiment.split.test_folds, experiment.seed)
    return {", ".join(fold[:_NAMED]) + (" and others" if len(fold) > _NAMED else ""): fold for fold in folds}


def _predict_fold(
    experiment: Experiment,
    history: History,
    name: str,
    assets: tuple[str, ...],
    known_until: pd.Timestamp,
    progress: ProgressCallback,
) -> TestPredictions:
    # Names may hold the characters of a pattern.
    fold = experiment.with_split(kind="asset", test=tuple(glob.escape(asset) for asset in assets), test_share=None)
    try:
        drawn = draw_samples(fold, history, known_until)
        fitted = fit_model(fold, history, drawn, step=_no_steps(), progress=progress)
    except ModelError as error:
        raise ModelError(f"without {name}: {error.found}", error.expected, error.remedy) from error
    return predict_test(fitted, drawn.test)


def _no_steps() -> Iterator[None]:
    while True:
        yield
