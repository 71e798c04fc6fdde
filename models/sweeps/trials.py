"""Trials of a search, when one is stopped early, and which one is chosen.

References
----------
Breiman, Friedman, Olshen & Stone, *Classification and Regression Trees* (1984), section 3.4.3; Hastie, Tibshirani &
Friedman, *The Elements of Statistical Learning* (2009), section 7.10 (one standard error). Golovin et al., "Google
Vizier", KDD (2017), doi:10.1145/3097983.3098043, section 3.2.2 (stopping what is worse than the median so far).
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from models.experiment.sweep_plan import SearchMetric
from models.sweeps.search_metrics import HIGHER_IS_BETTER

TrialState = Literal["complete", "pruned", "failed"]
_FEWEST_FOLDS = 2
_FEWEST_TRIALS = 5


@dataclass(frozen=True)
class Trial:
    """A configuration and its scores on the folds by asset, as far as it was judged; number 0 changes nothing."""

    number: int
    params: Mapping[str, Any]  # the values of the space's keys
    state: TrialState
    scores: tuple[float, ...]  # the metric on each fold, in their order; NaN where it says nothing
    columns: int = 0  # the most columns of a fold's model
    size: int = 0  # the most leaves, or coefficients, of a fold's model
    seconds: float = 0.0
    reason: str = ""  # why it failed

    @property
    def score(self) -> float:
        """The mean over the folds that were judged; NaN without any."""
        return float(np.nanmean(self.scores)) if np.isfinite(self.scores).any() else float("nan")

    @property
    def error(self) -> float:
        """The standard error of the mean, with the folds of assets as its independent parts."""
        known = np.asarray(self.scores)[np.isfinite(self.scores)]
        return float(known.std(ddof=1) / np.sqrt(len(known))) if len(known) > 1 else 0.0

    def to_json(self) -> str:
        """Write the trial as JSON."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "Trial":
        """Read what `to_json` wrote."""
        content = json.loads(text)
        return cls(**{**content, "scores": tuple(content["scores"])})


def losses(metric: SearchMetric, scores: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Return scores so that less is better."""
    values = np.asarray(scores, dtype=np.float64)
    return -values if metric in HIGHER_IS_BETTER else values


def is_hopeless(metric: SearchMetric, scores: Sequence[float], others: Sequence[Sequence[float]]) -> bool:
    """Return whether a trial may stop after its first folds, given the scores of the complete ones.

    It may where it is worse there than the median of the others, and by more than one standard error worse than the
    best of them: it would not be chosen. Two folds and five other trials are the least to go by.
    """
    n = len(scores)
    if n < _FEWEST_FOLDS or len(others) < _FEWEST_TRIALS or not np.isfinite(scores).any():
        return False
    first = [losses(metric, other[:n]) for other in others]
    means = np.array([np.nanmean(own) if np.isfinite(own).any() else np.inf for own in first])
    best = Trial(0, {}, "complete", tuple(first[int(means.argmin())]))
    own = float(np.nanmean(losses(metric, scores)))
    return bool(own > np.median(means) and own > best.score + best.error)


def best_trial(trials: Sequence[Trial], metric: SearchMetric) -> Trial | None:
    """Return the complete trial with the best mean; the first of equals, None without any."""
    complete = [trial for trial in trials if trial.state == "complete" and np.isfinite(trial.score)]
    return min(complete, key=lambda trial: (float(losses(metric, trial.score)), trial.number), default=None)


def choose_trial(trials: Sequence[Trial], metric: SearchMetric, choice: Literal["simplest", "best"]) -> Trial | None:
    """Return the simplest trial within one standard error of the best one, or the best; None without a complete one.

    Simpler is one with fewer columns, then with fewer leaves or coefficients, then with the better mean.
    """
    best = best_trial(trials, metric)
    if best is None or choice == "best":
        return best
    limit = float(losses(metric, best.score)) + best.error
    close = [
        trial
        for trial in trials
        if trial.state == "complete" and np.isfinite(trial.score) and float(losses(metric, trial.score)) <= limit
    ]
    return min(close, key=lambda each: (each.columns, each.size, float(losses(metric, each.score)), each.number))
