"""The expected cost of repairing an asset at some time, or not at all.

An asset's probabilities of failing by several horizons make a survival curve: between two horizons the hazard is
constant, so that the curve runs through every probability given; beyond the last horizon the last hazard continues. The
asset is known to run when the planning begins.

With F(t) the probability of failing before t, S = 1 - F, and G(t) the hours that the part now in it is expected to run
up to t, a repair at t costs, up to the end T of the count,

    E(t) = failure F(t) + planned S(t) + failure r (T - G(t)),

and no repair costs E without the planned part at t = T. The last term is the risk of the new part, put in by a repair
or after a failure: it fails r times an hour. With r = 0 a repaired asset does not fail again before T.
"""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pandas as pd

from data_contracts.errors import UsageError

Vector = npt.NDArray[np.float64]
_HOUR = pd.Timedelta(hours=1)
# A certain failure would have an infinite hazard.
_MOST_CERTAIN = 1 - 1e-12


@dataclass(frozen=True)
class Risk:
    """A model's prediction of when an asset may fail."""

    since: pd.Timestamp  # from when on the hours count: the cut-off and the lead; before it no failure is counted
    hours: tuple[float, ...]  # the horizons, ascending and more than 0
    probabilities: tuple[float, ...]  # of failing within each of them, from 0 to 1, never falling

    def __post_init__(self) -> None:
        hours, probabilities = np.array(self.hours, dtype=np.float64), np.array(self.probabilities, dtype=np.float64)
        if not len(hours) or len(hours) != len(probabilities):
            raise _invalid(f"{len(hours)} horizons and {len(probabilities)} probabilities", "as many, and at least one")
        # Written so that NaN is refused too.
        if not ((np.diff(hours, prepend=0.0) > 0).all() and np.isfinite(hours).all()):
            raise _invalid(f"horizons of {self.hours} hours", "ascending hours, more than 0")
        if not ((np.diff(probabilities, prepend=0.0) >= 0).all() and probabilities[-1] <= 1):
            raise _invalid(
                f"probabilities {self.probabilities}", "numbers from 0 to 1 that never fall with the horizon"
            )

    @property
    def ends(self) -> pd.Timestamp:
        """Return the end of the last horizon."""
        return self.since + self.hours[-1] * _HOUR


@dataclass(frozen=True)
class Costs:
    """The costs of an asset's repairs and failures, in any one currency."""

    planned: float  # of one planned repair, besides downtime
    failure: float  # of one failure, besides downtime
    downtime_per_hour: float = 0.0  # of an hour that it stands because it failed
    unplanned_hours: float = 0.0  # how many hours it stands because it failed
    planned_downtime_per_hour: float = 0.0  # of an hour that it stands for a planned repair

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not 0 <= value < np.inf:
                raise _invalid(f"{name} of {value}", "a finite amount, 0 or more")

    @property
    def of_failure(self) -> float:
        """Return the cost of one failure with all its downtime."""
        return self.failure + self.downtime_per_hour * self.unplanned_hours

    def of_repair(self, hours: float) -> float:
        """Return the cost of one planned repair of some hours."""
        return self.planned + self.planned_downtime_per_hour * hours


@dataclass(frozen=True)
class Job:
    """An asset that could be repaired."""

    asset: str
    risk: Risk
    costs: Costs = field(repr=False)
    repair_hours: float = 8.0  # how long crews work on it, more than 0
    # How often a repaired asset fails (r above); 0 counts no failure after a repair.
    failures_per_hour_after: float = 0.0

    def __post_init__(self) -> None:
        if not 0 < self.repair_hours < np.inf:
            raise _invalid(f"a repair of {self.repair_hours} hours", "a finite number of hours, more than 0")
        if not 0 <= self.failures_per_hour_after < np.inf:
            raise _invalid(
                f"{self.failures_per_hour_after} failures an hour after a repair", "a finite rate, 0 or more"
            )


def survival(risk: Risk, start: pd.Timestamp, hours: Vector) -> tuple[Vector, Vector]:
    """Return S and G, each of shape (n,), of an asset that runs at `start`, for `hours` after it.

    `hours` ascend from 0 on. S is the probability that it has not failed by then, G the hours that it is expected to
    have run since the start.

    Examples
    --------
    >>> noon = pd.Timestamp("2026-01-01T12:00Z")
    >>> alive, _ = survival(Risk(noon, (24.0, 72.0), (0.1, 0.3)), noon, np.array([0.0, 24.0, 48.0, 72.0]))
    >>> alive.round(3).tolist()
    [1.0, 0.9, 0.794, 0.7]
    """
    edges = np.array([0.0, *risk.hours])
    hazard = -np.log1p(-np.minimum([0.0, *risk.probabilities], _MOST_CERTAIN))
    last = (hazard[-1] - hazard[-2]) / (edges[-1] - edges[-2])
    offset = (start - risk.since) / _HOUR
    # Between neighbours of this grid the hazard is constant, so that the expected hours have a closed form.
    grid = np.unique(np.concatenate([[0.0], hours, edges - offset]))
    grid = grid[grid >= 0]
    at = grid + offset
    cumulative = np.interp(at, edges, hazard) + last * np.maximum(at - edges[-1], 0.0)
    cumulative -= cumulative[0]
    alive = np.exp(-cumulative)
    rises, steps = np.diff(cumulative), np.diff(grid)
    # The mean of exp(-x) over a step, which is 1 where the hazard is zero.
    mean = np.divide(-np.expm1(-rises), rises, out=np.ones_like(rises), where=rises > 0)
    lived = np.concatenate([[0.0], np.cumsum(alive[:-1] * mean * steps)])
    place = np.searchsorted(grid, hours)
    return alive[place], lived[place]


def expected_costs(job: Job, start: pd.Timestamp, hours: Vector, until_hours: float) -> tuple[Vector, float]:
    """Return E of a repair at each of `hours` after `start`, shape (n,), and E without a repair.

    `hours` ascend, none after `until_hours` (T). The asset is repaired unless it has failed before.
    """
    alive, lived = survival(job.risk, start, np.append(hours, until_hours))
    failure, planned = job.costs.of_failure, job.costs.of_repair(job.repair_hours)
    renewed = failure * job.failures_per_hour_after * (until_hours - lived)
    costs = failure * (1 - alive) + renewed
    return costs[:-1] + planned * alive[:-1], float(costs[-1])


def _invalid(found: str, expected: str) -> UsageError:
    return UsageError(found, expected, "Fix the values to plan with")
