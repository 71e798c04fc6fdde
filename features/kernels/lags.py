"""Products of a series with itself some samples later: what correlation and regression on the past have in common.

Not a family of its own: it has no calculators, only a stage.
"""

import numpy as np

from features.kernels.arithmetic.lagged_products import GROUP, lagged_products
from features.kernels.block import Block, FloatArray, stage


class LaggedProducts:
    """Hold the lagged products of some series, as many as have been asked for.

    The table grows by whole groups, so that a product does not depend on how many lags somebody else has asked for.

    Parameters
    ----------
    series : (n, samples)
        One series a row.
    """

    def __init__(self, series: FloatArray) -> None:
        self.series = series
        self._products: FloatArray = np.empty((len(series), 0))

    def upto(self, lag: int) -> FloatArray:
        """Give the products of lags 0 ... lag, and perhaps a few more.

        Parameters
        ----------
        lag
            The largest lag wanted.

        Returns
        -------
        (n, lag + 1 or more) array
            ``sum(x[t] x[t+h])`` in column h.
        """
        known = self._products.shape[1]
        missing = lag + 1 - known
        if missing > 0:
            more = np.empty((len(self.series), -(-missing // GROUP) * GROUP))
            lagged_products(self.series, known, more)
            self._products = np.ascontiguousarray(np.hstack([self._products, more])) if known else more
        return self._products


@stage
def products_of_centred(block: Block) -> LaggedProducts:
    """Give the lagged products of the series less their means."""
    return LaggedProducts(block.centred)
