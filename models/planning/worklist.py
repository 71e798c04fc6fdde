"""The worklist: which assets to repair on which day, so that the whole fleet is expected to cost least.

Every asset is repaired on one of the days or not at all. A repair begins with its day, takes one day, and needs a place
and hours of the crews. The plan is the best there is, not the best of a rule of thumb: an integer programme solved by
HiGHS. Costs are counted up to one time for all assets, the later of the end of the last day and the last horizon;
nothing that is left then has a value. Whoever plans anew each day gets a rolling plan.

Ties: an asset goes to the earliest day with room on which it saves no less; of assets that are alike in everything the
first by name goes first. Beyond that the plan is the solver's, the same for the same assets in any order; what it left
out within its gap or for want of time, though a day has room for it, is put there.

References
----------
The assignment with several knapsacks: S. Martello & P. Toth, *Knapsack Problems* (1990), chapter 7. The cost of a
repair before a failure: R. E. Barlow & L. Hunter, "Optimum preventive maintenance policies", Operations Research 8
(1960) 90-100, doi:10.1287/opre.8.1.90.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from types import MappingProxyType
from typing import Literal

import numpy as np
import pandas as pd

from data_contracts.errors import UsageError
from models.planning.worklist_assignment import NONE, Assignment, assign
from models.planning.worklist_costs import Costs as Costs
from models.planning.worklist_costs import Job as Job
from models.planning.worklist_costs import Risk as Risk
from models.planning.worklist_costs import Vector, expected_costs, survival

Why = Literal["saves_less_than_it_costs", "no_crew_free", "too_long_for_a_day", "no_alert", "abstained", "retired"]
_HOUR, _DAY = pd.Timedelta(hours=1), pd.Timedelta(days=1)
NOTHING: Mapping[str, "LeftOut"] = MappingProxyType({})


@dataclass(frozen=True)
class Day:
    """What crews can do on a day.

    Parameters
    ----------
    begins
        When its repairs begin; the asset runs up to then.
    machines
        How many assets they can repair; None for any number.
    hours
        How many hours they can work on them; None for any number.

    Raises
    ------
    UsageError
        If one is negative.
    """

    begins: pd.Timestamp
    machines: int | None = None
    hours: float | None = None

    def __post_init__(self) -> None:
        for name in ("machines", "hours"):
            value = getattr(self, name)
            if value is not None and not 0 <= value < np.inf:
                raise UsageError(f"crews for {value} {name} a day", "a finite number, 0 or more", "Correct the crews")


@dataclass(frozen=True)
class Line:
    """An asset to repair.

    Parameters
    ----------
    asset
        The asset.
    day
        Number of the day, from 0.
    begins
        When its repair begins.
    latest
        The last whole hour after the start at which a repair is still expected to cost less than none.
    saves
        By how much the fleet is expected to cost less than without this repair.
    cost, cost_without
        What the asset is expected to cost with this repair, and without any.
    fails_before
        Probability that it fails before the repair begins.
    fails
        Probability that it fails, without any repair, before costs are counted no more.
    """

    asset: str
    day: int
    begins: pd.Timestamp
    latest: pd.Timestamp
    saves: float
    cost: float
    cost_without: float
    fails_before: float
    fails: float


@dataclass(frozen=True)
class LeftOut:
    """An asset that is not to be repaired in this period, and why.

    Parameters
    ----------
    asset
        The asset.
    why
        The reason as programs read it.
    reason
        The reason in words.
    saves
        What a repair on the best of the days would save, negative if it would not; None if nothing is foretold.
    latest
        The last whole hour at which a repair would cost less than none; None if there is none.
    """

    asset: str
    why: Why
    reason: str
    saves: float | None = None
    latest: pd.Timestamp | None = None


@dataclass(frozen=True)
class Worklist:
    """What to repair, when, and what is left out.

    Parameters
    ----------
    start, until
        From when to when costs are counted.
    lines
        What to repair: by day, then what saves most, then by name.
    left_out
        All other assets: what would save most first, then by name; those of which nothing is foretold last.
    cost, cost_without
        What the assets that something is foretold of are expected to cost with this plan, and if nothing is done.
    proven
        Whether no other plan can be cheaper, but for the gap that was asked for; False if time was up first. Only such
        a plan is not sure to be the same on another machine.
    most_missed
        How much cheaper another plan could be at most.
    """

    start: pd.Timestamp
    until: pd.Timestamp
    lines: tuple[Line, ...]
    left_out: tuple[LeftOut, ...]
    cost: float
    cost_without: float
    proven: bool
    most_missed: float

    @property
    def saves(self) -> float:
        """Return what the plan is expected to save."""
        return self.cost_without - self.cost


@dataclass(frozen=True)
class _Prospect:
    """A job with what it costs on each day."""

    job: Job
    start: pd.Timestamp
    until_hours: float
    days: Vector
    costs: Vector = field(init=False)
    without: float = field(init=False)

    def __post_init__(self) -> None:
        costs, without = expected_costs(self.job, self.start, self.days, self.until_hours)
        object.__setattr__(self, "costs", costs)
        object.__setattr__(self, "without", without)

    @property
    def saves(self) -> Vector:
        return self.without - self.costs

    def latest(self) -> pd.Timestamp | None:
        hours = np.arange(np.floor(self.until_hours) + 1)
        costs, without = expected_costs(self.job, self.start, hours, self.until_hours)
        worth = np.flatnonzero(costs < without)
        return self.start + hours[worth[-1]] * _HOUR if len(worth) else None


def days_from(start: pd.Timestamp, count: int, *, machines: int | None, hours: float | None) -> tuple[Day, ...]:
    """Make days on which the crews can do the same.

    Parameters
    ----------
    start
        When the first day begins.
    count
        How many days.
    machines, hours
        As of `Day`.

    Returns
    -------
    tuple of Day
    """
    return tuple(Day(start + number * _DAY, machines, hours) for number in range(count))


def plan(
    jobs: Sequence[Job],
    days: Sequence[Day],
    *,
    start: pd.Timestamp | None = None,
    unknown: Mapping[str, LeftOut] = NOTHING,
    seconds: float = 10.0,
    gap: float = 0.0,
) -> Worklist:
    """Choose what to repair on which day, so that all assets together are expected to cost least.

    Parameters
    ----------
    jobs
        The assets, each once, in any order.
    days
        The days in order, at least one.
    start
        From when on costs are counted, and when all assets are known to run; the begin of the first day if None. Who
        plans at noon for tomorrow counts from noon: what fails overnight needs no place.
    unknown
        Assets of which nothing is foretold, with the reason; they are left out.
    seconds
        After how long the best plan so far is taken.
    gap
        The share of what is saved that may be missed, so that large fleets are planned fast; 0 for none.

    Returns
    -------
    Worklist

    Raises
    ------
    UsageError
        If there is no day, days are not in order or begin before the start, or an asset is there twice.

    Examples
    --------
    >>> start = pd.Timestamp("2026-01-05T06:00Z")
    >>> jobs = [
    ...     Job(asset, Risk(start, (72.0,), (chance,)), Costs(planned=1_000, failure=50_000))
    ...     for asset, chance in {"m1": 0.3, "m2": 0.6, "m3": 0.01}.items()
    ... ]
    >>> worklist = plan(jobs, days_from(start, 2, machines=1, hours=None))
    >>> [(line.asset, line.day, round(line.saves)) for line in worklist.lines]
    [('m2', 0, 29000), ('m1', 1, 8507)]
    >>> [(left.asset, left.why) for left in worklist.left_out]
    [('m3', 'saves_less_than_it_costs')]
    """
    _refuse(jobs, days, unknown, start)
    start = days[0].begins if start is None else start
    until = max([days[-1].begins + _DAY, *(job.risk.ends for job in jobs)])
    begins = np.array([(day.begins - start) / _HOUR for day in days])
    ordered = sorted(jobs, key=lambda job: job.asset)
    prospects = [_Prospect(job, start, (until - start) / _HOUR, begins) for job in ordered]
    saves = np.array([prospect.saves for prospect in prospects]).reshape(len(ordered), len(days))
    took = np.array([job.repair_hours for job in ordered])
    found = assign(saves, took, [day.machines for day in days], [day.hours for day in days], seconds, gap)
    lines, left = _sorted_out(prospects, days, found, took)
    without = float(sum(prospect.without for prospect in prospects))
    return Worklist(
        start=start,
        until=until,
        lines=tuple(sorted(lines, key=lambda line: (line.day, -line.saves, line.asset))),
        left_out=(
            *sorted(left, key=lambda one: (-(one.saves or 0.0), one.asset)),
            *(unknown[asset] for asset in sorted(unknown)),
        ),
        cost=without - float(sum(line.saves for line in lines)),
        cost_without=without,
        proven=found.proven,
        most_missed=found.most_missed,
    )


def _sorted_out(
    prospects: Sequence[_Prospect], days: Sequence[Day], found: Assignment, took: Vector
) -> tuple[list[Line], list[LeftOut]]:
    lines, left = [], []
    room = [np.inf if day.hours is None else day.hours for day in days]
    for prospect, day, hours in zip(prospects, found.day, took, strict=True):
        latest = prospect.latest()
        if day == NONE:
            left.append(_left_out(prospect, latest, fits=bool(hours <= max(room))))
        else:
            begins = days[day].begins
            lines.append(_line(prospect, int(day), begins, max(latest or begins, begins)))
    return lines, left


def _line(prospect: _Prospect, day: int, begins: pd.Timestamp, latest: pd.Timestamp) -> Line:
    alive, _ = survival(prospect.job.risk, prospect.start, np.array([prospect.days[day], prospect.until_hours]))
    return Line(
        asset=prospect.job.asset,
        day=day,
        begins=begins,
        latest=latest,
        saves=float(prospect.saves[day]),
        cost=float(prospect.costs[day]),
        cost_without=prospect.without,
        fails_before=float(1 - alive[0]),
        fails=float(1 - alive[1]),
    )


def _left_out(prospect: _Prospect, latest: pd.Timestamp | None, *, fits: bool) -> LeftOut:
    best = float(prospect.saves.max())
    why: Why
    if best <= 0 or latest is None:
        why = "saves_less_than_it_costs"
        reason = f"saves less than it costs: {prospect.without:,.0f} without, {prospect.costs.min():,.0f} with a repair"
    elif not fits:
        why = "too_long_for_a_day"
        reason = f"too long for a day: {prospect.job.repair_hours:g} hours, and no day has as many"
    else:
        why = "no_crew_free"
        reason = f"no crew free before {latest:%Y-%m-%d %H:%M} UTC: what they do in place of it saves more"
    return LeftOut(prospect.job.asset, why, reason, best, latest)


def _refuse(
    jobs: Sequence[Job], days: Sequence[Day], unknown: Mapping[str, LeftOut], start: pd.Timestamp | None
) -> None:
    begins = [day.begins for day in days]
    if not days or begins[0] < (start or begins[0]) or any(later <= day for day, later in pairwise(begins)):
        raise UsageError(
            f"{len(days)} days to plan for",
            "one day or more, each after the one before, none before the start",
            "Correct them",
        )
    names = [*(job.asset for job in jobs), *unknown]
    twice = {name for name in names if names.count(name) > 1} if len(set(names)) < len(names) else set()
    if twice:
        raise UsageError(f"asset {min(twice)!r} twice", "each asset once", "Leave one of them out")
