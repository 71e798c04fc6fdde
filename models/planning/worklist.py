"""The worklist: which assets to repair on which day, so that the expected cost of the fleet is lowest.

Every asset is repaired on one of the days or not at all. A repair begins with its day, takes one day, and needs a place
and hours of the crews. The plan is optimal, not a rule of thumb: an integer programme solved by HiGHS. Costs are
counted up to one time for all assets, the later of the end of the last day and the last horizon; nothing that is left
then has a value. Planning anew each day gives a rolling plan.

Ties: an asset goes to the earliest day with room on which it saves no less; of assets that are equal in everything the
first by name goes first. Beyond that the plan is the solver's, the same for the same assets in any order; a repair that
it left out within its gap or for want of time, though a day has room for it, is put there.

References
----------
The assignment with several knapsacks: S. Martello & P. Toth, *Knapsack Problems* (1990), chapter 7. The cost of a
repair before a failure: R. E. Barlow & L. Hunter, "Optimum preventive maintenance policies", Operations Research 8
(1960) 90-100, doi:10.1287/opre.8.1.90.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from types import MappingProxyType

import numpy as np
import pandas as pd

from data_contracts.errors import UsageError
from models.planning.left_out import Why
from models.planning.worklist_assignment import UNASSIGNED, Assignment, assign
from models.planning.worklist_costs import Costs as Costs
from models.planning.worklist_costs import Job as Job
from models.planning.worklist_costs import Risk as Risk
from models.planning.worklist_costs import Vector, expected_costs, survival

_HOUR, _DAY = pd.Timedelta(hours=1), pd.Timedelta(days=1)
_NO_ASSETS: Mapping[str, "LeftOut"] = MappingProxyType({})


@dataclass(frozen=True)
class Day:
    """The capacity of the crews on a day."""

    begins: pd.Timestamp  # when its repairs begin; the asset runs up to then
    machines: int | None = None  # how many assets they can repair; None for no limit
    hours: float | None = None  # how many hours they can work; None for no limit

    def __post_init__(self) -> None:
        for name in ("machines", "hours"):
            value = getattr(self, name)
            if value is not None and not 0 <= value < np.inf:
                raise UsageError(f"crews for {value} {name} a day", "a finite number, 0 or more", "Fix the crews")


@dataclass(frozen=True)
class Line:
    """An asset to repair."""

    asset: str
    day: int  # number of the day, from 0
    begins: pd.Timestamp
    # The last whole hour after the start at which a repair is still expected to cost less than none.
    latest: pd.Timestamp
    saves: float  # by how much this repair lowers the expected cost
    cost: float  # the asset's expected cost with this repair
    cost_without: float  # the same without any repair
    fails_before: float  # probability that it fails before the repair begins
    fails: float  # probability that it fails, without any repair, before the end of the count


@dataclass(frozen=True)
class LeftOut:
    """An asset that is not to be repaired in this period, and why."""

    asset: str
    why: Why  # the reason, for programs
    reason: str  # the reason in words
    # Of a repair on the best of the days, negative if it costs more than none; None without a prediction.
    saves: float | None = None
    # The last whole hour at which a repair would cost less than none; None if there is none.
    latest: pd.Timestamp | None = None


@dataclass(frozen=True)
class Worklist:
    """The repairs by day, and the assets that are left out."""

    start: pd.Timestamp  # costs are counted from here to `until`
    until: pd.Timestamp
    lines: tuple[Line, ...]  # by day, then largest saving first, then by name
    left_out: tuple[LeftOut, ...]  # largest possible saving first, then by name; those without a prediction last
    cost: float  # expected cost, with this plan, of the assets that have a prediction
    cost_without: float  # the same if nothing is done
    # Whether no other plan is cheaper, within the gap; False if the time limit was reached, and only then may the
    # plan differ on another machine.
    proven: bool
    optimality_gap: float  # how much cheaper another plan could be at most

    @property
    def saves(self) -> float:
        """Return the expected saving of the plan."""
        return self.cost_without - self.cost


@dataclass(frozen=True)
class _CostedJob:
    """A job with its expected costs on each day."""

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
        worthwhile = np.flatnonzero(costs < without)
        return self.start + hours[worthwhile[-1]] * _HOUR if len(worthwhile) else None


def days_from(start: pd.Timestamp, count: int, *, machines: int | None, hours: float | None) -> tuple[Day, ...]:
    """Return consecutive days, from `start` on, on which the crews have the same capacity."""
    return tuple(Day(start + number * _DAY, machines, hours) for number in range(count))


def plan(
    jobs: Sequence[Job],
    days: Sequence[Day],
    *,
    start: pd.Timestamp | None = None,
    unknown: Mapping[str, LeftOut] = _NO_ASSETS,
    seconds: float = 10.0,
    gap: float = 0.0,
) -> Worklist:
    """Choose which assets to repair on which day, so that the expected cost of all together is lowest.

    Costs are counted from `start`, when all assets are known to run; by default the begin of the first day. For a plan
    made at noon for the next day it is noon, so that what fails overnight needs no place. Assets in `unknown`, which
    have no prediction, are left out. After `seconds` the best plan so far is taken; `gap` is the share of the saving
    that may be missed, so that large fleets are planned fast.

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
    _check_input(jobs, days, unknown, start)
    start = days[0].begins if start is None else start
    until = max([days[-1].begins + _DAY, *(job.risk.ends for job in jobs)])
    begins = np.array([(day.begins - start) / _HOUR for day in days])
    ordered = sorted(jobs, key=lambda job: job.asset)
    costed = [_CostedJob(job, start, (until - start) / _HOUR, begins) for job in ordered]
    saves = np.array([one.saves for one in costed]).reshape(len(ordered), len(days))
    needed = np.array([job.repair_hours for job in ordered])
    assignment = assign(saves, needed, [day.machines for day in days], [day.hours for day in days], seconds, gap)
    lines, left = _lines_and_left_out(costed, days, assignment, needed)
    without = float(sum(one.without for one in costed))
    return Worklist(
        start=start,
        until=until,
        lines=tuple(sorted(lines, key=lambda line: (line.day, -line.saves, line.asset))),
        left_out=(
            *sorted(left, key=lambda left_out: (-(left_out.saves or 0.0), left_out.asset)),
            *(unknown[asset] for asset in sorted(unknown)),
        ),
        cost=without - float(sum(line.saves for line in lines)),
        cost_without=without,
        proven=assignment.proven,
        optimality_gap=assignment.optimality_gap,
    )


