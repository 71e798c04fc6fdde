"""Which of many slices (plants, asset models) are worse than promised, when all are tested at once.

The e-BH procedure holds the expected share of false discoveries among those made at or below alpha, however the slices
depend on each other: the same storm may hit all plants.

References
----------
R. Wang, A. Ramdas, False discovery rate control with e-values, Journal of the Royal Statistical Society B, 2022,
arXiv 2009.02824.
"""

import numpy as np
import numpy.typing as npt

from data_contracts.errors import UsageError


def e_bh(log_e_values: npt.ArrayLike, alpha: float) -> npt.NDArray[np.bool_]:
    """Choose the discoveries among many e-values, with the false discovery rate held at alpha.

    The k largest of n e-values are discoveries when the smallest of them is n / (k alpha) or more; the largest such k
    counts.

    Parameters
    ----------
    log_e_values : array_like
        (n,) natural logs, as `log_e_value` of an e-process gives them. Neither the highest value so far nor that of an
        e-detector is an e-value.
    alpha : float
        Bound on the expected share of false ones among the discoveries, between 0 and 1.

    Returns
    -------
    np.ndarray
        (n,) whether each is a discovery.

    Raises
    ------
    UsageError
        When alpha is no such number, or a value is not a number.

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
    places = np.arange(values.size) + 1
    enough = np.flatnonzero(values[order] >= np.log(values.size / (places * alpha)))
    found = np.zeros(values.size, dtype=np.bool_)
    if enough.size:
        found[order[: enough[-1] + 1]] = True
    return found
