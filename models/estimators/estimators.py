"""The learners, behind one registry that a user can add to.

A factory makes an unfitted estimator in scikit-learn's manner. What it makes must be storable without pickle: as
LightGBM text, or by skops with the types named here, each of them reviewed.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import lightgbm
import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import expit
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # scikit-learn brings it; it has no types

from data_contracts.errors import ModelError, UsageError, did_you_mean
from models.estimators.lightgbm_learner import LightGBM

Target = Literal["failure", "remaining_life"]
Matrix = npt.NDArray[np.float64]
Factory = Callable[[Target, Mapping[str, Any], int], Any]

BOTH: Final[tuple[Target, ...]] = ("failure", "remaining_life")


@dataclass(frozen=True)
class Kind:
    """A sort of learner.

    Parameters
    ----------
    factory
        Makes an unfitted estimator from target, parameters and seed.
    targets
        What it can predict.
    trusted
        The types beyond skops' own that a stored model may hold, by full name, each reviewed.
    """

    factory: Factory
    targets: tuple[Target, ...]
    trusted: tuple[str, ...]


def register(kind: str, factory: Factory, *, targets: Sequence[Target] = BOTH, trusted: Sequence[str] = ()) -> None:
    """Add a learner that experiments can then name.

    Parameters
    ----------
    kind
        Its name in ``[estimator] kind``.
    factory
        Makes an unfitted scikit-learn estimator from target, parameters and seed.
    targets
        What it can predict.
    trusted
        The types beyond skops' own that a stored model may hold, by full name. Name only what you have read: loading
        a model runs the code of these types.

    Raises
    ------
    UsageError
        If the name is taken.
    """
    if kind in _KINDS:
        raise UsageError(f"the estimator {kind!r} is registered already", "a new name", "Choose another name")
    _KINDS[kind] = Kind(factory, tuple(targets), tuple(trusted))


def kinds() -> tuple[str, ...]:
    """Return the names of the learners."""
    return tuple(sorted(_KINDS))


def trusted_types(kind: str) -> tuple[str, ...]:
    """Return the reviewed types that a stored model of this kind may hold beyond skops' own."""
    return _kind(kind).trusted


def make(kind: str, target: Target, params: Mapping[str, Any], seed: int) -> Any:
    """Make an unfitted estimator.

    Parameters
    ----------
    kind
        The learner's name.
    target
        What is to be predicted.
    params
        Its parameters.
    seed
        The seed of its draws.

    Returns
    -------
    object
        An estimator in scikit-learn's manner.

    Raises
    ------
    UsageError
        If there is no such learner, it cannot predict the target, or it does not know a parameter.
    """
    found = _kind(kind)
    if target not in found.targets:
        able = [name for name, other in _KINDS.items() if target in other.targets]
        raise UsageError(
            f"the estimator {kind!r} for the target {target!r}", f"one of {', '.join(sorted(able))}", "Choose another"
        )
    try:
        return found.factory(target, params, seed)
    except TypeError as error:
        raise UsageError(f"estimator.params: {error}", f"parameters of {kind}", "Mend or remove it") from error


def single(model: Any) -> Any:
    """Leave out the averaging of a learner: to ask it which columns help, one booster will do.

    Parameters
    ----------
    model
        An unfitted estimator.

    Returns
    -------
    object
        An unfitted estimator, of one booster where the other has several.
    """
    return model.single() if isinstance(model, LightGBM) else model


def fit(model: Any, x: Matrix, y: Matrix) -> Any:
    """Fit an estimator on one thread, so that fitting it again gives the same bits.

    Parameters
    ----------
    model
        An unfitted estimator.
    x
        Features, shape (n_samples, n_features); NaN where there was nothing to compute one from.
    y
        1.0 and 0.0, or hours, shape (n_samples,).

    Returns
    -------
    object
        The fitted estimator.

    Raises
    ------
    ModelError
        If it cannot be fitted.
    """
    try:
        with threadpool_limits(limits=1):
            return model.fit(x, y)
    except (ValueError, lightgbm.basic.LightGBMError) as error:
        raise ModelError(
            f"{type(model).__name__} could not be fitted on {x.shape[0]} samples of {x.shape[1]} features ({error})",
            "samples it can learn from",
            "Look at estimator.params and at the features",
        ) from error


