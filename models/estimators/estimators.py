"""The registry of learners, which users can extend, and how estimators are fitted and applied.

A factory makes an unfitted estimator with scikit-learn's interface. It must be storable without pickle: as LightGBM
text, or by skops with the types named here, each of them reviewed.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import lightgbm
import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import expit
from sklearn.ensemble import (
    ExtraTreesClassifier,
    ExtraTreesRegressor,
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
from models.estimators.survival.survival_forest import SurvivalForest
from models.estimators.targets import Target

Matrix = npt.NDArray[np.float64]
Factory = Callable[[Target, Mapping[str, Any], int], Any]

ALL_TARGETS: Final[tuple[Target, ...]] = ("failure", "remaining_life", "condition")


@dataclass(frozen=True)
class EstimatorKind:
    """A kind of learner."""

    factory: Factory
    targets: tuple[Target, ...]
    trusted: tuple[str, ...]  # full names of reviewed types beyond skops' own that a stored model may hold
    monotone: str | None = None  # the parameter that takes a sign for each column; None without monotone constraints
    learns_lives: bool = False  # whether it learns from lives that may be cut off, rather than from labels


def register_estimator(
    kind: str,
    factory: Factory,
    *,
    targets: Sequence[Target] = ALL_TARGETS,
    trusted: Sequence[str] = (),
    monotone: str | None = None,
) -> None:
    """Add a learner that experiments can name.

    Parameters
    ----------
    kind
        Its name in ``[estimator] kind``.
    factory
        Makes an unfitted scikit-learn estimator from target, parameters and seed.
    targets
        What it can predict: ``"failure"``, ``"remaining_life"``, ``"condition"``; all by default.
    trusted
        Full names of the types beyond skops' own that a stored model may hold. Name only types whose code you have
        reviewed: loading a model runs it.
    monotone
        The parameter that takes 1, -1 or 0 for each column, such as ``"monotonic_cst"``, if it can be told that its
        predictions have to rise or to fall; ``[estimator.monotone]`` of an experiment is then given to it.

    Raises
    ------
    UsageError
        If the name is taken.
    """
    if kind in _KINDS:
        raise UsageError(f"the estimator {kind!r} is registered already", "a new name", "Choose another name")
    _KINDS[kind] = EstimatorKind(factory, tuple(targets), tuple(trusted), monotone)


def kinds() -> tuple[str, ...]:
    """Return the names of the learners."""
    return tuple(sorted(_KINDS))


def trusted_types(kind: str) -> tuple[str, ...]:
    """Return the reviewed types that a stored model of this kind may hold beyond skops' own."""
    return _kind(kind).trusted


def learns_lives(kind: str) -> bool:
    """Return whether a kind learns from lives that may be cut off: (n, 2) hours, and 1.0 where they ended."""
    return _kind(kind).learns_lives


def make(kind: str, target: Target, params: Mapping[str, Any], seed: int, *, monotone: Sequence[int] = ()) -> Any:
    """Make an unfitted estimator of a registered kind; the seed is that of its random draws.

    `monotone` has 1 for each column that predictions may only rise with, -1 for those they may only fall with, else 0.
    """
    registered = _kind(kind)
    if target not in registered.targets:
        able = [name for name, other in _KINDS.items() if target in other.targets]
        raise UsageError(
            f"the estimator {kind!r} for the target {target!r}", f"one of {', '.join(sorted(able))}", "Choose another"
        )
    try:
        return registered.factory(target, _constrained(kind, params, monotone), seed)
    except TypeError as error:
        raise UsageError(f"estimator.params: {error}", f"parameters of {kind}", "Fix or remove it") from error


def make_to_choose_columns(
    kind: str, target: Target, params: Mapping[str, Any], seed: int, *, monotone: Sequence[int] = ()
) -> Any:
    """Make an unfitted estimator to find the columns that help: one booster will do, and labels in place of lives."""
    if learns_lives(kind):
        return make("random_forest", target, {}, seed)
    return single_booster(make(kind, target, params, seed, monotone=monotone))


def single_booster(model: Any) -> Any:
    """Return an unfitted estimator without the averaging of boosters: one will do to find which columns help."""
    return model.single_booster() if isinstance(model, LightGBM) else model


def fit(model: Any, x: Matrix, y: Matrix) -> Any:
    """Fit an estimator on one thread, so that fitting it again gives the same bits.

    Takes features (n_samples, n_features), NaN where missing, and targets (n_samples,): 1.0 and 0.0, or hours.
    """
    try:
        with threadpool_limits(limits=1):
            return model.fit(x, y)
    except (ValueError, lightgbm.basic.LightGBMError) as error:
        raise ModelError(
            f"{type(model).__name__} could not be fitted on {x.shape[0]} samples of {x.shape[1]} features ({error})",
            "samples it can learn from",
            "Check estimator.params and the features",
        ) from error


