"""Applying a model to assets at cut-offs: the one way in training, in batches and at the endpoint."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from data_contracts.tables.history import History
from features.extraction.extract import coverage, extract
from features.extraction.unknown_regimes import unknown_regimes
from features.recipe.recipe import Recipe
from features.telemetry.point_in_time import GivenHistory, KnownHistory
from models.artifact.artifact import Artifact

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Predictions:
    """Hold what a model says of assets at cut-offs, in their order.

    Parameters
    ----------
    predictions : (n,)
        Probabilities, or hours of remaining life; NaN where there is no prediction.
    reasons
        Why there is no prediction; None where there is one.
    features
        What it says it from.
    probabilities : (n, n_horizons)
        As of `Scores`.
    """

    predictions: FloatArray
    reasons: Sequence[str | None]
    features: pd.DataFrame
    probabilities: FloatArray


@dataclass(frozen=True)
class Scores:
    """Hold what a model says of assets at cut-offs, and what it says it from.

    Parameters
    ----------
    frame
        As of `score`.
    features
        The features of the same rows in the same order, indexed by ``asset`` and ``as_of``: what
        `models.artifact.explanations.drivers` takes.
    probabilities
        The probability of a failure within each of the model's horizons, shape (n_rows, n_horizons); NaN where there
        is no prediction. No column for remaining life.
    """

    frame: pd.DataFrame
    features: pd.DataFrame
    probabilities: FloatArray


def score(artifact: Artifact, history: History, cut_offs: pd.DataFrame) -> pd.DataFrame:
    """Predict for assets at cut-offs, from what was known then.

    Parameters
    ----------
    artifact
        The model.
    history
        What is known of the assets.
    cut_offs
        Columns ``asset`` and ``as_of`` (UTC).

    Returns
    -------
    DataFrame
        One row per cut-off with ``asset``, ``as_of``, ``probability`` (NaN for remaining life),
        ``remaining_life_h`` (NaN for failures), ``threshold`` (NaN when it never alerts), ``alert``, and ``reason``:
        why there is no prediction, null where there is one. There is none, and no alert, where the rule for gaps
        withholds the telemetry features of every channel and window of the model, and where most readings lie beyond
        every operating regime of the training.
    """
    return scores(artifact, history, cut_offs).frame


def scores(artifact: Artifact, history: History, cut_offs: pd.DataFrame) -> Scores:
    """Predict for assets at cut-offs as `score` does, and give horizons and features beside it.

    Parameters
    ----------
    artifact, history, cut_offs
        As for `score`.

    Returns
    -------
    Scores
    """
    said = predict(artifact, extract(history, cut_offs, artifact.recipe), GivenHistory(history, cut_offs))
    reason = pd.array(said.reasons, dtype="str")
    frame = _framed(artifact, cut_offs["asset"], cut_offs["as_of"], said.predictions, reason=reason)
    return Scores(frame, said.features, said.probabilities)


def predict(artifact: Artifact, features: pd.DataFrame, known: KnownHistory) -> Predictions:
    """Predict as `scores` does, from features that are there already.

    Parameters
    ----------
    artifact
        The model.
    features
        What `features.extraction.extract` gave for the model's recipe and what is known, whatever they are indexed by.
    known
        The cut-offs and what is known: looked at only where that may be why there is no prediction.

    Returns
    -------
    Predictions
    """
    reasons = _why_infinite(features)
    for row, words in (_why_unknown(artifact.recipe, known) | _why_withheld(artifact.recipe, known, features)).items():
        reasons[row] = words
    told = np.array([words is None for words in reasons], dtype=np.bool_)
    # A learner refuses infinite features, and those of one asset shall not cost the others their predictions.
    usable = features if told.all() else features[told]
    probabilities = np.full((len(features), len(artifact.horizons)), np.nan)
    probabilities[told] = artifact.predict_horizons(usable)
    predictions = np.full(len(features), np.nan)
    predictions[told] = probabilities[told, artifact.decision] if artifact.horizons else artifact.predict(usable)
    return Predictions(predictions, reasons, features, probabilities)


def score_features(artifact: Artifact, features: pd.DataFrame) -> pd.DataFrame:
    """Predict from features that are there already.

    Parameters
    ----------
    artifact
        The model.
    features
        What `features.extraction.extract` gave for the model's recipe: indexed by ``asset`` and ``as_of``.

    Returns
    -------
    DataFrame
        As of `score`, without the reasons: a prediction for every row.
    """
    keys = features.index.to_frame(index=False).set_axis(["asset", "as_of"], axis=1)
    return _framed(artifact, keys["asset"], keys["as_of"], artifact.predict(features))


def _framed(
    artifact: Artifact,
    asset: "pd.Series[str]",
    as_of: "pd.Series[pd.Timestamp]",
    predictions: FloatArray,
    **more: Any,
) -> pd.DataFrame:
    failure = artifact.target == "failure"
    unknown = np.full(len(predictions), np.nan)
    # Made at once: each column that is added later costs a single prediction as much as making it.
    return pd.DataFrame(
        {
            "asset": asset.array,
            "as_of": as_of.array,
            "probability": predictions if failure else unknown,
            "remaining_life_h": unknown if failure else predictions,
            "threshold": np.full(len(predictions), np.nan if artifact.threshold is None else artifact.threshold),
            "alert": artifact.alerts(predictions),
            **more,
        }
    )


def _why_infinite(features: pd.DataFrame) -> list[str | None]:
    """Say for each cut-off which of its features is infinite, None where none is."""
    infinite = np.isinf(features.to_numpy(dtype=np.float64))
    reason: list[str | None] = [None] * len(features)
    for row in np.flatnonzero(infinite.any(axis=1)):
        feature = features.columns[infinite[row].argmax()]
        reason[row] = f"its telemetry is beyond computing with: the feature {feature} is infinite"
    return reason


def _why_unknown(recipe: Recipe, known: KnownHistory) -> dict[int, str]:
    return {} if recipe.regimes is None else unknown_regimes(known.history, known.cut_offs, recipe)


def _why_withheld(recipe: Recipe, known: KnownHistory, features: pd.DataFrame) -> dict[int, str]:
    """Say of which cut-offs there are no telemetry features at all, and why: by their numbers."""
    if recipe.gaps is None or recipe.layout.first_measured is None:
        return {}
    # Few have not even one, so that only of these all features are looked at and the gaps are measured again.
    unknown = np.flatnonzero(np.isnan(features.iloc[:, recipe.layout.first_measured].to_numpy()))
    if not len(unknown):
        return {}
    context = set(recipe.context.columns)
    measured = [column not in context for column in features.columns]
    empty = unknown[np.isnan(features.to_numpy(dtype=np.float64)[unknown][:, measured]).all(axis=1)]
    if not len(empty):
        return {}
    told = coverage(known.history, known.cut_offs.iloc[empty], recipe)
    everywhere = (told.drop(columns="reason") > recipe.gaps.most_missing).all(axis=1)
    return {
        int(row): str(why) for row, why, all_gone in zip(empty, told["reason"], everywhere, strict=True) if all_gone
    }