def predict(model: Any, x: Matrix) -> Matrix:
    """Predict the probability of a failure, or hours of remaining life.

    A row gets the same bits whether it comes alone or among others.

    Parameters
    ----------
    model
        A fitted estimator.
    x
        Features, shape (n_samples, n_features).

    Returns
    -------
    ndarray of float64, shape (n_samples,)
    """
    if not len(x):
        return np.empty(0)
    if isinstance(model, Pipeline) and isinstance(model[-1], LogisticRegression | Ridge):
        return _predict_linear(model, x)
    if hasattr(model, "predict_proba"):
        return np.asarray(model.predict_proba(x)[:, 1], dtype=np.float64)
    return np.asarray(model.predict(x), dtype=np.float64)


def importances(model: Any, columns: Sequence[str]) -> "pd.Series[float]":
    """Say how much each column matters to a fitted estimator.

    Parameters
    ----------
    model
        A fitted estimator.
    columns
        The names of its columns.

    Returns
    -------
    Series of float
        Shares that sum to one, largest first: gain of trees, or absolute standardised coefficients. Empty for a
        learner that does not tell.
    """
    if hasattr(model, "feature_importances_"):
        raw = np.asarray(model.feature_importances_, dtype=np.float64)
    elif isinstance(model, Pipeline) and hasattr(model[-1], "coef_"):
        raw = np.abs(np.ravel(model[-1].coef_))
    else:
        return pd.Series(dtype=np.float64)
    shares = pd.Series(raw / (raw.sum() or 1.0), index=list(columns))
    return shares.sort_values(ascending=False, kind="stable")


def _predict_linear(model: Pipeline, x: Matrix) -> Matrix:
    # BLAS adds in another order for one row than for many; numpy's sum along a row does not.
    last = model[-1]
    scores = (model[:-1].transform(x) * np.ravel(last.coef_)).sum(axis=1) + float(np.ravel(last.intercept_)[0])
    return np.asarray(expit(scores) if isinstance(last, LogisticRegression) else scores, dtype=np.float64)


def _kind(kind: str) -> Kind:
    if kind not in _KINDS:
        hint = did_you_mean(kind, _KINDS) or "Name one of these, or register your own"
        raise UsageError(f"unknown estimator {kind!r}", f"one of {', '.join(kinds())}", hint)
    return _KINDS[kind]


def _scaled(last: Any) -> Pipeline:
    return make_pipeline(SimpleImputer(keep_empty_features=True), StandardScaler(), last)


def _logistic(_: Target, params: Mapping[str, Any], seed: int) -> Any:
    return _scaled(LogisticRegression(**{"max_iter": 1000, **params, "random_state": seed}))


def _ridge(_: Target, params: Mapping[str, Any], seed: int) -> Any:
    return _scaled(Ridge(**{**params, "random_state": seed}))


def _forest(target: Target, params: Mapping[str, Any], seed: int) -> Any:
    chosen = RandomForestClassifier if target == "failure" else RandomForestRegressor
    return chosen(**{"n_estimators": 200, "min_samples_leaf": 5, **params, "random_state": seed, "n_jobs": 1})


def _histogram(target: Target, params: Mapping[str, Any], seed: int) -> Any:
    chosen = HistGradientBoostingClassifier if target == "failure" else HistGradientBoostingRegressor
    # Early stopping would hold out rows at random, and neighbours in time with them.
    return chosen(**{"early_stopping": False, "max_iter": 200, **params, "random_state": seed})


_KINDS: Final[dict[str, Kind]] = {
    "lightgbm": Kind(LightGBM, BOTH, ()),
    "logistic": Kind(_logistic, ("failure",), ("numpy.dtype",)),
    "ridge": Kind(_ridge, ("remaining_life",), ("numpy.dtype",)),
    "random_forest": Kind(_forest, BOTH, ("sklearn.tree._tree.Tree",)),
    "hist_gradient_boosting": Kind(
        _histogram, BOTH, ("sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",)
    ),
}
