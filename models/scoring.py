"""Applying a model to assets at cut-offs: the one way in training, in batches and at the endpoint."""

import numpy as np
import pandas as pd

from data_contracts.history import History
from features.extract import coverage, extract
from features.recipe import Recipe
from models.artifact import Artifact


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
    features = extract(history, cut_offs, artifact.recipe)
    scored = score_features(artifact, features)
    reason = _why_withheld(artifact.recipe, history, cut_offs, features)
    withheld = reason.notna().to_numpy()
    scored.loc[withheld, ["probability", "remaining_life_h"]] = np.nan
    scored.loc[withheld, "alert"] = False
    return scored.assign(reason=reason)


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
    predictions = artifact.predict(features)
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
