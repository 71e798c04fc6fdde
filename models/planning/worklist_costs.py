"""What it is expected to cost to repair an asset at some time, or not at all.

An asset's probabilities of failing by several horizons make a survival curve: between two horizons the hazard is
constant, so that the curve runs through every probability given; beyond the last horizon the last hazard goes on. That
an asset still runs when the planning begins is taken as known.

With F(t) the probability of failing before t, S = 1 - F, and G(t) the hours that the part now in it is expected to run
up to t, a repair at t costs, up to the end T of what is looked at,

    E(t) = failure F(t) + planned S(t) + failure r (T - G(t)),

and none at all costs E without the planned part at t = T. The last term is the risk of the part that is put in, by a
repair or after a failure: it fails r times an hour. With r = 0 a repaired asset does not fail again before T.
"""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pandas as pd

from data_contracts.errors import UsageError

Vector = npt.NDArray[np.float64]
_HOUR = pd.Timedelta(hours=1)
# A failure that is certain would have an infinite hazard.
_MOST_CERTAIN = 1 - 1e-12


@dataclass(frozen=True)
class Risk:
    """When an asset may fail, as a model foretold it.

    Parameters
    ----------
    since
        From when on the hours count: the cut-off and the lead. Up to then nothing is foretold, and no failure counted.
    hours
        The horizons, ascending and more than 0.
    probabilities
        Of failing within each of them, from 0 to 1, never falling.

    Raises
    ------
    UsageError
        If there is no horizon, or these rules are broken.
    """

    since: pd.Timestamp
    hours: tuple[float, ...]
    probabilities: tuple[float, ...]

    def __post_init__(self) -> None:
        hours, told = np.array(self.hours, dtype=np.float64), np.array(self.probabilities, dtype=np.float64)
        if not len(hours) or len(hours) != len(told):
            raise _wrong(f"{len(hours)} horizons and {len(told)} probabilities", "as many, and at least one")
        # Written so that NaN breaks the rules too.
        if not ((np.diff(hours, prepend=0.0) > 0).all() and np.isfinite(hours).all()):
            raise _wrong(f"horizons of {self.hours} hours", "ascending hours, more than 0")
        if not ((np.diff(told, prepend=0.0) >= 0).all() and told[-1] <= 1):
            raise _wrong(f"probabilities {self.probabilities}", "numbers from 0 to 1 that never fall with the horizon")

    @property
    def ends(self) -> pd.Timestamp:
        """Return the end of the last horizon."""
        return self.since + self.hours[-1] * _HOUR


@dataclass(frozen=True)
class Costs:
    """What work and failures of an asset cost, in any one currency.

    Parameters
    ----------
    planned, failure
        Of one planned repair and of one failure, besides the time that the asset stands.
    downtime_per_hour, unplanned_hours
        Of an hour that it stands because it failed, and how many those are.
    planned_downtime_per_hour
        Of an hour that it stands for a planned repair.

    Raises
    ------
    UsageError
        If one is negative or not finite.
    """

    planned: float
    failure: float
    downtime_per_hour: float = 0.0
    unplanned_hours: float = 0.0
    planned_downtime_per_hour: float = 0.0

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not 0 <= value < np.inf:
                raise _wrong(f"{name} of {value}", "a finite amount, 0 or more")

    @property
    def of_failure(self) -> float:
        """Return what one failure costs with all its downtime."""
        return self.failure + self.downtime_per_hour * self.unplanned_hours

    def of_repair(self, hours: float) -> float:
        """Return what one planned repair costs that takes some hours."""
        return self.planned + self.planned_downtime_per_hour * hours


@dataclass(frozen=True)
class Job:
    """An asset that could be repaired.

    Parameters
    ----------
    asset
        Its name.
    risk
        When it may fail.
    costs
        What that and its repair cost.
    repair_hours
        How long crews work on it, more than 0.
    failures_per_hour_after
        How often a repaired asset fails (r above); 0 counts no failure after a repair.

    Raises
    ------
    UsageError
        If hours or rate are not such numbers.
    """

    asset: str
    risk: Risk
    costs: Costs = field(repr=False)
    repair_hours: float = 8.0
    failures_per_hour_after: float = 0.0

    def __post_init__(self) -> None:
        if not 0 < self.repair_hours < np.inf:
            raise _wrong(f"a repair of {self.repair_hours} hours", "a finite number of hours, more than 0")
        if not 0 <= self.failures_per_hour_after < np.inf:
            raise _wrong(f"{self.failures_per_hour_after} failures an hour after a repair", "a finite rate, 0 or more")


def survival(risk: Risk, start: pd.Timestamp, hours: Vector) -> tuple[Vector, Vector]:
    """Tell whether an asset that runs at a start still runs some hours later, and how long it has run by then.

    Parameters
    ----------
    risk
        When it may fail.
    start
        When it is known to run.
    hours
        Hours after the start, ascending from 0 on, shape (n,).

    Returns
    -------
    alive : ndarray, shape (n,)
        S: the probability that it has not failed by then.
    lived : ndarray, shape (n,)
        G: the hours that it is expected to have run since the start.

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
    # Between neighbours of this grid the hazard is constant, so that the hours lived have a closed form.
    grid = np.unique(np.concatenate([[0.0], hours, edges - offset]))
    grid = grid[grid >= 0]
    at = grid + offset
    gathered = np.interp(at, edges, hazard) + last * np.maximum(at - edges[-1], 0.0)
    gathered -= gathered[0]
    alive = np.exp(-gathered)
    rises, steps = np.diff(gathered), np.diff(grid)
    # The mean of exp(-x) over a step, which is 1 where nothing can happen.
    mean = np.divide(-np.expm1(-rises), rises, out=np.ones_like(rises), where=rises > 0)
    lived = np.concatenate([[0.0], np.cumsum(alive[:-1] * mean * steps)])
    place = np.searchsorted(grid, hours)
    return alive[place], lived[place]


def expected_costs(job: Job, start: pd.Timestamp, hours: Vector, until_hours: float) -> tuple[Vector, float]:
    """Tell what repairing an asset at some times is expected to cost, and what not repairing it costs.

    Parameters
    ----------
    job
        The asset.
    start
        When it is known to run.
    hours
        When it is repaired, in hours after the start, ascending, none after `until_hours`; shape (n,).
    until_hours
        T: costs are counted up to then, and nothing that is left then has a value.

    Returns
    -------
    repaired : ndarray, shape (n,)
        E of each time. It is repaired unless it has failed before.
    unrepaired : float
        E without a repair.
    """
    alive, lived = survival(job.risk, start, np.append(hours, until_hours))
    failure, planned = job.costs.of_failure, job.costs.of_repair(job.repair_hours)
    renewed = failure * job.failures_per_hour_after * (until_hours - lived)
    costs = failure * (1 - alive) + renewed
    return costs[:-1] + planned * alive[:-1], float(costs[-1])


def _wrong(found: str, expected: str) -> UsageError:
    return UsageError(found, expected, "Correct what is planned with")
