"""How many alarms of a span without reported failures were run-ups to a failure, by their course in time.

A run-up rises over days and ends at once, when the machine stands or is repaired. What is unusual and passes rises and
falls alike: where nothing wears, as many excursions were higher before than after as the reverse. So the alarms that
were higher before, less those that were higher after, are run-ups, as far as this shows and where chance does not
explain it. No label is used. Healthy excursions that fall slowly make the number too small, and the limit too high.
Healthy ones that rise slowly and are reset, as when a clogged filter is cleaned, are taken for run-ups.

References
----------
Barber & Candès, "Controlling the false discovery rate via knockoffs", Annals of Statistics 43 (2015),
doi:10.1214/15-AOS1337, section 1.2 (false discoveries counted by the other side of a symmetric null).
Zanin & Papo, "Algorithmic approaches for assessing irreversibility in time series", Entropy 23 (2021),
doi:10.3390/e23111474 (what reversible means, and how it is tested).
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats

from models.outcomes.episodes import Terms, episode_starts

Vector = npt.NDArray[np.float64]
Indices = npt.NDArray[np.intp]
_BY_CHANCE = 0.05
_REACH = 1.5  # in windows: samples from one window away, which share no reading, to as far as this are compared


@dataclass(frozen=True)
class AlarmCount:
    """The alarms that a limit raises in a span."""

    raised: int
    run_ups: int  # of them

    @property
    def others(self) -> int:
        """Return how many count towards the budget."""
        return self.raised - self.run_ups


@dataclass(frozen=True)
class Course:
    """Scores of assets through time, each with what came a window before it and a window after."""

    asset: Indices  # (n_samples,), sorted by asset and time
    as_of: npt.NDArray[np.datetime64]
    score: Vector
    before: Vector  # NaN where no sample is that far away
    after: Vector
    complete: npt.NDArray[np.bool_]  # at least a window from the first and the last sample of the asset
    watched: np.timedelta64  # the time of all assets that is complete

    def count(self, limit: float, terms: Terms) -> AlarmCount:
        """Count the alarm episodes at a limit, and those of them that were run-ups."""
        alerts = np.flatnonzero(self.score >= limit)
        if not len(alerts):
            return AlarmCount(0, 0)
        starts = np.flatnonzero(episode_starts(self.asset[alerts], self.as_of[alerts], terms))
        first, last = alerts[starts], alerts[np.append(starts[1:], len(alerts)) - 1]
        inside = self.complete[first] & self.complete[last]
        peak = _highest(self.score[alerts], starts, alerts)[inside]
        first, last = first[inside], last[inside]
        rise = self.before[first] + self.before[peak] - self.after[peak] - self.after[last]
        return AlarmCount(len(first), more_than_chance(int((rise > 0).sum()), int((rise < 0).sum())))


def more_than_chance(rose: int, fell: int) -> int:
    """Return how many more rose than fell; 0 where a fair coin explains it (sign test, 5 %).

    >>> more_than_chance(30, 8), more_than_chance(21, 17)
    (22, 0)
    """
    unlikely = bool(stats.binom.sf(rose - 1, rose + fell, 0.5) <= _BY_CHANCE)
    return rose - fell if unlikely else 0


def course(asset: Indices, as_of: npt.NDArray[np.datetime64], score: Vector, window: np.timedelta64) -> Course:
    """Return scores (n_samples,), sorted by asset and time, with what came before and after each."""
    before, after = np.full(len(score), np.nan), np.full(len(score), np.nan)
    complete, watched = np.zeros(len(score), dtype=np.bool_), np.timedelta64(0, "us")
    for own in np.split(np.arange(len(score)), np.flatnonzero(np.diff(asset)) + 1):
        times = as_of[own]
        near = max(window, np.median(np.diff(times))) if len(own) > 1 else window
        far = near * _REACH
        before[own] = _means(score[own], times, times - far, times - near)
        after[own] = _means(score[own], times, times + near, times + far)
        complete[own] = (times >= times[0] + window) & (times <= times[-1] - window)
        watched += max(times[-1] - times[0] - 2 * window, np.timedelta64(0, "us"))
    return Course(asset, as_of, score, before, after, complete, watched)


def _means(
    score: Vector,
    times: npt.NDArray[np.datetime64],
    begins: npt.NDArray[np.datetime64],
    ends: npt.NDArray[np.datetime64],
) -> Vector:
    """Return the mean score from each beginning to each end, both included; NaN where there is none."""
    first, last = np.searchsorted(times, begins, side="left"), np.searchsorted(times, ends, side="right")
    sums, counts = np.concatenate([[0.0], np.cumsum(score)]), last - first
    return np.asarray(np.where(counts > 0, (sums[last] - sums[first]) / np.maximum(counts, 1), np.nan))


def _highest(score: Vector, starts: Indices, alerts: Indices) -> Indices:
    """Return the sample with the highest score of each episode, the first of several."""
    episode = np.repeat(np.arange(len(starts)), np.diff(np.append(starts, len(score))))
    order = np.lexsort((-score, episode))
    return np.asarray(alerts[order[starts]])
