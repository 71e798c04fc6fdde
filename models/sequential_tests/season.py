"""A promise conditional on the season: how much higher a kept rate may be, at its time of the year, than promised.

The rate is taken to follow a yearly wave of an amplitude up to a declared one, at an unknown phase. An evaluation of a
few weeks saw one part of the wave, so the promised rate may be that of its low. The largest rate that keeps the promise
is the promised one times the greatest ratio of the wave now to its mean over the evaluation. That is near one as long
as the season is the one evaluated, and again a year later. Where the evaluation was long, its own looks contradict most
waves, and the rate follows those that they leave.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from models.sequential_tests.count_models import FloatArray

YEAR = pd.Timedelta(days=365.25)
PHASES = 36
AMPLITUDES = (0.0, 0.25, 0.5, 0.75, 1.0)
"""Parts of the declared amplitude."""
LIKELIHOOD_DROP = 4.6
"""Half of the 99 % quantile of chi-square with two degrees of freedom: amplitude and phase."""
FEWEST_LOOKS = 8
STEPS = 50
NEGLIGIBLE = 1e-6


@dataclass(frozen=True)
class ReferencePeriod:
    """When a rate was measured, and its counts by look, if they are known."""

    start: pd.Timestamp
    end: pd.Timestamp
    times: Sequence[pd.Timestamp] = ()
    events: Sequence[float] = ()
    amounts: Sequence[float] = ()


def season_factors(times: pd.DatetimeIndex, period: ReferencePeriod, amplitude: float) -> FloatArray:
    """Return, for each time, (times,), the greatest ratio to the mean of the period that the wave may have; 1 or more.

    Examples
    --------
    >>> period = ReferencePeriod(pd.Timestamp("2026-01-01", tz="UTC"), pd.Timestamp("2026-01-29", tz="UTC"))
    >>> at = pd.DatetimeIndex(["2026-02-05", "2026-07-15", "2027-01-15"], tz="UTC")
    >>> season_factors(at, period, 0.35).round(2).tolist()
    [1.16, 2.08, 1.02]
    """
    if not amplitude:
        return np.ones(len(times))
    phases = 2 * np.pi * np.arange(PHASES) / PHASES
    parts, angles = (grid.ravel() for grid in np.meshgrid(amplitude * np.array(AMPLITUDES[1:]), phases))
    waves = _Waves(np.array([0.0, *parts]), np.array([0.0, *angles]))
    if len(period.times):
        own = waves.at(_angles(pd.DatetimeIndex(list(period.times))))
        events, amounts = np.asarray(period.events, dtype=float), np.asarray(period.amounts, dtype=float)
        left = _not_contradicted(own, events, amounts)
        means = (own @ amounts) / amounts.sum()
    else:
        left = np.ones(len(waves.amplitudes), dtype=bool)
        means = waves.mean(*_angles(pd.DatetimeIndex([period.start, period.end])))
    ratios = waves.at(_angles(times))[left] / means[left, None]
    # Up to the next fiftieth, so that looks share their tables.
    return np.asarray(np.maximum(np.ceil(ratios.max(axis=0) * STEPS - NEGLIGIBLE) / STEPS, 1.0))


@dataclass(frozen=True)
class _Waves:
    amplitudes: FloatArray
    phases: FloatArray

    def at(self, angles: FloatArray) -> FloatArray:
        """Return (waves, angles) factors."""
        return np.asarray(1 + self.amplitudes[:, None] * np.cos(angles - self.phases[:, None]))

    def mean(self, first: float, last: float) -> FloatArray:
        """Return the mean of each between two angles."""
        if last <= first:
            return self.at(np.array([first]))[:, 0]
        area = np.sin(last - self.phases) - np.sin(first - self.phases)
        return np.asarray(1 + self.amplitudes * area / (last - first))


def _angles(times: pd.DatetimeIndex) -> FloatArray:
    since = times - pd.Timestamp("2000-01-01", tz="UTC")
    return np.asarray(2 * np.pi * (since / YEAR).to_numpy(dtype=float))


def _not_contradicted(
    waves: FloatArray, events: FloatArray, amounts: FloatArray
) -> "np.ndarray[tuple[int], np.dtype[np.bool_]]":
    """Return which waves, (waves, looks), explain the counts nearly as well as the best; at least that one."""
    expected = waves * amounts
    watched = amounts > 0
    if watched.sum() < FEWEST_LOOKS or not events.sum():
        return np.ones(len(waves), dtype=bool)
    shares = expected[:, watched] / expected.sum(axis=1, keepdims=True)
    likelihood = np.log(shares) @ events[watched]
    best = likelihood.argmax()
    # Counts that scatter more than independent ones contradict less.
    fitted = shares[best] * events.sum()
    dispersion = ((events[watched] - fitted) ** 2 / fitted).sum() / max(watched.sum() - 3, 1)
    return np.asarray(likelihood >= likelihood[best] - LIKELIHOOD_DROP * max(dispersion, 1.0))
