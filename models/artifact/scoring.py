"""Applying a model to assets at cut-offs, in the same way in training, in batches and at the endpoint.

`score` takes a history and cut-offs, `score_in_detail` returns horizons and features too, `score_features` takes
features that are extracted already, and `predict_with_reasons` is the array-level core that the endpoint calls.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from data_contracts.tables.history import History
from features.extraction.extract import coverage, extract
from features.extraction.unknown_regimes import unknown_regimes
from features.recipe.recipe import Recipe
from features.telemetry.point_in_time import GivenHistory, KnownHistory
from models.artifact.artifact import Artifact
from models.artifact.reasons import Reason

FloatArray = npt.NDArray[np.float64]
_COLUMNS: Final = {
    "failure": "probability",
    "remaining_life": "remaining_life_h",
    "condition": "condition",
    "anomaly": "anomaly_score",
}


@dataclass(frozen=True)
class Predictions:
    """Predictions of a model for n cut-offs, in their order, with the reasons where there is none."""

    predictions: FloatArray  # (n,): probabilities, hours of remaining life or a condition's values; NaN without one
    reasons: Sequence[Reason | None]  # why there is no prediction; None where there is one
    probabilities: FloatArray  # as in `DetailedScores`
    modes: FloatArray  # as in `DetailedScores`


@dataclass(frozen=True)
class DetailedScores:
    """The scores of a model with the features and horizons behind them."""

    frame: pd.DataFrame  # the result of `score`
    features: pd.DataFrame  # of the same rows, indexed by asset and as_of: what `explanations.drivers` takes
    # Failure probability within each horizon, shape (n_rows, n_horizons); NaN where there is no prediction. No columns
    # for remaining life.
    probabilities: FloatArray
    reasons: Sequence[Reason | None]  # why there is no prediction, as in the frame
    # Probability of a failure by each mode within the horizon of alerts, shape (n_rows, n_modes), likewise.
    modes: FloatArray


def score(artifact: Artifact, history: History, cut_offs: pd.DataFrame) -> pd.DataFrame:
    """Predict for assets at cut-offs, from what was known then.

    Parameters
    ----------
    artifact
        The model.
    history
        Telemetry, events, failures and work orders of the assets.
    cut_offs
        Columns ``asset`` and ``as_of`` (UTC).

    Returns
    -------
    DataFrame
        One row per cut-off, in order, with ``asset``, ``as_of``, ``probability`` (NaN for remaining life),
        ``remaining_life_h`` (hours; NaN for failures), ``interval_low`` and ``interval_high`` (around the number; NaN
        without intervals), ``threshold`` (NaN when the model never alerts), ``alert``, and ``reason``: why there is no
        prediction, null where there is one. A model of a condition's value gives it as ``condition``, a
        model of anomalies its score as ``anomaly_score``. There is no
        prediction, and no alert, where a feature is infinite, where the rule for gaps withholds the telemetry features
        of every channel and window of the model, and where most readings lie beyond every operating regime of the
        training.
    """
    return score_in_detail(artifact, history, cut_offs).frame


def score_in_detail(artifact: Artifact, history: History, cut_offs: pd.DataFrame) -> DetailedScores:
    """Predict as `score` does, and return the probabilities of all horizons and the features too."""
    features = extract(history, cut_offs, artifact.recipe)
    result = predict_with_reasons(artifact, features, GivenHistory(history, cut_offs))
    reason = pd.array([None if reason is None else reason.words for reason in result.reasons], dtype="str")
    frame = _score_frame(artifact, cut_offs["asset"], cut_offs["as_of"], result.predictions, reason=reason)
    return DetailedScores(frame, features, result.probabilities, result.reasons, result.modes)


def predict_with_reasons(artifact: Artifact, features: pd.DataFrame, known: KnownHistory) -> Predictions:
    """Predict from the features that `extract` gave for the model's recipe, or say why a prediction is withheld.

    The history in `known`, with the cut-offs of the rows, is read only where it may be the reason for no prediction.
    """
    reasons = _infinite_reasons(features)
    recipe = artifact.recipe
    for row, words in _regime_reasons(artifact, known).items():
        reasons[row] = Reason("operating_regime", words)
    for row, words in _gap_reasons(recipe, known, features).items():
        reasons[row] = Reason("gaps", words)
    usable = np.array([reason is None for reason in reasons], dtype=np.bool_)
    # A learner refuses infinite features, and those of one asset must not cost the others their predictions.
    usable_features = features if usable.all() else features[usable]
    probabilities = np.full((len(features), len(artifact.horizons)), np.nan)
    probabilities[usable] = artifact.predict_horizons(usable_features)
    predictions = np.full(len(features), np.nan)
    predictions[usable] = (
        probabilities[usable, artifact.decision_index] if artifact.horizons else artifact.predict(usable_features)
    )
    modes = np.full((len(features), 0 if artifact.modes is None else len(artifact.modes.modes)), np.nan)
    modes[usable] = decisive_modes(artifact, usable_features, probabilities[usable])
    return Predictions(predictions, reasons, probabilities, modes)


def decisive_modes(artifact: Artifact, features: pd.DataFrame, probabilities: FloatArray) -> FloatArray:
    """Return the probability of a failure by each mode within the horizon of alerts, (n_rows, n_modes)."""
    if artifact.modes is None:
        return np.empty((len(features), 0))
    return artifact.predict_modes(features, probabilities)[:, artifact.decision_index]


def mode_answers(artifact: Artifact, modes: FloatArray) -> list[list[dict[str, Any]] | None]:
    """Return what is answered about modes (n, n_modes), the most probable first, as JSON values; None without any."""
    if artifact.modes is None:
        return [None] * len(modes)
    return [
        None
        if math.isnan(own[0])
        else [
            {"mode": mode, "probability": value}
            for mode, value in sorted(zip(artifact.modes.modes, own, strict=True), key=lambda each: -each[1])
        ]
        for own in modes.tolist()
    ]


def interval_answers(artifact: Artifact, predictions: FloatArray) -> list[dict[str, float] | None]:
    """Return what is answered about the intervals of predicted numbers (n,), as JSON values; None without any."""
    table = artifact.intervals
    if table is None:
        return [None] * len(predictions)
    return [
        None if math.isnan(low) else {"low": low, "high": high, "level": table.level}
        for low, high in artifact.predict_intervals(predictions).tolist()
    ]


def condition_answer(
    artifact: Artifact, value: float | None, as_of: pd.Timestamp, interval: Mapping[str, float] | None
) -> dict[str, Any]:
    """Return what is answered about the condition that a model is about, as JSON values.

    Its channel, unit and threshold; and, where its value is predicted, the value with its interval and the time that it
    is meant for.
    """
    about = artifact.about
    if about is None:
        raise ValueError("the model is about no condition")
    ahead = artifact.horizon if artifact.target == "condition" else None
    return {
        "channel": about.channel,
        "value": value,
        "interval": interval if artifact.target == "condition" else None,
        "unit": about.unit,
        "at": None if artifact.target != "condition" else (as_of if ahead is None else as_of + ahead).isoformat(),
        "threshold": about.threshold,
        "direction": about.direction,
        "is_feature": about.is_feature,
    }


def score_features(artifact: Artifact, features: pd.DataFrame) -> pd.DataFrame:
    """Predict from extracted features, without withholding any prediction.

    Parameters
    ----------
    artifact
        The model.
    features
        What `features.extraction.extract` gave for the model's recipe: indexed by ``asset`` and ``as_of``.

    Returns
    -------
    DataFrame
        As of `score`, without ``reason``: a prediction for every row.

    Raises
    ------
    ModelError
        If a column is missing or infinite.
    """
    keys = features.index.to_frame(index=False).set_axis(["asset", "as_of"], axis=1)
    return _score_frame(artifact, keys["asset"], keys["as_of"], artifact.predict(features))


def _score_frame(
    artifact: Artifact,
    asset: "pd.Series[str]",
    as_of: "pd.Series[pd.Timestamp]",
    predictions: FloatArray,
    **more: Any,
) -> pd.DataFrame:
    unknown, intervals = np.full(len(predictions), np.nan), artifact.predict_intervals(predictions)
    columns = dict.fromkeys(("probability", "remaining_life_h"), unknown) | {_COLUMNS[artifact.target]: predictions}
    # Built at once: adding a column later would cost a single prediction as much again.
    return pd.DataFrame(
        {
            "asset": asset.array,
            "as_of": as_of.array,
            **columns,
            "interval_low": intervals[:, 0],
            "interval_high": intervals[:, 1],
            "threshold": np.full(len(predictions), np.nan if artifact.threshold is None else artifact.threshold),
            "alert": artifact.alerts(predictions),
            **more,
        }
    )


def _infinite_reasons(features: pd.DataFrame) -> list[Reason | None]:
    """Return for each row which of its features is infinite, None where none is."""
    infinite = np.isinf(features.to_numpy(dtype=np.float64))
    reasons: list[Reason | None] = [None] * len(features)
    for row in np.flatnonzero(infinite.any(axis=1)):
        feature = features.columns[infinite[row].argmax()]
        words = f"its telemetry is beyond computing with: the feature {feature} is infinite"
        reasons[row] = Reason("not_finite", words)
    return reasons


def _regime_reasons(artifact: Artifact, known: KnownHistory) -> dict[int, str]:
    recipe = artifact.recipe
    if recipe.regimes is None:
        return {}
    return unknown_regimes(known.history, known.cut_offs, recipe, artifact.clock)


def _gap_reasons(recipe: Recipe, known: KnownHistory, features: pd.DataFrame) -> dict[int, str]:
    """Return, by row number, why a row has no telemetry features at all."""
    if recipe.gaps is None or recipe.layout.first_measured is None:
        return {}
    # Few rows lack the first telemetry feature, so only of these are all features checked and the gaps measured again.
    candidates = np.flatnonzero(np.isnan(features.iloc[:, recipe.layout.first_measured].to_numpy()))
    if not len(candidates):
        return {}
    context = set(recipe.context.columns)
    measured = [column not in context for column in features.columns]
    empty = candidates[np.isnan(features.to_numpy(dtype=np.float64)[candidates][:, measured]).all(axis=1)]
    if not len(empty):
        return {}
    missing = coverage(known.history, known.cut_offs.iloc[empty], recipe)
    everywhere = (missing.drop(columns="reason") > recipe.gaps.most_missing).all(axis=1)
    return {
        int(row): str(reason)
        for row, reason, withheld in zip(empty, missing["reason"], everywhere, strict=True)
        if withheld
    }
