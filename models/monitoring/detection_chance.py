"""How likely the tests are to see a worse rate in time: what a promise hides."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from models.monitoring.drift import Budget, evidence_of
from models.monitoring.looks import Look
from models.promises.reference_rates import MISSED, ReferenceRates

LOOKS = 26
_HISTORIES = 200
_EPOCH = pd.Timestamp("2000-01-01", tz="UTC")


def chance_to_see(
    promise: ReferenceRates,
    rate: str,
    true: float,
    *,
    budget: Budget,
    per_look: float,
    looks: int = LOOKS,
    histories: int = _HISTORIES,
    seed: int = 0,
) -> float:
    """Return the share of simulated histories in which the tests of `MISSED` or `FALSE` reject within so many looks.

    The rate is `true` from the first look on; `per_look` failures, or asset-months, mature in each, on average.
    """
    rng, alone = np.random.default_rng(seed), promise.only(rate)
    amounts = _spread(per_look, looks, whole=rate == MISSED)
    seen = 0
    for _ in range(histories):
        drawn = rng.binomial(amounts.astype(int), true) if rate == MISSED else rng.poisson(amounts * true)
        seen += any(
            each.rejected for each in evidence_of(_looks(rate, drawn.tolist(), amounts.tolist(), budget), alone, budget)
        )
    return seen / histories


def _spread(per_look: float, looks: int, *, whole: bool) -> "np.ndarray[tuple[int], np.dtype[np.float64]]":
    if not whole:
        return np.full(looks, per_look)
    return np.diff(np.floor(per_look * np.arange(looks + 1) + 0.5))


def _looks(rate: str, events: Sequence[int], amounts: Sequence[float], budget: Budget) -> list[Look]:
    times = [_EPOCH + (number + 1) * budget.every for number in range(len(amounts))]
    if rate == MISSED:
        return [Look(at, int(n), int(of), 0, 0.0) for at, n, of in zip(times, events, amounts, strict=True)]
    return [Look(at, 0, 0, int(n), float(of)) for at, n, of in zip(times, events, amounts, strict=True)]
