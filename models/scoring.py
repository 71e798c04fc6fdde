"""Applying a model to assets at cut-offs: the one way in training, in batches and at the endpoint."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from data_contracts.history import History
from features.extract import coverage, extract
from features.recipe import Recipe
from models.artifact import Artifact


@dataclass(frozen=True)
class Scores:
    """Hold what a model says of assets at cut-offs, and what it says it from.

    Parameters
    ----------
    frame
        As of `score`.
    features
        The features of the same rows in the same order, indexed by ``asset`` and ``as_of``: what
        `models.explanations.drivers` takes.
    probabilities
        The probability of a failure within each of the model's horizons, shape (n_rows, n_horizons); NaN where there
        is no prediction. No column for remaining life.
    """

    frame: pd.DataFrame
    features: pd.DataFrame
    probabilities: npt.NDArray[np.float64]


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
        withholds the telemetry features of every channel and window of the model.
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
    features = extract(history, cut_offs, artifact.recipe)
    probabilities = artifact.predict_horizons(features)
    told = probabilities.shape[1] > 0
    predictions = probabilities[:, artifact.decision].copy() if told else artifact.predict(features)
    scored = _framed(artifact, features, predictions)
    reason = _why_withheld(artifact.recipe, history, cut_offs, features)
    withheld = reason.notna().to_numpy()
    scored.loc[withheld, ["probability", "remaining_life_h"]] = np.nan
    scored.loc[withheld, "alert"] = False
    probabilities[withheld] = np.nan
    return Scores(scored.assign(reason=reason), features, probabilities)


def score_features(artifact: Artifact, features: pd.DataFrame) -> pd.DataFrame:
    """Predict from features that are there already.

    Parameters
    ----------
    artifact
        The model.
    features
        What `features.extract` gave for the model's recipe: indexed by ``asset`` and ``as_of``.

    Returns
    -------
    DataFrame
        As of `score`, without the reasons: a prediction for every row.
    """
    return _framed(artifact, features, artifact.predict(features))


def _framed(artifact: Artifact, features: pd.DataFrame, predictions: npt.NDArray[np.float64]) -> pd.DataFrame:
    failure = artifact.target == "failure"
    unknown = np.full(len(predictions), np.nan)
    return (
        features.index.to_frame(index=False)
        .set_axis(["asset", "as_of"], axis=1)
        .assign(
            probability=predictions if failure else unknown,
            remaining_life_h=unknown if failure else predictions,
            threshold=np.nan if artifact.threshold is None else artifact.threshold,
            alert=artifact.alerts(predictions),
        )
    )


def _why_withheld(recipe: Recipe, history: History, cut_offs: pd.DataFrame, features: pd.DataFrame) -> "pd.Series[str]":
    """Say for each cut-off why it has no telemetry features at all, null where it has some; shape (n_cut_offs,)."""
    reason = pd.Series([None] * len(features), dtype="str")
    measured = [column for column in features.columns if column not in set(recipe.context.columns)]
    if recipe.gaps is None or not measured:
        return reason
    # Few are, so that only for these it is asked again how much was missing.
    empty = np.flatnonzero(features[measured].isna().to_numpy().all(axis=1))
    if len(empty):
        told = coverage(history, cut_offs.iloc[empty], recipe)
        everywhere = (told.drop(columns="reason") > recipe.gaps.most_missing).to_numpy().all(axis=1)
        reason.iloc[empty[everywhere]] = told["reason"].to_numpy()[everywhere]
    return reason
