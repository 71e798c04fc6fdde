"""Whether one of two models is cheaper, tested exactly: under the null their errors could have been each other's.

If neither model is better, what one costs on an asset could as well have been what the other costs there: the sign of
the difference is as likely plus as minus. So the sum of the differences is compared with its distribution over random
signs, asset by asset. The test keeps its level whatever the distribution of the differences, however few there are.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Vector = npt.NDArray[np.float64]
_ENUMERATED = 12
"""Up to so many assets that differ, all signs are enumerated."""
_BATCH = 256


@dataclass(frozen=True)
class SignFlips:
    """The result of the test that the first of two models is cheaper."""

    p_value: float  # of a sum as low as the one seen, or lower
    # Probability, were neither better, of a p-value within the alpha that was allowed: below alpha, because few assets
    # with few costs have few different sums. It depends on the sizes of the differences only, not on their signs.
    size: float

    def rejects(self, alpha: float) -> bool:
        """Return whether the first model is found to be cheaper."""
        return self.p_value <= alpha


def sign_flips(differences: Vector, *, alpha: float, draws: int, seed: int) -> SignFlips:
    """Test whether differences, one an asset, negative where the first model is cheaper, add up to less than zero.

    Examples
    --------
    With four assets that differ, all in favour of one model, nothing below 1 / 2 ** 4 can be reached:

    >>> sign_flips(np.array([-1.0, -1.0, -1.0, -1.0, 0.0]), alpha=0.1, draws=1000, seed=0)
    SignFlips(p_value=0.0625, size=0.0625)

    References
    ----------
    .. [1] R. A. Fisher, *The Design of Experiments* (1935), section 21.
    .. [2] B. Phipson & G. K. Smyth, "Permutation p-values should never be zero", Statistical Applications in Genetics
       and Molecular Biology 9 (2010) 39 (the one that is added to both counts), doi:10.2202/1544-6115.1585.
    """
    sizes = np.abs(differences[differences != 0.0])
    exact = len(sizes) <= _ENUMERATED
    sums = _all_sums(sizes) if exact else _random_sums(sizes, draws, seed)
    # Sums of the same costs in another order differ in the last bits.
    slack = 1e-9 * max(float(sizes.sum()), 1.0)
    ordered, added = np.sort(sums), 0 if exact else 1
    count = len(ordered) + added

    def p_values(values: Vector) -> Vector:
        below = np.searchsorted(ordered, values + slack, side="right")
        return np.asarray((below + added) / count, dtype=np.float64)

    reachable = p_values(ordered[ordered < -slack])
    within = reachable[reachable <= alpha]
    p_value = p_values(np.array([differences.sum()]))[0]
    return SignFlips(float(p_value), float(within[-1]) if len(within) else 0.0)


def _all_sums(sizes: Vector) -> Vector:
    sums = np.zeros(1)
    for size in sizes:
        sums = np.concatenate([sums - size, sums + size])
    return sums


def _random_sums(sizes: Vector, draws: int, seed: int) -> Vector:
    rng = np.random.default_rng(seed)
    batches = [min(_BATCH, draws - done) for done in range(0, draws, _BATCH)]
    # Bits, not floats: a large fleet has many assets.
    return np.concatenate(
        [(2.0 * rng.integers(0, 2, (batch, len(sizes)), dtype=np.int8) - 1) @ sizes for batch in batches]
    )