def _lines_and_left_out(
    costed: Sequence[_CostedJob], days: Sequence[Day], assignment: Assignment, needed: Vector
) -> tuple[list[Line], list[LeftOut]]:
    lines, left = [], []
    room = [np.inf if day.hours is None else day.hours for day in days]
    for one, day, hours in zip(costed, assignment.day, needed, strict=True):
        latest = one.latest()
        if day == UNASSIGNED:
            left.append(_left_out(one, latest, fits=bool(hours <= max(room))))
        else:
            begins = days[day].begins
            lines.append(_line(one, int(day), begins, max(latest or begins, begins)))
    return lines, left


def _line(one: _CostedJob, day: int, begins: pd.Timestamp, latest: pd.Timestamp) -> Line:
    alive, _ = survival(one.job.risk, one.start, np.array([one.days[day], one.until_hours]))
    return Line(
        asset=one.job.asset,
        day=day,
        begins=begins,
        latest=latest,
        saves=float(one.saves[day]),
        cost=float(one.costs[day]),
        cost_without=one.without,
        fails_before=float(1 - alive[0]),
        fails=float(1 - alive[1]),
    )


def _left_out(one: _CostedJob, latest: pd.Timestamp | None, *, fits: bool) -> LeftOut:
    best = float(one.saves.max())
    why: Why
    if best <= 0 or latest is None:
        why = "saves_less_than_it_costs"
        reason = f"saves less than it costs: {one.without:,.0f} without, {one.costs.min():,.0f} with a repair"
    elif not fits:
        why = "too_long_for_a_day"
        reason = f"too long for a day: {one.job.repair_hours:g} hours, and no day has as many"
    else:
        why = "no_crew_free"
        reason = f"no crew free before {latest:%Y-%m-%d %H:%M} UTC: what they do in place of it saves more"
    return LeftOut(one.job.asset, why, reason, best, latest)


def _check_input(
    jobs: Sequence[Job], days: Sequence[Day], unknown: Mapping[str, LeftOut], start: pd.Timestamp | None
) -> None:
    begins = [day.begins for day in days]
    if not days or begins[0] < (start or begins[0]) or any(later <= day for day, later in pairwise(begins)):
        raise UsageError(
            f"{len(days)} days to plan for",
            "one day or more, each after the one before, none before the start",
            "Fix the days",
        )
    names = [*(job.asset for job in jobs), *unknown]
    repeated = {name for name, count in Counter(names).items() if count > 1}
    if repeated:
        raise UsageError(f"asset {min(repeated)!r} twice", "each asset once", "Leave one of them out")
