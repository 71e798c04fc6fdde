"""The distribution of the unit root test's statistic: MacKinnon's table.

References
----------
MacKinnon (1994), "Approximate asymptotic distribution functions for unit-root and cointegration tests",
doi:10.2307/1391481.
"""

import math

from features.kernels.compilation import compiled

# MacKinnon's response surface for a constant and one variable: beyond the ends the p-value is 0 or 1, between them two
# polynomials (highest power first) meet at the bend.
_LEFT_END, _BEND, _RIGHT_END = -18.83, -1.61, 2.74
_LEFT_OF_BEND = (3.8269e-2, 1.4412, 2.1659)
_RIGHT_OF_BEND = (-1.0368e-2, -1.2745e-1, 9.3202e-1, 1.7339)

# A statistic this near to a step of the table may fall on either side of it.
_NEAR = 1e-6


@compiled
def mackinnon_p_value(statistic: float) -> float:
    """Compute the asymptotic p-value of the test with a constant."""
    if statistic > _RIGHT_END:
        return 1.0
    if statistic < _LEFT_END:
        return 0.0
    quantile = 0.0
    # Tables of different lengths are different types: one loop for each.
    if statistic <= _BEND:
        for coefficient in _LEFT_OF_BEND:
            quantile = quantile * statistic + coefficient
    else:
        for coefficient in _RIGHT_OF_BEND:
            quantile = quantile * statistic + coefficient
    return 0.5 * math.erfc(-quantile / math.sqrt(2.0))


@compiled
def is_near_a_threshold(statistic: float) -> bool:
    """Whether the p-value may fall on either side of a step in its table."""
    near = abs(statistic - _LEFT_END) < _NEAR or abs(statistic - _BEND) < _NEAR
    return near or abs(statistic - _RIGHT_END) < _NEAR
