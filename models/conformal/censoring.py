"""Weights of the samples whose outcome was observed, so that they stand for those whose outcome was not.

References
----------
Robins & Finkelstein, "Correcting for noncompliance and dependent censoring ... with inverse probability of censoring
weighted (IPCW) log-rank tests", Biometrics 56 (2000), doi:10.1111/j.0006-341X.2000.00779.x. Candes, Lei & Ren,
"Conformalized survival analysis", JRSS-B 85 (2023), doi:10.1093/jrsssb/qkac004. Kaplan & Meier, JASA 53 (1958),
doi:10.1080/01621459.1958.10501452.
"""

import numpy as np
import numpy.typing as npt

Vector = npt.NDArray[np.float64]
Rows = npt.NDArray[np.bool_]


def observation_weights(followed: Vector, observed: Rows, weight: Vector) -> Vector:
    """Weight n samples by 1 / P(not censored before its outcome), estimated by Kaplan and Meier; 0 where censored.

    Takes how long each was followed up to its outcome, observed or not, and the weight of each sample. Censoring must
    not depend on the outcome among these samples: they are of one life stage. The weights sum to those given: what no
    sample with a later outcome can stand for stays with those censored last.

    Examples
    --------
    >>> observation_weights(np.array([1.0, 2.0, 3.0]), np.array([True, False, True]), np.ones(3))
    array([1., 0., 2.])
    >>> observation_weights(np.array([1.0, 2.0, 3.0]), np.array([True, False, False]), np.ones(3))
    array([1., 1., 1.])
    """
    if observed.all():
        return weight.copy()
    # At one instant outcomes come before censoring, so that what was just censored was still at risk.
    order = np.lexsort((~observed, followed))
    at_risk = np.cumsum(weight[order][::-1])[::-1]
    last = np.flatnonzero(observed[order]).max(initial=-1)
    stands = observed[order] | (np.arange(len(order)) > last)
    censored = np.where(stands, 0.0, weight[order])
    kept = np.where(at_risk > 0, 1.0 - censored / np.maximum(at_risk, np.finfo(float).tiny), 1.0)
    before = np.concatenate([[1.0], np.cumprod(kept)[:-1]])
    weights = np.empty(len(followed))
    weights[order] = np.where(stands, weight[order] / np.maximum(before, np.finfo(float).tiny), 0.0)
    return weights
