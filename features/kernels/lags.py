"""Lagged products of a series with itself, shared by correlation and autoregression.

Not a family of its own: it has no calculators, only a stage.
"""

import numpy as np

from features.kernels.arithmetic.lagged_products import GROUP, lagged_products
from features.kernels.block import Block, FloatArray, stage


class LaggedProducts:
    """The lagged products of series (n, samples), as many as have been requested.

    The table grows by whole groups, so that a product does not depend on how many lags other calculators requested.
    """

    def __init__(self, series: FloatArray) -> None:
        self.series = series
        self._products: FloatArray = np.empty((len(series), 0))

    def upto(self, lag: int) -> FloatArray:
        """Return the products ``sum(x[t] x[t+h])`` in column h, (n, lag + 1 or more)."""
        known = self._products.shape[1]
        missing = lag + 1 - known
        if missing > 0:
            more = np.empty((len(self.series), -(-missing // GROUP) * GROUP))
            lagged_products(self.series, known, more)
            self._products = np.ascontiguousarray(np.hstack([self._products, more])) if known else more
        return self._products


@stage
def products_of_centred(block: Block) -> LaggedProducts:
    """Return the lagged products of the series less their means."""
    return LaggedProducts(block.centred)
