"""Fitting a mode model to failures: a multinomial logistic regression, its penalty chosen over held-out assets.

Failures are few, so every failure counts once, however many cut-offs it follows, and the coefficients are penalised.
The strongest penalty leaves the shares of the modes in training, so where the features say nothing nothing is made up.

References
----------
Tutz & Schmid, *Modeling Discrete Time-to-Event Data* (2016), section 8.1 (the multinomial logit model of competing
risks) and 7.1 (its penalised estimation). Hastie, Tibshirani & Friedman, *The Elements of Statistical Learning* (2009),
section 18.3.2 (penalised multinomial regression). Liu & Nocedal, "On the limited memory BFGS method for large scale
optimization", Mathematical Programming 45 (1989), doi:10.1007/BF01589116.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # scikit-learn brings it; it has no types

from models.failure_modes.mode_labels import OTHER, ModeLabels
from models.failure_modes.mode_model import ModeModel, softmax, standardise

Matrix = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

# From the shares of the modes alone to hardly any penalty; each fit begins where the one before ended.
_PENALTIES = (1000.0, 100.0, 30.0, 10.0, 3.0, 1.0, 0.3, 0.1)
_FOLDS = 5
# The penalty of intercepts only keeps them finite where a mode is missing in a fold.
_OF_INTERCEPTS = 1e-3
_LEAST = 1e-12
_FEWEST_ASSETS = 2


@dataclass(frozen=True)
class _Failures:
    """Cut-offs before failures: features, modes as shares, weights that add up to 1 for each failure, assets."""

    x: Matrix  # (n, n_features)
    shares: Matrix  # (n, n_modes)
    weight: Matrix  # (n,)
    asset: Integers  # (n,), numbers

    def rows(self, which: npt.NDArray[np.bool_]) -> "_Failures":
        return _Failures(self.x[which], self.shares[which], self.weight[which], self.asset[which])

    def moments(self) -> tuple[Matrix, Matrix]:
        """Return the weighted mean and the deviation of each feature; 0 and 1 for one that is never known."""
        known = np.where(np.isnan(self.x), 0.0, self.weight[:, None])
        total, values = np.maximum(known.sum(axis=0), _LEAST), np.nan_to_num(self.x)
        mean = (known * values).sum(axis=0) / total
        deviation = np.sqrt((known * (values - mean) ** 2).sum(axis=0) / total)
        return mean, np.where(deviation > _LEAST, deviation, 1.0)


def modes_to_tell_apart(labels: ModeLabels, min_failures: int) -> tuple[str, ...]:
    """Return the modes that enough training failures name, and `OTHER` for the rest; none if that is only one."""
    failures = labels.failures()
    frequent = tuple(mode for mode, count in failures.items() if count >= min_failures and mode != OTHER)
    modes = frequent if len(frequent) == len(failures) else (*frequent, OTHER)
    return modes if len(modes) > 1 else ()


def fit_mode_model(
    x: Matrix, labels: ModeLabels, asset: Sequence[str], *, min_failures: int, seed: int
) -> ModeModel | None:
    """Fit the mode model to cut-offs that a failure followed: features (n, n_features), labels and assets of the same.

    Cut-offs before a failure without a mode do not count. None where there are not two modes to tell apart, each
    with at least `min_failures`.
    """
    modes = modes_to_tell_apart(labels, min_failures)
    if not modes:
        return None
    known = labels.event >= 0
    weight = 1.0 / np.bincount(labels.event[known])[labels.event[known]]
    numbers = np.unique(np.asarray(asset, dtype=str), return_inverse=True)[1].astype(np.int64)
    failures = _Failures(x[known], labels.shares(modes)[known], weight, numbers[known])
    with threadpool_limits(limits=1):
        penalty = _choose_penalty(failures, seed)
        coefficients, intercepts = _path(failures, penalty)[-1]
    mean, scale = failures.moments()
    counts = (failures.shares > 0).astype(np.float64) * weight[:, None]
    return ModeModel(
        modes=modes,
        failures=tuple(round(count) for count in counts.sum(axis=0).tolist()),
        mean=tuple(mean.tolist()),
        scale=tuple(scale.tolist()),
        coefficients=tuple(map(tuple, coefficients.tolist())),
        intercepts=tuple(intercepts.tolist()),
        penalty=penalty,
    )


def _choose_penalty(failures: _Failures, seed: int) -> float:
    """Return the penalty with the least log loss on assets held out; the strongest of equal ones, or with one asset."""
    assets = np.random.default_rng(seed).permutation(np.unique(failures.asset))
    if len(assets) < _FEWEST_ASSETS:
        return _PENALTIES[0]
    loss = np.zeros(len(_PENALTIES))
    for group in np.array_split(assets, min(_FOLDS, len(assets))):
        held_out = np.isin(failures.asset, group)
        learned, tested = failures.rows(~held_out), failures.rows(held_out)
        x = standardise(tested.x, *learned.moments())
        for place, (coefficients, intercepts) in enumerate(_path(learned)):
            predicted = softmax(x @ coefficients.T + intercepts)
            loss[place] -= (tested.weight[:, None] * tested.shares * np.log(np.maximum(predicted, _LEAST))).sum()
    return _PENALTIES[int(np.argmin(loss))]


def _path(failures: _Failures, until: float = _PENALTIES[-1]) -> list[tuple[Matrix, Matrix]]:
    """Fit coefficients (n_modes, n_features) and intercepts (n_modes,) for each penalty down to `until`."""
    x = standardise(failures.x, *failures.moments())
    n_modes, n_features = failures.shares.shape[1], x.shape[1]
    solution, fitted = np.zeros(n_modes * (n_features + 1)), []
    for penalty in (each for each in _PENALTIES if each >= until):
        solution = minimize(
            _loss, solution, (x, failures, penalty), jac=True, method="L-BFGS-B", options={"maxiter": 200}
        ).x
        split = n_modes * n_features
        fitted.append((solution[:split].reshape(n_modes, n_features), solution[split:]))
    return fitted


def _loss(solution: Matrix, x: Matrix, failures: _Failures, penalty: float) -> tuple[float, Matrix]:
    """Return the penalised log loss and its gradient."""
    n_modes, split = failures.shares.shape[1], failures.shares.shape[1] * x.shape[1]
    coefficients, intercepts = solution[:split].reshape(n_modes, -1), solution[split:]
    predicted = softmax(x @ coefficients.T + intercepts)
    log_loss = -(failures.weight[:, None] * failures.shares * np.log(np.maximum(predicted, _LEAST))).sum()
    penalties = penalty * (coefficients**2).sum() + _OF_INTERCEPTS * (intercepts**2).sum()
    error = failures.weight[:, None] * (predicted - failures.shares)
    slope = (error.T @ x + penalty * coefficients).ravel()
    return float(log_loss + penalties / 2), np.concatenate([slope, error.sum(axis=0) + _OF_INTERCEPTS * intercepts])
