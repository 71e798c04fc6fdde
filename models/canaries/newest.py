"""Skill that goes with the newest readings: the model is asked again without what became known last.

A failure announces itself over more than a small part of the horizon. Where the last prediction before each failure is
excellent and, told a little less, no better than chance, the model reads the failure itself: a machine that stands
still before its breakdown is booked, a record that is entered with it.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy.stats import wilcoxon

from models.canaries.report import LEAK, Finding
from models.canaries.small_model import Matrix, score

FEWEST = 8
"""Failures before which nothing is said."""
_GOOD, _GONE = 0.8, 0.5
_ERROR = 0.01


@dataclass(frozen=True)
class NewestScores:
    """The model's scores of the last cut-off before each failure and of others, on time and told later."""

    failing: tuple[Matrix, Matrix]  # on time, and without the newest span: (n_failures,) each
    others: tuple[Matrix, Matrix]  # (n_others,) each

    def ranking(self, late: int) -> float:
        """Return the ROC AUC of failing against others, on time (0) or late (1)."""
        failing, others = self.failing[late], self.others[late]
        y = np.concatenate([np.ones(len(failing)), np.zeros(len(others))])
        return score(y, np.concatenate([failing, others]), binary=True)


def newest_figures(scores: NewestScores) -> dict[str, float]:
    """Return how the last predictions before failures rank, on time and late."""
    figures = {"last_on_time": scores.ranking(0), "last_late": scores.ranking(1)}
    return {name: value for name, value in figures.items() if not np.isnan(value)}


def newest_findings(scores: NewestScores, span: str) -> Iterator[Finding]:
    """Say so where the model's skill goes with the newest span."""
    on_time, late = scores.ranking(0), scores.ranking(1)
    if len(scores.failing[0]) < FEWEST or not on_time >= _GOOD or late - 0.5 > _GONE * (on_time - 0.5):
        return
    fell = scores.failing[0] - scores.failing[1]
    if not fell.any() or wilcoxon(fell, alternative="greater").pvalue >= _ERROR:
        return
    words = f"told {span} later, its last predictions before failures rank by {late:.3f} in place of {on_time:.3f} "
    yield Finding("newest", LEAK, words + "(ROC AUC): it reads the failure itself")
