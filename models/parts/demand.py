"""The distribution of a part's demand within a time: what is predicted now, and what nobody predicts yet.

An asset whose alarm is open needs the part with its calibrated probability of failing by then; of several such assets
the number that fail is Poisson binomial. Failures that no alarm has announced come at the rate of experience: within
the time that alarms look ahead only the share that open alarms leave out, after it all of them, since no alarm can be
open for them yet. The two are independent, and their sum is computed exactly, by convolution.

References
----------
Y. Hong, "On computing the distribution function for the Poisson binomial distribution", Computational Statistics & Data
Analysis 59 (2013) 41-51, section 2.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats

from data_contracts.errors import UsageError

Vector = npt.NDArray[np.float64]
_TAIL = 1e-12
"""How much of the Poisson distribution's tail may be left off."""


@dataclass(frozen=True)
class PredictedUse:
    """An asset with an open alarm that would need the part."""

    asset: str
    probability: float  # that it fails within the time, and with this part, from 0 to 1
    quantity: int = 1  # how many it takes

    def __post_init__(self) -> None:
        if not 0 <= self.probability <= 1:
            raise _invalid(f"a probability of {self.probability} for {self.asset!r}", "a number from 0 to 1")
        if self.quantity < 1:
            raise _invalid(f"{self.quantity} parts for {self.asset!r}", "a whole number, 1 or more")


@dataclass(frozen=True)
class UnpredictedUse:
    """The failures that no open alarm announces."""

    per_day: float  # failures of all assets together that need the part, by experience
    unannounced: float = 1.0  # the share of failures within the foresight that no alarm announces yet
    foresight_days: float = 0.0  # how far alarms look ahead
    quantity: int = 1  # how many a failure takes

    def __post_init__(self) -> None:
        if not 0 <= self.per_day < np.inf:
            raise _invalid(f"{self.per_day} failures a day", "a finite number, 0 or more")
        if not 0 <= self.unannounced <= 1:
            raise _invalid(f"a share of {self.unannounced} unannounced", "a number from 0 to 1")
        if not 0 <= self.foresight_days < np.inf:
            raise _invalid(f"alarms {self.foresight_days} days ahead", "a finite number, 0 or more")
        if self.quantity < 1:
            raise _invalid(f"{self.quantity} parts a failure", "a whole number, 1 or more")

    def failures(self, days: float) -> float:
        """Return how many are expected within some days from now."""
        foreseen = min(days, self.foresight_days)
        return self.per_day * (self.unannounced * foreseen + (days - foreseen))


@dataclass(frozen=True)
class Demand:
    """How many of a part are needed within a time."""

    probabilities: Vector  # of needing 0, 1, 2, ..., shape (n,)
    predicted: float  # expected by open alarms
    unpredicted: float  # expected besides

    @property
    def expected(self) -> float:
        """Return the expected number."""
        return self.predicted + self.unpredicted

    def at_most(self, number: int) -> float:
        """Return the probability that no more than a number are needed."""
        return float(min(1.0, self.probabilities[: number + 1].sum())) if number >= 0 else 0.0

    def quantile(self, level: float) -> int:
        """Return the smallest number that suffices with probability `level`, in (0, 1)."""
        if not 0 < level < 1:
            raise _invalid(f"a level of {level}", "a number between 0 and 1")
        # Rounding must not ask for a part more than an exact sum would.
        sufficient = np.flatnonzero(np.cumsum(self.probabilities) >= level - _TAIL)
        return int(sufficient[0]) if len(sufficient) else len(self.probabilities) - 1

    def shortage(self, stock: int) -> float:
        """Return how many are expected to be missing with a stock of so many."""
        missing = np.maximum(np.arange(len(self.probabilities)) - stock, 0)
        return float(missing @ self.probabilities)


def demand_within(days: float, predicted: Sequence[PredictedUse], unpredicted: UnpredictedUse) -> Demand:
    """Return the distribution of the demand within `days` from now; the probabilities count to then.

    Examples
    --------
    >>> demand = demand_within(10, [PredictedUse("m1", 0.5), PredictedUse("m2", 0.5)], UnpredictedUse(0.0))
    >>> demand.probabilities.tolist()
    [0.25, 0.5, 0.25]
    >>> demand.quantile(0.9)
    2
    """
    if not 0 < days < np.inf:
        raise _invalid(f"a time of {days} days", "a finite number, more than 0")
    probabilities = np.ones(1)
    for use in predicted:
        one = np.zeros(use.quantity + 1)
        one[0], one[-1] = 1 - use.probability, use.probability
        probabilities = np.convolve(probabilities, one)
    failures = unpredicted.failures(days)
    return Demand(
        probabilities=np.convolve(probabilities, _poisson(failures, unpredicted.quantity)),
        predicted=float(sum(use.probability * use.quantity for use in predicted)),
        unpredicted=failures * unpredicted.quantity,
    )


def _poisson(mean: float, quantity: int) -> Vector:
    """Return the distribution of `quantity` times a Poisson number, shape (n,); what is left off counts as the most."""
    if mean == 0:
        return np.ones(1)
    most = int(stats.poisson.isf(_TAIL, mean)) + 1
    probabilities = np.zeros(most * quantity + 1)
    probabilities[::quantity] = stats.poisson.pmf(np.arange(most + 1), mean)
    probabilities[-1] += max(0.0, 1.0 - probabilities.sum())
    return probabilities


def _invalid(found: str, expected: str) -> UsageError:
    return UsageError(found, expected, "Fix the values to plan with")
