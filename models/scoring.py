"""Applying a model to assets at cut-offs: the one way in training, in batches and at the endpoint."""

import numpy as np
import pandas as pd

from data_contracts.history import History
from features.extract import extract
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
        ``remaining_life_h`` (NaN for failures), ``threshold`` (NaN when it never alerts), ``alert``.
    """
    return score_features(artifact, extract(history, cut_offs, artifact.recipe))


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
        As of `score`.
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
