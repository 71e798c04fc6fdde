"""A rate that differs between strata (plants, asset models): how high it may be at another mix of them.

The rates of the strata are shrunk towards the overall one, the more the fewer events a stratum has: a share of misses
is beta-binomial, a rate of false alarms gamma-Poisson [1]_. How much strata differ is unknown where they are few; so it
is averaged over, weighed by how well it explains the counts. The rate at a mix is the weighted mean of the strata's
(direct standardisation) relative to the mix that was evaluated, and its variance makes an effective number [2]_.

A shrunk rate is too low for a stratum that really is worse than the others, and a promise by it would be refuted by
nothing but more events from there. So where the counts as they are make a mix worse than the shrunk rates do, they
count. Where they make it better the shrunk rates do: a stratum with few events is not held to its luck. A stratum that
was not evaluated may lie anywhere in the spread of the others.

References
----------
.. [1] B. Efron and C. Morris, "Data analysis using Stein's estimator and its generalizations", Journal of the American
   Statistical Association 70 (1975), 311-319, doi:10.1080/01621459.1975.10479864; for counts C. L. Christiansen and
   C. N. Morris, "Hierarchical Poisson regression modeling", JASA 92 (1997), 618-632.
.. [2] M. P. Fay and E. J. Feuer, "Confidence intervals for directly standardized rates: a method based on the gamma
   distribution", Statistics in Medicine 16 (1997), 791-801.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.promises.reference_rates import MISSED, StratumRate

FloatArray = npt.NDArray[np.float64]

CORRELATIONS = (0.0, 0.01, 0.03, 0.06, 0.12, 0.25, 0.5)
"""Of two failures of one stratum: how much the missed shares of strata may differ."""
VARIATIONS = (0.0, 0.1, 0.2, 0.4, 0.7, 1.1, 1.6)
"""Coefficients of variation of the strata's rates of false alarms."""
NEGLIGIBLE = 1e-9
ALIKE = 0.1
"""Before any count, the weight of no difference; the others share the rest."""


@dataclass(frozen=True)
class StratifiedRate:
    """What counts say of the strata's rates; arrays are (strata,), or (differences, strata) of each difference."""

    names: tuple[str, ...]
    mix: FloatArray  # their parts in what was evaluated
    overall: float
    counted: FloatArray  # rates as they were counted
    counted_variances: FloatArray
    weights: FloatArray  # (differences,), how well each explains the counts
    means: FloatArray
    variances: FloatArray
    new: FloatArray  # (differences,) variance of a stratum without counts, whose mean is the overall rate

    @classmethod
    def of(cls, rate: str, strata: Sequence[StratumRate], independent: float) -> "StratifiedRate":
        """Take the counts of `MISSED` failures or false alarms, of which a part is as informative as independent ones.

        Not all are zero, and strata without any amount are left out.
        """
        events, amounts = (
            independent * np.array([getattr(one, name) for one in strata], dtype=np.float64)
            for name in ("events", "amount")
        )
        overall = float(events.sum() / amounts.sum())
        if rate == MISSED:
            # As many events as the prior of Jeffreys has, so that no variance is zero.
            likely = (events + 0.5) / (amounts + 1)
            counted_variances = likely * (1 - likely) / (amounts + 1)
            overall = min(max(overall, 0.5 / (amounts.sum() + 1)), 1 - 0.5 / (amounts.sum() + 1))
            differences = [_shares(events, amounts, overall, each) for each in CORRELATIONS]
            new = overall * (1 - overall) * np.array(CORRELATIONS)
        else:
            counted_variances = np.maximum(events, 0.5) / amounts**2
            differences = [_occurrences(events, amounts, overall, each) for each in VARIATIONS]
            new = (overall * np.array(VARIATIONS)) ** 2
        logs, means, variances = (np.array(part) for part in zip(*differences, strict=True))
        prior = np.array([ALIKE, *[(1 - ALIKE) / (len(logs) - 1)] * (len(logs) - 1)])
        weights = prior * np.exp(logs - logs.max())
        return cls(
            names=tuple(one.name for one in strata),
            mix=amounts / amounts.sum(),
            overall=overall,
            counted=events / amounts,
            counted_variances=counted_variances,
            weights=weights / weights.sum(),
            means=means,
            variances=variances,
            new=new,
        )

    def at(self, mix: Mapping[str, float]) -> tuple[float, float]:
        """Return how many times the evaluated rate it may be where strata have these amounts, and the variance of that.

        The variance is in units of the rate.
        """
        total = sum(mix.values())
        parts = np.array([mix.get(name, 0.0) for name in self.names]) / total
        others = np.array([amount for name, amount in mix.items() if name not in self.names]) / total
        means, base = self.means @ parts + self.overall * others.sum(), self._evaluated()
        mean = float(self.weights @ means)
        variance = float(self.weights @ (self.variances @ parts**2 + self.new * (others**2).sum() + means**2)) - mean**2
        by_counts = float(self.counted @ parts + self.overall * others.sum()) / float(self.counted @ self.mix)
        more = float(self.counted_variances @ parts**2)
        counts = by_counts > mean / base * (1 + NEGLIGIBLE)
        return (by_counts, max(variance, more)) if counts else (mean / base, max(variance, 0.0))

    def shrunk(self) -> dict[str, float]:
        """Return each stratum's rate as a multiple of the evaluated one."""
        rates = self.weights @ self.means / self._evaluated()
        return dict(zip(self.names, rates.tolist(), strict=True))

    def _evaluated(self) -> float:
        return float(self.weights @ (self.means @ self.mix))


Moments = tuple[float, FloatArray, FloatArray]
"""The log likelihood of the counts, and the mean and variance of each stratum's rate."""


def _shares(events: FloatArray, amounts: FloatArray, overall: float, correlation: float) -> Moments:
    from scipy.special import betaln

    if not correlation:
        log = events * np.log(overall) + (amounts - events) * np.log1p(-overall)
        return float(log.sum()), np.full(len(events), overall), np.zeros(len(events))
    size = (1 - correlation) / correlation
    hits, others = overall * size, (1 - overall) * size
    log = betaln(hits + events, others + amounts - events) - betaln(hits, others)
    mean = (hits + events) / (size + amounts)
    return float(log.sum()), mean, mean * (1 - mean) / (size + amounts + 1)


def _occurrences(events: FloatArray, amounts: FloatArray, overall: float, variation: float) -> Moments:
    from scipy.special import gammaln

    if not variation:
        log = events * np.log(overall) - amounts * overall
        return float(log.sum()), np.full(len(events), overall), np.zeros(len(events))
    shape = 1 / variation**2
    rate = shape / overall
    log = gammaln(shape + events) - gammaln(shape) + shape * np.log(rate) - (shape + events) * np.log(rate + amounts)
    mean = (shape + events) / (rate + amounts)
    return float(log.sum()), mean, mean / (rate + amounts)
