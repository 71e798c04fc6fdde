"""forewarn's learners with scikit-learn's interface."""

# ruff: noqa: N803 - scikit-learn names the argument X

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.model_selection import GroupKFold, StratifiedKFold
from sklearn.utils import Tags
from sklearn.utils.multiclass import check_classification_targets, type_of_target
from sklearn.utils.validation import check_is_fitted, validate_data

from data_contracts.errors import UsageError
from models.estimators import estimators
from models.estimators.calibration import Calibration
from models.estimators.targets import Target
from models.training.out_of_fold import fit_calibration

Matrix = npt.NDArray[np.float64]
_CALIBRATION_FOLDS = 5


class _Learner(BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """What both learners share: one of forewarn's estimators, fitted on one thread."""

    kind: str
    params: Mapping[str, Any] | None
    seed: int
    _target: Target

    @property
    def feature_importances_(self) -> Matrix:
        """The share of each column in the importance of all, (n_features,): gain of trees, or size of coefficients.

        A learner without importances, such as hist_gradient_boosting, has no such attribute.
        """
        check_is_fitted(self, "model_")
        columns = [str(number) for number in range(self.n_features_in_)]
        shares = estimators.importances(self.model_, columns)
        if shares.empty:
            raise AttributeError(f"{self.kind} has no feature_importances_")
        return np.asarray(shares.reindex(columns), dtype=np.float64)

    def __sklearn_is_fitted__(self) -> bool:
        """Whether `fit` was called."""
        return hasattr(self, "model_")

    def __sklearn_tags__(self) -> Tags:
        """Say that missing numbers are fine."""
        tags: Tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags

    def _fitted(self, x: Matrix, y: Matrix) -> Any:
        model = estimators.make(self.kind, self._target, dict(self.params or {}), self.seed)
        return estimators.fit(model, x, y)

    def _predicted(self, x: Any) -> Matrix:
        check_is_fitted(self, "model_")
        checked = validate_data(self, x, reset=False, dtype=np.float64, order="C", ensure_all_finite="allow-nan")
        return estimators.predict(self.model_, checked)

    def _checked_to_fit(self, x: Any, y: Any, *, numeric: bool) -> tuple[Matrix, Any]:
        # Row by row, as forewarn's own training: sums along the columns of a frame would differ in their last bits.
        layout = {"dtype": np.float64, "order": "C", "ensure_all_finite": "allow-nan"}
        checked: tuple[Matrix, Any] = validate_data(self, x, y, **layout, ensure_min_samples=2, y_numeric=numeric)
        return checked


class FailureClassifier(ClassifierMixin, _Learner):  # type: ignore[misc]  # scikit-learn has no types
    """Predict whether assets fail, by one of forewarn's learners.

    Two classes; missing numbers are allowed. The same parameters and rows give the same bits.

    Parameters
    ----------
    kind : str
        A learner as ``estimator.kind`` names it: "lightgbm", "logistic", "random_forest", ... or one that was
        registered with `models.register_estimator`.
    params : mapping, optional
        Its parameters, as in ``estimator.params``.
    seed : int
        The seed of its draws.
    calibration : {"none", "sigmoid"}
        "sigmoid" fits Platt's sigmoid to predictions out of fold, of five folds; give `fit` the assets as groups, so
        that none is in two of them.
    threshold : float
        The least probability at which `predict` returns the second class.

    Attributes
    ----------
    classes_ : numpy.ndarray
        Both classes; the second, larger one is the failure.
    model_ : object
        The fitted learner.
    calibration_ : Calibration or None
        The sigmoid.
    n_features_in_, feature_names_in_
        As scikit-learn has them.

    Examples
    --------
    >>> x, y = np.arange(40.0).reshape(-1, 1), np.repeat([0, 1], 20)
    >>> FailureClassifier("random_forest").fit(x, y).predict([[2.0], [38.0]])
    array([0, 1])
    """

    _target: Target = "failure"

    def __init__(
        self,
        kind: str = "lightgbm",
        params: Mapping[str, Any] | None = None,
        *,
        seed: int = 0,
        calibration: Literal["none", "sigmoid"] = "none",
        threshold: float = 0.5,
    ) -> None:
        self.kind = kind
        self.params = params
        self.seed = seed
        self.calibration = calibration
        self.threshold = threshold

    def fit(self, X: Any, y: Any, groups: Any = None) -> "FailureClassifier":
        """Fit to features and outcomes.

        Parameters
        ----------
        X : (n_samples, n_features)
            Features; NaN where missing.
        y : (n_samples,)
            Two classes.
        groups : (n_samples,), optional
            The asset of each sample, to calibrate by; samples are drawn one by one without.

        Returns
        -------
        FailureClassifier
            This object.

        Raises
        ------
        ValueError
            For infinite features, or other than two classes.
        UsageError
            For an unknown kind, parameter or calibration.
        ModelError
            If the learner cannot be fitted to these samples.
        """
        self._check_calibration()
        x, y = self._checked_to_fit(X, y, numeric=False)
        fails = self._outcomes(y)
        self.model_ = self._fitted(x, fails)
        self.calibration_ = self._fit_calibration(x, fails, groups) if self.calibration == "sigmoid" else None
        return self

    def predict_proba(self, X: Any) -> Matrix:
        """Predict the probability of both classes, shape (n_samples, 2)."""
        scores = np.clip(self._predicted(X), 0.0, 1.0)
        fails = scores if self.calibration_ is None else self.calibration_.apply(scores)
        return np.column_stack([1.0 - fails, fails])

    def predict(self, X: Any) -> npt.NDArray[Any]:
        """Predict the class, shape (n_samples,): the second from the threshold on."""
        fails = self.predict_proba(X)[:, 1] >= self.threshold
        return np.asarray(self.classes_[fails.astype(np.intp)])

    def __sklearn_tags__(self) -> Tags:
        """Say that there are two classes."""
        tags: Tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = False
        return tags

    def _outcomes(self, y: Any) -> Matrix:
        check_classification_targets(y)
        kind = type_of_target(y, input_name="y")
        if kind != "binary":
            raise ValueError(f"Only binary classification is supported. The type of the target is {kind}.")
        self.classes_, codes = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(f"FailureClassifier needs two classes, and y has one class: {self.classes_[0]!r}")
        return codes.astype(np.float64)

    def _check_calibration(self) -> None:
        if self.calibration not in ("none", "sigmoid"):
            raise UsageError(f"calibration {self.calibration!r}", '"none" or "sigmoid"', "Choose one of them")

    def _fit_calibration(self, x: Matrix, fails: Matrix, groups: Any) -> Calibration | None:
        """Calibrate by predictions of rows, or of whole assets, that were left out."""
        n = len(np.unique(fails if groups is None else groups))
        folds = StratifiedKFold(_CALIBRATION_FOLDS) if groups is None else GroupKFold(min(_CALIBRATION_FOLDS, n))
        predicted = np.full(len(x), np.nan)
        for learn, left_out in folds.split(x, fails, groups):
            if np.unique(fails[learn]).size == 2:
                predicted[left_out] = estimators.predict(self._fitted(x[learn], fails[learn]), x[left_out])
        return fit_calibration(predicted, fails)


class RemainingLifeRegressor(RegressorMixin, _Learner):  # type: ignore[misc]  # scikit-learn has no types
    """Predict remaining lives by one of forewarn's learners.

    Missing numbers are allowed. The same parameters and rows give the same bits.

    Parameters
    ----------
    kind : str
        A learner as ``estimator.kind`` names it: "lightgbm", "ridge", "extremely_randomized_trees", ... or one that was
        registered with `models.register_estimator`.
    params : mapping, optional
        Its parameters, as in ``estimator.params``.
    seed : int
        The seed of its draws.
    cap : float, optional
        Longer lives count as this one, as ``label.cap`` has it, in the unit of y; none if None.

    Attributes
    ----------
    model_ : object
        The fitted learner.
    n_features_in_, feature_names_in_
        As scikit-learn has them.

    Examples
    --------
    >>> x = np.arange(40.0).reshape(-1, 1)
    >>> RemainingLifeRegressor("ridge", cap=30.0).fit(x, 40.0 - x[:, 0]).predict([[0.0], [60.0]]).round(1)
    array([30.,  0.])
    """

    _target: Target = "remaining_life"

    def __init__(
        self,
        kind: str = "lightgbm",
        params: Mapping[str, Any] | None = None,
        *,
        seed: int = 0,
        cap: float | None = None,
    ) -> None:
        self.kind = kind
        self.params = params
        self.seed = seed
        self.cap = cap

    def fit(self, X: Any, y: Any) -> "RemainingLifeRegressor":
        """Fit to features and lives.

        Parameters
        ----------
        X : (n_samples, n_features)
            Features; NaN where missing.
        y : (n_samples,)
            Remaining lives, zero or more.

        Returns
        -------
        RemainingLifeRegressor
            This object.

        Raises
        ------
        ValueError
            For infinite features, or negative lives.
        UsageError
            For an unknown kind or parameter.
        ModelError
            If the learner cannot be fitted to these samples.
        """
        x, y = self._checked_to_fit(X, y, numeric=True)
        if (y < 0).any():
            raise ValueError(f"Negative values in data passed to y: a remaining life of {y.min():g}")
        self.model_ = self._fitted(x, np.minimum(y, self._longest).astype(np.float64))
        return self

    def predict(self, X: Any) -> Matrix:
        """Predict lives from zero to the cap, shape (n_samples,)."""
        return np.clip(self._predicted(X), 0.0, self._longest)

    def __sklearn_tags__(self) -> Tags:
        """Say that no life is negative."""
        tags: Tags = super().__sklearn_tags__()
        tags.target_tags.positive_only = True
        return tags

    @property
    def _longest(self) -> float:
        return np.inf if self.cap is None else float(self.cap)