def predict(model: Any, x: Matrix) -> Matrix:
    """Predict failure probabilities, hours of remaining life, or a condition; shape (n_samples,).

    A row gets the same bits whether it is predicted alone or among others.
    """
    if not len(x):
        return np.empty(0)
    if isinstance(model, Pipeline) and isinstance(model[-1], LogisticRegression | Ridge):
        return _predict_linear(model, x)
    if hasattr(model, "predict_proba"):
        return np.asarray(model.predict_proba(x)[:, 1], dtype=np.float64)
    return np.asarray(model.predict(x), dtype=np.float64)


def importances(model: Any, columns: Sequence[str]) -> "pd.Series[float]":
    """Return the importance of each column as shares that sum to one, largest first.

    They are the gain of trees, or absolute standardised coefficients; empty for a learner that has neither.
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


def _constrained(kind: str, params: Mapping[str, Any], signs: Sequence[int]) -> Mapping[str, Any]:
    """Add the signs of columns to parameters, which cannot hold them: columns are chosen after they are written."""
    parameter = _kind(kind).monotone
    if parameter is not None and parameter in params:
        remedy = 'Write [estimator.monotone] with channels, such as vibration = "rising"'
        raise UsageError(f"estimator.params.{parameter}", "no constraints by the number of a column", remedy)
    if not any(signs):
        return params
    if parameter is None:
        able = ", ".join(sorted(name for name, other in _KINDS.items() if other.monotone))
        raise UsageError(
            f"estimator.monotone with the estimator {kind!r}", f"one of {able}", "Choose one, or remove it"
        )
    return {**params, parameter: [int(sign) for sign in signs]}


def _kind(kind: str) -> EstimatorKind:
    if kind not in _KINDS:
        hint = did_you_mean(kind, _KINDS) or "Choose one of these, or register your own"
        raise UsageError(f"unknown estimator {kind!r}", f"one of {', '.join(kinds())}", hint)
    return _KINDS[kind]


def _scaled(last: Any) -> Pipeline:
    return make_pipeline(SimpleImputer(keep_empty_features=True), StandardScaler(), last)


def _logistic(_: Target, params: Mapping[str, Any], seed: int) -> Any:
    return _scaled(LogisticRegression(**{"max_iter": 1000, **params, "random_state": seed}))


def _ridge(_: Target, params: Mapping[str, Any], seed: int) -> Any:
    return _scaled(Ridge(**{**params, "random_state": seed}))


def _forest(target: Target, params: Mapping[str, Any], seed: int) -> Any:
    estimator = RandomForestClassifier if target == "failure" else RandomForestRegressor
    return estimator(**{"n_estimators": 200, "min_samples_leaf": 5, **params, "random_state": seed, "n_jobs": 1})


def _extra_trees(target: Target, params: Mapping[str, Any], seed: int) -> Any:
    """Make a forest of random thresholds: the best ones would learn the accidents of few assets by heart.

    Leaves of five samples, as in Geurts, Ernst & Wehenkel, "Extremely randomized trees", Machine Learning 63 (2006),
    doi:10.1007/s10994-006-6226-1; as many columns a split as random forests usually see.
    """
    estimator = ExtraTreesClassifier if target == "failure" else ExtraTreesRegressor
    columns = "sqrt" if target == "failure" else 1 / 3
    defaults = {"n_estimators": 300, "min_samples_leaf": 5, "max_features": columns}
    return estimator(**{**defaults, **params, "random_state": seed, "n_jobs": 1})


def _histogram(target: Target, params: Mapping[str, Any], seed: int) -> Any:
    estimator = HistGradientBoostingClassifier if target == "failure" else HistGradientBoostingRegressor
    # Early stopping would hold out rows at random, and split neighbours in time.
    return estimator(**{"early_stopping": False, "max_iter": 200, **params, "random_state": seed})


_KINDS: Final[dict[str, EstimatorKind]] = {
    "lightgbm": EstimatorKind(LightGBM, ALL_TARGETS, (), "monotone_constraints"),
    "logistic": EstimatorKind(_logistic, ("failure",), ("numpy.dtype",)),
    "ridge": EstimatorKind(_ridge, ("remaining_life", "condition"), ("numpy.dtype",)),
    "random_forest": EstimatorKind(_forest, ALL_TARGETS, ("sklearn.tree._tree.Tree",)),
    "extremely_randomized_trees": EstimatorKind(_extra_trees, ALL_TARGETS, ("sklearn.tree._tree.Tree",)),
    "hist_gradient_boosting": EstimatorKind(
        _histogram, ALL_TARGETS, ("sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",), "monotonic_cst"
    ),
    "random_survival_forest": EstimatorKind(SurvivalForest, ("failure", "remaining_life"), (), learns_lives=True),
}
