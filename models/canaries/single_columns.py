"""One column that is the answer: no sensor alone tells failures, or hours of life, almost without error."""

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
from scipy.stats import rankdata

from models.canaries.report import LEAK, SUSPICION, Finding
from models.canaries.small_model import Matrix, roc_auc, score_folds

# Rank tests choose the columns for which a model is fitted: a thousand fits would take longer than the training.
_CANDIDATES = 3
_PERFECT_RANKING, _PERFECT_FIT = 0.995, 0.985
_FOLDS = 3
_FEWEST = 20


def answer_findings(
    x: Matrix, y: Matrix, columns: Sequence[str], assets: npt.NDArray[np.str_], *, target: str, seed: int
) -> Iterator[Finding]:
    """Test whether one column alone predicts the target, on assets that it was not fitted to for numbers.

    A near-perfect ranking of failures may be honest, where a part has a fixed life, so that it is a suspicion; a
    condition may be measured twice. Hours of life to within a few hundredths of their variance are written by hand.
    """
    if len(y) < _FEWEST or np.ptp(y) == 0:
        return
    if target == "failure":
        ranked = [(ranking(x[:, number], y), name) for number, name in enumerate(columns)]
        best, name = max(ranked)
        if best >= _PERFECT_RANKING:
            words = f"{name} alone ranks failures almost without error (ROC AUC {best:.4f})"
            yield Finding("answer", SUSPICION, words, (name,))
        return
    best, name = max(_fits(x, y, columns, assets, seed), default=(0.0, ""))
    if best >= _PERFECT_FIT:
        life = target == "remaining_life"
        what = "the remaining life" if life else "the condition"
        words = f"{name} alone gives {what} of assets not seen almost without error (R² {best:.4f})"
        yield Finding("answer", LEAK if life else SUSPICION, words, (name,))


def ranking(values: Matrix, y: Matrix) -> float:
    """Return the ROC AUC of a column alone, in the better direction, missing values first or last."""
    best = 0.5
    for missing in (-np.inf, np.inf) if np.isnan(values).any() else (0.0,):
        area = roc_auc(y, np.where(np.isnan(values), missing, values))
        best = max(best, area, 1.0 - area)
    return float(best)


def _fits(
    x: Matrix, y: Matrix, columns: Sequence[str], assets: npt.NDArray[np.str_], seed: int
) -> Iterator[tuple[float, str]]:
    target = rankdata(y)
    related = []
    for column in x.T:
        ranks = rankdata(np.where(np.isnan(column), -np.inf, column))
        related.append(0.0 if np.ptp(ranks) == 0 else abs(np.corrcoef(ranks, target)[0, 1]))
    names, of_asset = np.unique(assets, return_inverse=True)
    fold = np.random.default_rng(seed).permutation(np.arange(len(names)) % _FOLDS)[of_asset]
    for place in np.argsort(related)[::-1][:_CANDIDATES]:
        folds = ((fold != number, fold == number) for number in range(_FOLDS))
        yield score_folds(x[:, [place]], y, folds, binary=False, seed=seed), columns[place]
