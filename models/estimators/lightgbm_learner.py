"""LightGBM as a deterministic learner: one booster, or the average of several."""

from collections.abc import Mapping
from typing import Any, Final

import lightgbm
import numpy as np
import numpy.typing as npt

from data_contracts.errors import UsageError, did_you_mean
from models.estimators.averaged_boosters import average_boosters
from models.estimators.targets import Target

Matrix = npt.NDArray[np.float64]

_EXACT: Final = {"num_threads": 1, "deterministic": True, "force_row_wise": True, "verbosity": -1}
_DEFAULTS: Final = {"n_estimators": 300, "learning_rate": 0.05, "num_leaves": 31, "min_child_samples": 20}
# LightGBM ignores a parameter it does not know, so a misspelt one would go unnoticed.
_PARAMETERS: Final = (
    "bagging_fraction",
    "bagging_freq",
    "boosting",
    "colsample_bytree",
    "drop_rate",
    "extra_trees",
    "feature_fraction",
    "feature_fraction_bynode",
    "is_unbalance",
    "lambda_l1",
    "lambda_l2",
    "learning_rate",
    "max_bin",
    "max_delta_step",
    "max_depth",
    "max_drop",
    "min_child_samples",
    "min_child_weight",
    "min_data_in_leaf",
    "min_gain_to_split",
    "min_split_gain",
    "min_sum_hessian_in_leaf",
    # By number of column: from [estimator.monotone], which names them.
    "monotone_constraints",
    "monotone_constraints_method",
    "monotone_penalty",
    "n_boosters",
    "n_estimators",
    "neg_bagging_fraction",
    "num_leaves",
    "objective",
    "other_rate",
    "path_smooth",
    "pos_bagging_fraction",
    "reg_alpha",
    "reg_lambda",
    "scale_pos_weight",
    "skip_drop",
    "subsample",
    "subsample_freq",
    "top_rate",
)


class LightGBM:
    """A LightGBM learner that gives the same bits each time it is fitted.

    Parameters are LightGBM's, with ``n_estimators`` for the number of trees and ``n_boosters`` (1 by default): that
    many boosters are fitted, alike but for their seeds, and their scores (hours, or log-odds) averaged. This pays
    where a booster samples much at random, and multiplies the cost of fitting and predicting.
    """

    def __init__(self, target: Target, params: Mapping[str, Any], seed: int) -> None:
        _refuse_unknown(params)
        self._arguments = target, params, seed
        objective = "binary" if target == "failure" else "regression"
        self._params = {"objective": objective, **_DEFAULTS, **params, **_EXACT}
        self._trees = int(self._params.pop("n_estimators"))
        self.seeds = _seeds(seed, self._params.pop("n_boosters", 1))
        self.text = ""

    def single_booster(self) -> "LightGBM":
        """Return the same learner, unfitted, with one booster only."""
        target, params, seed = self._arguments
        return LightGBM(target, {**params, "n_boosters": 1}, seed)

    def fit(self, x: Matrix, y: Matrix) -> "LightGBM":
        """Fit the trees, with columns named f0, f1, ... since LightGBM refuses tsfresh's names."""
        return self.read(average_boosters([self.booster_text(x, y, seed) for seed in self.seeds]))

    def booster_text(self, x: Matrix, y: Matrix, seed: int) -> str:
        """Fit one booster with a seed, and return its LightGBM text."""
        names = [f"f{i}" for i in range(x.shape[1])]
        data = lightgbm.Dataset(x, label=y, feature_name=names, free_raw_data=True)
        booster = lightgbm.train({**self._params, "seed": seed}, data, num_boost_round=self._trees)
        return str(booster.model_to_string())

    def read(self, text: str) -> "LightGBM":
        """Load the trees from LightGBM's text, also after fitting: the fitted model is the one that would be loaded."""
        self.text = text
        self.booster = lightgbm.Booster(model_str=text)
        return self

    def predict(self, x: Matrix) -> Matrix:
        """Predict hours, a condition, or the probability of a failure; shape (n_rows,)."""
        return np.asarray(self.booster.predict(x, num_threads=1), dtype=np.float64)

    @property
    def feature_importances_(self) -> Matrix:
        """Return the gain of each column, shape (n_columns,)."""
        return np.asarray(self.booster.feature_importance("gain"), dtype=np.float64)


def _refuse_unknown(params: Mapping[str, Any]) -> None:
    for name in params:
        if name not in _PARAMETERS:
            hint = did_you_mean(name, _PARAMETERS) or "Remove it"
            raise UsageError(f"unknown estimator.params.{name}", "a parameter of lightgbm", hint)


def _seeds(seed: int, n_boosters: Any) -> list[int]:
    """Derive the boosters' seeds; more boosters begin with the seeds of fewer."""
    if not isinstance(n_boosters, int) or isinstance(n_boosters, bool) or n_boosters < 1:
        raise UsageError(
            f"estimator.params.n_boosters is {n_boosters!r}", "a whole number from 1 on", "Fix or remove it"
        )
    # Far apart, so that models fitted with neighbouring seeds, to measure the effect of chance, share no booster.
    derived = np.random.SeedSequence(seed % 2**32).generate_state(n_boosters - 1) >> 1
    return [seed, *derived.tolist()]
