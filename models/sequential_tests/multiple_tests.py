"""e-BH: which of many slices (plants, asset models) are worse than promised, when all are tested at once.

The procedure bounds the false discovery rate by alpha however the slices depend on each other: the same storm may hit
all plants.

References
----------
R. Wang, A. Ramdas, False discovery rate control with e-values, Journal of the Royal Statistical Society B, 2022,
arXiv 2009.02824.
"""

import numpy as np
import numpy.typing as npt

from data_contracts.errors import UsageError


def e_bh(log_e_values: npt.ArrayLike, alpha: float) -> npt.NDArray[np.bool_]:
    """Return which of n natural-log e-values, (n,), are discoveries at false discovery rate alpha.

    The k largest of n e-values are discoveries when the smallest of them is n / (k alpha) or more; the largest such k
    counts. Neither the highest value an e-process has had so far nor the evidence of an e-detector is an e-value.

    Examples
    --------
    >>> e_bh(np.log([90.0, 2.0, 50.0, 0.1]), alpha=0.05).tolist()
    [True, False, True, False]
    """
    if not 0 < alpha < 1:
        raise UsageError(f"alpha is {alpha}", "a number between 0 and 1", "Give the share of false discoveries.")
    values = np.asarray(log_e_values, dtype=np.float64)
    if values.ndim != 1 or np.isnan(values).any():
        raise UsageError(
            f"log e-values of the shape {values.shape}, {np.isnan(values).sum()} of them not a number",
            "one number for each test",
            "Leave out the tests that have no evidence, or give them the log e-value 0.",
        )
    order = np.argsort(-values, kind="stable")
    ranks = np.arange(values.size) + 1
    large_enough = np.flatnonzero(values[order] >= np.log(values.size / (ranks * alpha)))
    discoveries = np.zeros(values.size, dtype=np.bool_)
    if large_enough.size:
        discoveries[order[: large_enough[-1] + 1]] = True
    return discoveries
