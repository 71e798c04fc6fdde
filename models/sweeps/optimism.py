"""How much better the chosen configuration looked to the search than it is on the test: inner minus outer.

References
----------
Cawley & Talbot, "On over-fitting in model selection and subsequent selection bias in performance evaluation", JMLR 11
(2010), section 5. Efron & Tibshirani, *An Introduction to the Bootstrap* (1993), chapter 13 (percentile intervals).
Field & Welsh, "Bootstrapping clustered data", JRSS-B 69 (2007), doi:10.1111/j.1467-9868.2007.00593.x (drawing assets).
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from models.experiment.sweep_plan import SearchMetric
from models.labels.labels import LabelState
from models.sweeps.search_metrics import HIGHER_IS_BETTER, measure
from models.training.holdout_evaluation import true_numbers
from models.training.training import Trained

Vector = npt.NDArray[np.float64]
_DRAWS = 400
_LEVEL = 0.95


@dataclass(frozen=True)
class Scored:
    """Predictions with the truth, of samples of assets."""

    asset: npt.NDArray[np.str_]
    truth: Vector
    predicted: Vector

    def of_known(self) -> "Scored":
        """Leave out what was not predicted, or is not known."""
        known = ~np.isnan(self.truth) & ~np.isnan(self.predicted)
        return Scored(self.asset[known], self.truth[known], self.predicted[known])


@dataclass(frozen=True)
class Optimism:
    """The metric on the held-out assets of the training period and on the test, both over all samples at once."""

    metric: SearchMetric
    inner: float
    outer: float
    low: float  # of inner minus outer, at 95%
    high: float

    @property
    def difference(self) -> float:
        """Inner minus outer."""
        return self.inner - self.outer

    @property
    def sentence(self) -> str:
        """Say what the difference means."""
        better = self.difference > 0 if self.metric in HIGHER_IS_BETTER else self.difference < 0
        found = f"inner minus outer {self.metric} {self.difference:.4g} (95% {self.low:.4g} to {self.high:.4g})"
        if not np.isfinite([self.low, self.high]).all():
            return f"{found}: too few assets to say more"
        if self.low <= 0.0 <= self.high:
            return f"{found}: no optimism can be told from chance"
        return f"{found}: the search looked {'better' if better else 'worse'} than the test"


def optimism(metric: SearchMetric, inner: Scored, outer: Scored) -> Optimism:
    """Compare a metric inside and outside, with the interval of the difference by drawing assets with replacement.

    Assets that are in both are drawn together, others apart.
    """
    inner, outer = inner.of_known(), outer.of_known()
    inside, outside = np.unique(inner.asset), np.unique(outer.asset)
    rng, differences = np.random.default_rng(0), []
    for _ in range(_DRAWS):
        weights = _draw(rng, inside, outside)
        values = [
            measure(metric, part.truth, part.predicted, own.reindex(part.asset).to_numpy(np.float64))
            for part, own in zip((inner, outer), weights, strict=True)
        ]
        differences.append(values[0] - values[1])
    tail = (1.0 - _LEVEL) / 2
    known = [value for value in differences if np.isfinite(value)]
    low, high = np.quantile(known, [tail, 1.0 - tail]) if len(known) > _DRAWS // 2 else (np.nan, np.nan)
    whole = (measure(metric, part.truth, part.predicted) for part in (inner, outer))
    return Optimism(metric, *whole, float(low), float(high))


def _draw(
    rng: np.random.Generator, inside: npt.NDArray[np.str_], outside: npt.NDArray[np.str_]
) -> tuple["pd.Series[int]", "pd.Series[int]"]:
    """Draw how often each asset counts."""
    groups = [np.union1d(inside, outside)] if np.intersect1d(inside, outside).size else [inside, outside]
    drawn = [pd.Series(rng.multinomial(len(own), np.full(len(own), 1 / len(own))), own) for own in groups]
    return drawn[0], drawn[-1]


def scored_test(trained: Trained) -> Scored:
    """Return the test predictions of a trained model, every cut-off whose truth is known."""
    frame = trained.evaluation.predictions
    if trained.experiment.target == "failure":
        decided = frame["state"].isin([LabelState.POSITIVE, LabelState.NEGATIVE])
        truth = (frame["state"] == LabelState.POSITIVE).astype(np.float64).where(decided).to_numpy(np.float64)
    else:
        truth = true_numbers(trained.experiment, frame)
    return Scored(frame["asset"].to_numpy(dtype=str), truth, frame["prediction"].to_numpy(np.float64))
