"""Evidence that a rate is worse than promised from looks whose events may be correlated, by an unknown amount.

For one dispersion, the likelihood ratio of a harmful rate to the promised one is an e-process, as for independent
events. The dispersion is unknown, so the numerator averages over it and the denominator takes the one that explains
the looks best without a harmful rate [1]_: what chance may have done is not counted as evidence. Both weigh a
dispersion by what the looks before, and those of the reference period, say about it: in the average by its posterior
weight, in the maximum by its likelihood relative to the average one, never above one. So events that have long been
independent are tested nearly as sharply as if that were known.

The e-detector starts such an e-process with every look and adds them up [2]_. Whatever the dispersion, the sum is
bounded by one whose expectation grows by one a look, so the probability of a false decision within t looks is t /
threshold at most. Each look first multiplies evidence by the greatest factor with which, at each dispersion that is not
yet ruled out, it is still not expected to rise, counted up to the threshold only [3]_.

A rare look that is far worse than any dispersion explains would be overwhelming evidence by itself. So one look
multiplies the evidence by a bounded factor, which only lowers it: several looks have to agree [4]_.

References
----------
.. [1] L. Wasserman, A. Ramdas, S. Balakrishnan, "Universal inference", PNAS 117, 2020, arXiv 1912.11436: section 8, the
   sequential test with the maximum in the denominator.
.. [2] J. Shin, A. Ramdas, A. Rinaldo, "E-detectors", arXiv 2203.03532.
.. [3] L. Fischer, A. Ramdas, "Improving Wald's (approximate) sequential probability ratio test by avoiding overshoot",
   arXiv 2410.16076.
.. [4] P. J. Huber, "A robust version of the probability ratio test", Annals of Mathematical Statistics 36, 1965:
   likelihood ratios counted up to a bound, against observations that follow neither hypothesis.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.sequential_tests.count_models import RATES, CountModel, FloatArray, overshoot_tables
from models.sequential_tests.dispersion import ReferenceCounts, dispersion_likelihoods, log_prior

MOST_STARTS = 104
AT_ONCE = 200
"""Looks whose likelihoods are computed together; more fit no cache."""
NEGLIGIBLE = 1e-9
_RANGE = 300.0  # of logs, within which sums of products stay finite


@dataclass(frozen=True)
class Hypotheses:
    """The rates that keep the promise, and the smallest that harm, at each look; arrays (looks,)."""

    nulls: FloatArray
    harmful: FloatArray
    # How many times as high a rate is expected to be by what its events are of: a level that looks have in common is
    # relative to that.
    expected: FloatArray | None = None


def overdispersed_evidence(
    model: CountModel,
    events: FloatArray,
    amounts: FloatArray,
    hypotheses: Hypotheses,
    reference: ReferenceCounts,
    *,
    threshold: float = math.inf,
) -> tuple[FloatArray, FloatArray]:
    """Return the logs of the e-process since the first look and of the e-detector, (histories, looks).

    `events` and `amounts` are (histories, looks). `threshold` is the log of the e-detector's, up to which its evidence
    is counted; with infinity it is not run.
    """
    histories, looks = events.shape
    if not looks:
        return np.empty((histories, 0)), np.empty((histories, 0))
    weights = dispersion_likelihoods(model, events, amounts, hypotheses.nulls, reference, hypotheses.expected)
    average = np.logaddexp.reduce(weights + log_prior(model), axis=-1, keepdims=True)
    posterior, relative = weights + log_prior(model) - average, np.minimum(weights - average, 0)
    since, recent = _Sums(model, histories, math.inf, 1), _Sums(model, histories, threshold, MOST_STARTS)
    e_process, e_detector = np.zeros(events.shape), np.full(events.shape, -np.inf)
    for look, ahead in enumerate(_likelihoods(model, events, amounts, hypotheses)):
        if not look:
            since.start(posterior[:, 0], relative[:, 0], ahead.stakes, np.ones(histories, dtype=bool))
        e_process[:, look] = since.update(ahead.at_null, ahead.at_rates)
        if not math.isinf(threshold):
            recent.start(posterior[:, look], relative[:, look], ahead.stakes, amounts[:, look] > 0)
            recent.avoid_overshoot(amounts[:, look], ahead.null, ahead.rates)
            e_detector[:, look] = recent.update(ahead.at_null, ahead.at_rates)
    return e_process, e_detector


@dataclass(frozen=True)
class _Look:
    null: float
    rates: tuple[float, ...]
    stakes: FloatArray  # (rates,) logs
    at_null: FloatArray  # (histories, dispersions) log likelihoods
    at_rates: FloatArray  # (histories, rates, dispersions) log likelihoods


def _likelihoods(model: CountModel, events: FloatArray, amounts: FloatArray, hypotheses: Hypotheses) -> Iterator[_Look]:
    """Yield the looks in order, those in a row with one null together computed."""
    dispersions = np.array(model.dispersions)
    pairs = np.column_stack([hypotheses.nulls, hypotheses.harmful])
    changes = np.flatnonzero((pairs[1:] != pairs[:-1]).any(axis=1)) + 1
    for part in np.split(np.arange(len(pairs)), changes):
        null, harmful = (float(rate) for rate in pairs[part[0]])
        rates = model.spread(null, harmful)
        every, stakes = np.array([*rates, null])[:, None], model.log_stakes(null, rates)
        for some in np.array_split(part, math.ceil(len(part) * len(events) / AT_ONCE)):
            own = (events[:, some, None, None], amounts[:, some, None, None])
            logs = model.log_likelihood(*own, every, dispersions)
            for place in range(len(some)):
                yield _Look(null, tuple(rates.tolist()), stakes, logs[:, place, -1], logs[:, place, :-1])


class _Sums:
    """The sum of e-processes that started at different looks; arrays begin with (histories, starts)."""

    def __init__(self, model: CountModel, histories: int, threshold: float, most: int) -> None:
        self._model, self._threshold, self._most = model, threshold, most
        rates, dispersions = RATES, len(model.dispersions)
        self._numerators = np.empty((histories, 0, rates, dispersions))  # logs
        self._denominators = np.empty((histories, 0, dispersions))  # logs
        self._more = np.arange(dispersions) > np.arange(dispersions)[:, None]  # (of the null, of the numerator)
        self._factors = np.empty((histories, 0))  # logs of what was won back from overshoots
        self._total = np.full(histories, -np.inf)  # log of the sum

    def start(
        self, posterior: FloatArray, relative: FloatArray, stakes: FloatArray, watched: npt.NDArray[np.bool_]
    ) -> None:
        """Start another e-process where the look is watched; the oldest ends when there are too many.

        Logs of (histories, dispersions), and (rates,) of the stakes.
        """
        first = max(self._numerators.shape[1] + 1 - self._most, 0)
        numerators = posterior[:, None, None, :] + stakes[:, None]
        begun = np.where(watched, 0.0, -np.inf)[:, None]
        self._numerators = np.concatenate([self._numerators[:, first:], numerators], axis=1)
        self._denominators = np.concatenate([self._denominators[:, first:], relative[:, None, :]], axis=1)
        self._factors = np.concatenate([self._factors[:, first:], begun], axis=1)
        self._total = np.logaddexp(self._total, begun[:, 0])

    def avoid_overshoot(self, amounts: FloatArray, null: float, rates: tuple[float, ...]) -> None:
        """Multiply by the greatest factor with which no dispersion still possible expects the sum to rise.

        With one dispersion known to be true, its own likelihood would be the denominator, and the sum a larger one.
        Where that larger one has passed the threshold already, nothing is left to be bounded.
        """
        best = self._denominators.max(axis=-1)
        evidence = np.exp(np.clip(self._numerators + (self._factors - best)[..., None, None], -_RANGE, _RANGE))
        # Of two dispersions the larger one bounds the ratio at rates below the promised one too.
        own = self._denominators
        paired = np.where(self._more, own[..., None, :], own[..., None])
        larger = np.exp(np.clip(best[..., None, None] - paired, -_RANGE, _RANGE))
        sums = larger.transpose(0, 3, 2, 1) @ evidence.transpose(0, 3, 1, 2)  # (histories, numerators', nulls', rates)
        sums = sums.transpose(0, 2, 3, 1).reshape(len(evidence), len(self._more), -1)
        sums *= math.exp(-self._threshold)
        for amount in np.unique(amounts[amounts > 0]):
            same = amounts == amount
            tables = overshoot_tables(self._model, float(amount), null, rates)
            if tables is not None:
                self._factors[same] += np.log(_overshoot_factor(sums[same], *tables))[:, None]

    def update(self, at_null: FloatArray, at_rates: FloatArray) -> FloatArray:
        """Add a look and return the log of the sum, (histories,), which rises from its start by a bounded factor.

        Log likelihoods of (histories, dispersions) and (histories, rates, dispersions).
        """
        most = self._total + math.log(self._model.most_gain)
        self._denominators += at_null[:, None]
        self._numerators += at_rates[:, None]
        total = self._log_total()
        beyond = total > most
        self._factors[beyond] -= (total[beyond] - most[beyond])[:, None]
        self._total = np.minimum(total, most)
        return self._total

    def _log_total(self) -> FloatArray:
        logs = self._numerators.reshape(*self._numerators.shape[:2], -1)
        logs = logs + (self._factors - self._denominators.max(axis=-1))[..., None]
        logs = logs.reshape(len(logs), -1)
        highest = logs.max(axis=1)
        finite = np.where(np.isfinite(highest), highest, 0.0)
        with np.errstate(divide="ignore"):
            return np.asarray(finite + np.log(np.exp(logs - finite[:, None]).sum(axis=1)))


def _overshoot_factor(sums: FloatArray, parts: FloatArray, beyond: FloatArray) -> FloatArray:
    """Return the factor (histories,), 1 or more.

    `sums`, (histories, dispersions, rates x dispersions), are in units of the threshold: what the evidence would be
    with each dispersion of the null. For each the argument is that of `e_detectors.overshoot_factor`; the least factor
    serves all.
    """
    whole = sums.sum(axis=-1)
    below = (sums.transpose(1, 0, 2) @ parts.transpose(1, 2, 0)).transpose(1, 0, 2)
    possible = (below > NEGLIGIBLE) & (whole < 1)[..., None]
    factors = np.divide(whole[..., None] - beyond.T, below, out=np.ones_like(below), where=possible)
    greatest = np.where(whole < 1, np.maximum(factors.max(axis=-1), 1.0), np.inf).min(axis=-1)
    return np.asarray(np.where(np.isfinite(greatest), greatest, 1.0))
