"""From series of one length to their features, in one call."""

from collections.abc import Sequence

import numpy as np

from features.calculators.plan import plan_for
from features.kernels.block import FloatArray


def calculate(values: FloatArray, features: Sequence[str]) -> FloatArray:
    """Compute features of series of one length.

    A row's values depend on that row alone, bit for bit, whatever else is in the block.

    Parameters
    ----------
    values : (n, samples)
        One series a row.
    features
        Names without the kind.

    Returns
    -------
    (n, len(features)) array
        NaN throughout when there are no samples.
    """
    if values.size == 0 or not features:
        return np.full((len(values), len(features)), np.nan)
    return np.ascontiguousarray(plan_for(tuple(features), values.shape[1]).run(values).T)
