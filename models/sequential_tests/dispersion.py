"""What the looks so far say about their own dispersion, whatever their level.

Each look is predicted at the local level of those before it, so that a slow change of the level is not taken for
dispersion; the looks of the reference period are compared with the mean of the others.
"""

from dataclasses import dataclass

import numpy as np

from models.sequential_tests.count_models import CountModel, FloatArray

HALF_LIFE = 8
FIRST_LEVEL_LOOKS = 5
INDEPENDENT_SHARE = 0.7
LEAST_LEVEL = 0.02


@dataclass(frozen=True)
class ReferenceCounts:
    """Counts of the reference period, look by look, arrays (histories, looks); and the rate that they show."""

    events: FloatArray
    amounts: FloatArray
    rate: FloatArray  # (histories,)


def log_prior(model: CountModel) -> FloatArray:
    """Return the log of each dispersion's weight: most on independence, the rest spread evenly."""
    others = len(model.dispersions) - 1
    return np.log([INDEPENDENT_SHARE, *[(1 - INDEPENDENT_SHARE) / others] * others])


def dispersion_likelihoods(
    model: CountModel,
    events: FloatArray,
    amounts: FloatArray,
    nulls: FloatArray,
    reference: ReferenceCounts,
    expected: FloatArray | None = None,
) -> FloatArray:
    """Return log likelihoods of each dispersion before each look, (histories, looks, dispersions).

    `events` and `amounts` are (histories, looks), `nulls`, the rates that keep the promise, (looks,); a level is
    relative to what is `expected` of each look, (looks,), if that differs.
    """
    fold = np.ones(len(nulls)) if expected is None else expected
    levels = _local_levels(events, amounts * fold, reference.rate) * fold
    levels = np.clip(levels, LEAST_LEVEL * nulls, (1 - LEAST_LEVEL) * model.highest_rate)
    own = model.log_likelihood(
        events[..., None], amounts[..., None], levels[..., None], np.array(model.dispersions)
    ).cumsum(axis=1)
    before = np.concatenate([np.zeros_like(own[:, :1]), own[:, :-1]], axis=1)
    likelihoods: FloatArray = before + _of_the_reference(model, reference, float(nulls[0]))[:, None, :]
    return likelihoods


def _local_levels(events: FloatArray, amounts: FloatArray, rate: FloatArray) -> FloatArray:
    """Return the rate expected in each look from those before it, recent ones counting most."""
    levels, kept = np.empty(events.shape), 0.5 ** (1 / HALF_LIFE)
    seen, weight = np.zeros(len(events)), np.zeros(len(events))
    begun = np.zeros(len(events), dtype=bool)
    for look in range(events.shape[1]):
        amount = amounts[:, look]
        first = ~begun & (amount > 0)
        weight = np.where(first, FIRST_LEVEL_LOOKS * amount, weight)
        seen = np.where(first, weight * rate, seen)
        begun |= first
        levels[:, look] = np.divide(seen, weight, out=rate.copy(), where=weight > 0)
        fade = np.where(amount > 0, kept, 1.0)
        seen, weight = seen * fade + events[:, look], weight * fade + amount
    return levels


def _of_the_reference(model: CountModel, reference: ReferenceCounts, null: float) -> FloatArray:
    events, amounts = reference.events, reference.amounts
    rest = amounts.sum(axis=1, keepdims=True) - amounts
    others = events.sum(axis=1, keepdims=True) - events
    # A look by itself says nothing about how looks differ.
    comparable = (amounts > 0) & (rest > 0)
    levels = np.divide(others, rest, out=np.full(events.shape, null), where=comparable)
    levels = np.clip(levels, LEAST_LEVEL * null, (1 - LEAST_LEVEL) * model.highest_rate)
    logs = model.log_likelihood(events[..., None], amounts[..., None], levels[..., None], np.array(model.dispersions))
    total: FloatArray = np.where(comparable[..., None], logs, 0.0).sum(axis=1)
    return total
