"""The rate of an intermittent demand by experience.

References
----------
R. H. Teunter, A. A. Syntetos & M. Z. Babai, "Intermittent demand: linking forecasting to inventory obsolescence",
European Journal of Operational Research 214 (2011) 606-615, equations 3 and 4 (TSB). J. D. Croston, "Forecasting and
stock control for intermittent demands", Operational Research Quarterly 23 (1972) 289-303.
"""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from data_contracts.errors import UsageError

Vector = npt.NDArray[np.float64]


@dataclass(frozen=True)
class IntermittentRate:
    """The smoothed probability that a period has demand, and the smoothed size of it where there is."""

    probability: float
    size: float

    @property
    def per_period(self) -> float:
        """Return the demand that is expected of a period."""
        return self.probability * self.size

    def after(self, demand: float, alpha: float, beta: float) -> "IntermittentRate":
        """Return the rate after one more period: the size is learnt where there is demand, the probability always."""
        occurred = self.probability + alpha * (float(demand > 0) - self.probability)
        return replace(self, probability=occurred, size=self.size + beta * (demand - self.size) * (demand > 0))


def tsb_rate(
    demands: Vector, alpha: float = 0.05, beta: float = 0.1, *, start: IntermittentRate | None = None
) -> IntermittentRate:
    """Return the rate of Teunter, Syntetos and Babai after a sequence of demands, shape (n_periods,).

    It begins with `start`, or else with the share of all periods that had demand, and its mean size; without any demand
    it is zero.

    Examples
    --------
    >>> round(tsb_rate(np.array([0.0, 2.0, 0.0, 0.0, 1.0])).per_period, 3)
    0.602
    """
    for name, value in (("alpha", alpha), ("beta", beta)):
        if not 0 <= value <= 1:
            raise UsageError(f"a {name} of {value}", "a number from 0 to 1", "Fix it")
    demands = np.asarray(demands, dtype=np.float64)
    if not ((demands >= 0) & np.isfinite(demands)).all():
        raise UsageError(f"demands {demands[:5].tolist()} ...", "finite numbers, 0 or more", "Fix the demands")
    positive = demands[demands > 0]
    if not len(positive):
        return IntermittentRate(0.0, 0.0)
    rate = IntermittentRate(len(positive) / len(demands), float(positive.mean())) if start is None else start
    for demand in demands.tolist():
        rate = rate.after(demand, alpha, beta)
    return rate
