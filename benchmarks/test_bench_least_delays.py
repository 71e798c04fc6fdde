"""The least delay that any test can have that must hold its budget for correlated failures too.

Page's CUSUM of the true likelihood ratio detects a change fastest at a given rate of false alarms (Moustakides 1986),
so it bounds every test of `models.sequential_tests`. Here it knows both rates and the correlation; its threshold is
calibrated to the budget of false verdicts, and the failures on which it is timed are independent.
"""

import numpy as np
import pytest
from rich.console import Console
from rich.table import Table
from scipy.stats import betabinom, binom

from models.monitoring.drift import Budget
from pipelines.fleet.histories.shocked_looks import budget_of

HISTORIES = 20_000
LOOKS, HEALTHY, WORSE = 52, 6, 40
PROMISED, RISEN = 0.2, 0.45
CORRELATIONS = (0.0, 0.05, 0.1)


@pytest.mark.usefixtures("benchmark")
def test_least_delays(capsys: pytest.CaptureFixture[str]) -> None:
    table = Table(
        "failures a look", *(f"must hold at correlation {correlation}" for correlation in CORRELATIONS), box=None
    )
    random = np.random.default_rng(5)
    for failures in (2, 6, 20, 100):
        delays = [_delays(failures, correlation, random) for correlation in CORRELATIONS]
        table.add_row(str(failures), *(f"{np.median(delay):.0f}, {delay.mean():.1f}" for delay in delays))
        assert np.median(delays[0]) <= np.median(delays[-1])
    with capsys.disabled():
        Console(width=140).print("", "Looks from the change to the decision, median and mean", table, sep="\n")


def _delays(failures: int, correlation: float, random: np.random.Generator) -> np.ndarray:
    """Return the looks to the decision in each history; WORSE where there is none."""
    misses = np.arange(failures + 1)
    ratios = _log_pmf(misses, failures, RISEN, correlation) - _log_pmf(misses, failures, PROMISED, correlation)
    kept = _missed((HISTORIES, LOOKS), failures, PROMISED, correlation, random)
    threshold = np.quantile(_cusum(ratios[kept]).max(axis=1), 1 - budget_of(LOOKS, Budget()))
    healthy = _missed((HISTORIES, HEALTHY), failures, PROMISED, 0.0, random)
    worse = _missed((HISTORIES, WORSE), failures, RISEN, 0.0, random)
    decided = _cusum(ratios[np.hstack([healthy, worse])])[:, HEALTHY:] > threshold
    return np.where(decided.any(axis=1), decided.argmax(axis=1) + 1, WORSE)


def _cusum(increments: np.ndarray) -> np.ndarray:
    level, levels = np.zeros(len(increments)), np.empty_like(increments)
    for look in range(increments.shape[1]):
        level = np.maximum(level, 0) + increments[:, look]
        levels[:, look] = level
    return levels


def _log_pmf(misses: np.ndarray, failures: int, rate: float, correlation: float) -> np.ndarray:
    if correlation == 0:
        return binom.logpmf(misses, failures, rate)
    size = 1 / correlation - 1
    return betabinom.logpmf(misses, failures, rate * size, (1 - rate) * size)


def _missed(
    shape: tuple[int, int], failures: int, rate: float, correlation: float, random: np.random.Generator
) -> np.ndarray:
    if correlation == 0:
        return random.binomial(failures, rate, shape)
    size = 1 / correlation - 1
    return random.binomial(failures, random.beta(rate * size, (1 - rate) * size, shape))
