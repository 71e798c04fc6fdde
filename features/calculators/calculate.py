"""Features of series of one length, in one call."""

from collections.abc import Sequence

import numpy as np

from features.calculators.plan import plan_for
from features.kernels.block import FloatArray


def calculate(values: FloatArray, features: Sequence[str]) -> FloatArray:
    """Compute features of series (n, samples) of one length, (n, n_features); NaN throughout without samples.

    A row's values depend on that row alone, bit for bit, whatever else is in the block.
    """
    if values.size == 0 or not features:
        return np.full((len(values), len(features)), np.nan)
    return np.ascontiguousarray(plan_for(tuple(features), values.shape[1]).run(values).T)
