"""Cross-validation over assets: every asset is predicted by a model that was fitted without it.

Each fold is a training of its own: columns, operating regimes, threshold and calibration are learned from its training
assets alone. The predictions of all folds together give the figures of the model, which is fitted to all assets.

References
----------
Roberts et al., "Cross-validation strategies for data with temporal, spatial, hierarchical, or phylogenetic structure",
Ecography 40 (2017), doi:10.1111/ecog.02881 (whole groups are left out). Forman & Scholz, "Apples-to-apples in
cross-validation studies", SIGKDD Explorations 12 (2010), doi:10.1145/1882471.1882479 (why predictions are pooled).
"""

import glob
from collections.abc import Iterator

import numpy as np
import pandas as pd

from data_contracts.errors import ModelError
from data_contracts.progress import ProgressCallback, silent
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
    failed = outcome_history(experiment, history).failures["asset"]
    groups = asset_folds(samples.train["asset"], failed, experiment.split.test_folds, experiment.seed)
    predicted = []
    for number, assets in enumerate(groups):
        progress("train: folds", number, len(groups))
        predicted.append(_predict_fold(experiment, history, assets, known_until, progress))
    progress("train: folds", len(groups), len(groups))
    frame = pd.concat([part.frame for part in predicted], ignore_index=True)
    probabilities, constant = (
        np.vstack([getattr(part, name) for part in predicted]) for name in ("probabilities", "constant")
    )
    return TestPredictions(frame, probabilities, constant)


def _predict_fold(
    experiment: Experiment,
    history: History,
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
        without = ", ".join(assets[:_NAMED]) + (" and others" if len(assets) > _NAMED else "")
        raise ModelError(f"without {without}: {error.found}", error.expected, error.remedy) from error
    return predict_test(fitted, drawn.test)


def _no_steps() -> Iterator[None]:
    while True:
        yield
