"""How likely the tests are to see a worse rate in time: what a promise hides."""

import numpy as np
import pandas as pd

from models.monitoring.budget import Budget
from models.monitoring.tested_rates import tested_rates
from models.promises.reference_rates import MISSED, ReferenceRates
from models.sequential_tests.rate_tests import RECENT, LookCounts, log_evidence, log_thresholds

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
    rng, shape = np.random.default_rng(seed), (histories, looks)
    amounts = np.broadcast_to(_spread(per_look, looks, whole=rate == MISSED), shape)
    none = np.zeros(shape)
    if rate == MISSED:
        counts = LookCounts(rng.binomial(amounts.astype(int), true).astype(float), amounts, none, none)
    else:
        counts = LookCounts(none, none, rng.poisson(amounts * true).astype(float), amounts)
    begin = _EPOCH if promise.period is None else promise.period[1]
    happened = pd.DatetimeIndex([begin + (number + 1) * budget.every for number in range(looks)])
    seen = np.zeros(histories, dtype=bool)
    for each in tested_rates(counts, happened, promise.only(rate), budget, ()).values():
        thresholds = log_thresholds(each.budget.alpha, each.budget.mean_time_between_false)
        for test, values in log_evidence(each.counted, budget.dependence, thresholds[RECENT]).items():
            seen |= (values >= thresholds[test]).any(axis=1)
    return float(seen.mean())


def _spread(per_look: float, looks: int, *, whole: bool) -> "np.ndarray[tuple[int], np.dtype[np.float64]]":
    if not whole:
        return np.full(looks, per_look)
    return np.diff(np.floor(per_look * np.arange(looks + 1) + 0.5))
