"""The best assignment of jobs to days: at most one day a job, no day over its places or hours."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import coo_array

Vector = npt.NDArray[np.float64]
Days = npt.NDArray[np.int64]
UNASSIGNED = -1
"""The day of a job that is left out."""
# The solver ignores differences below a millionth, so savings are scaled far above it.
_SCALE = 1e6
# Below it the scale would be infinite.
_SMALLEST = 1e-300
# A day that is filled exactly must not count as overfull because the sum of its hours was rounded.
_ROUNDING = 1e-9


@dataclass(frozen=True)
class Assignment:
    """Which job is done on which day."""

    day: Days  # number of the day of each job, shape (n_jobs,); `UNASSIGNED` for a job that is left out
    proven: bool = True  # whether no other one saves more, within the gap; False if the time limit was reached
    optimality_gap: float = 0.0  # how much more another one could save at most


def assign(
    saves: Vector,
    needed: Vector,
    places: Sequence[int | None],
    hours: Sequence[float | None],
    seconds: float,
    gap: float = 0.0,
) -> Assignment:
    """Choose for each job a day or none, so that the total saving is largest.

    `saves` has shape (n_jobs, n_days); a job is never put where it saves nothing. `needed` are the hours each job
    takes, shape (n_jobs,); `places` and `hours` are those of each day, None for no limit. After `seconds` the best
    assignment so far is taken; `gap` is the share of the saving that may be missed. Equal jobs are done in their order,
    and no job is left out that saves something on a day with room for it.

    Examples
    --------
    >>> saves = np.array([[5.0, 4.0], [9.0, 3.0]])
    >>> assign(saves, np.array([1.0, 1.0]), [1, 1], [None, None], 1.0).day.tolist()
    [1, 0]
    """
    longest = np.array([np.inf if limit is None else limit for limit in hours])
    job, day = np.nonzero((saves > 0) & (needed[:, None] <= longest) & (np.array([limit != 0 for limit in places])))
    chosen = np.full(len(saves), UNASSIGNED)
    if not len(job):
        return Assignment(chosen)
    job, day = _without_dominated(job, day, saves, needed, places, hours)
    scale = _SCALE / max(saves[job, day].max(), _SMALLEST)
    solution = milp(
        -scale * saves[job, day],
        integrality=np.ones(len(job)),
        bounds=Bounds(0, 1),
        constraints=list(_limits(job, day, saves.shape, needed, places, hours)),
        options={"time_limit": seconds, "mip_rel_gap": gap},
    )
    proven = bool(solution.status == 0)
    if solution.x is None:  # no plan was found within the time limit
        missed = float(np.maximum(saves, 0).max(axis=1).sum())
    else:
        taken = solution.x > 0.5
        chosen[job[taken]] = day[taken]
        exact = (proven and not gap) or solution.mip_dual_bound is None
        missed = 0.0 if exact else float(solution.fun - solution.mip_dual_bound) / scale
    free, time = _room(chosen, needed, places, hours)
    _move_earlier(chosen, saves, needed, free, time)
    missed -= _fill(chosen, saves, needed, free, time)
    _order_equal_jobs(chosen, saves, needed)
    return Assignment(chosen, proven, max(0.0, missed))


def _without_dominated(
    job: Days,
    day: Days,
    saves: Vector,
    needed: Vector,
    places: Sequence[int | None],
    hours: Sequence[float | None],
) -> tuple[Days, Days]:
    """Leave out options that no best plan needs: of a whole fleet only few jobs can be done.

    If on some day as many jobs of equal hours save at least as much as can be done on all days together, one of them
    is free, and can take the place of the job that saves less.
    """
    shortest = float(needed[job].min())
    most = 0.0
    for place, time in zip(places, hours, strict=True):
        of_time = np.inf if time is None or shortest <= 0 else np.floor(time / shortest + _ROUNDING)
        most += min(np.inf if place is None else place, of_time)
    if most >= len(saves):
        return job, day
    order = np.lexsort([job, -saves[job, day], needed[job], day])
    begins = np.append(True, (np.diff(day[order]) != 0) | (np.diff(needed[job[order]]) != 0))
    rank = np.arange(len(order)) - np.flatnonzero(begins)[np.cumsum(begins) - 1]
    kept = np.sort(order[rank < most])
    return job[kept], day[kept]


def _limits(
    job: Days,
    day: Days,
    shape: tuple[int, ...],
    needed: Vector,
    places: Sequence[int | None],
    hours: Sequence[float | None],
) -> Iterator[LinearConstraint]:
    option = np.arange(len(job))
    yield LinearConstraint(coo_array((np.ones(len(job)), (job, option)), (shape[0], len(job))).tocsr(), ub=1)
    for weights, limits in ((np.ones(len(needed)), places), (needed, hours)):
        if any(limit is not None for limit in limits):
            used = coo_array((weights[job], (day, option)), (shape[1], len(job))).tocsr()
            yield LinearConstraint(used, ub=[np.inf if limit is None else limit for limit in limits])


def _room(
    chosen: Days, needed: Vector, places: Sequence[int | None], hours: Sequence[float | None]
) -> tuple[Vector, Vector]:
    """Count the places and hours that are left on each day."""
    free = np.array([np.inf if limit is None else limit for limit in places])
    time = np.array([np.inf if limit is None else limit + _ROUNDING for limit in hours])
    done = chosen != UNASSIGNED
    np.subtract.at(free, chosen[done], 1)
    np.subtract.at(time, chosen[done], needed[done])
    return free, time


def _move_earlier(chosen: Days, saves: Vector, needed: Vector, free: Vector, time: Vector) -> None:
    """Move jobs to the earliest day with room on which they save no less."""
    for job in sorted(np.flatnonzero(chosen != UNASSIGNED).tolist(), key=lambda job: (chosen[job], job)):
        now = int(chosen[job])
        for day in range(now):
            if free[day] >= 1 and time[day] >= needed[job] and saves[job, day] >= saves[job, now]:
                free[day], time[day] = free[day] - 1, time[day] - needed[job]
                free[now], time[now] = free[now] + 1, time[now] + needed[job]
                chosen[job] = day
                break


def _fill(chosen: Days, saves: Vector, needed: Vector, free: Vector, time: Vector) -> float:
    """Assign jobs that were left out though there is room for them, largest saving first; return the saving."""
    job, day = np.nonzero((chosen == UNASSIGNED)[:, None] & (saves > 0))
    gained = 0.0
    for option in np.argsort(-saves[job, day], kind="stable").tolist():
        one, on = int(job[option]), int(day[option])
        if chosen[one] == UNASSIGNED and free[on] >= 1 and time[on] >= needed[one]:
            chosen[one] = on
            free[on], time[on] = free[on] - 1, time[on] - needed[one]
            gained += float(saves[one, on])
    return gained


def _order_equal_jobs(chosen: Days, saves: Vector, needed: Vector) -> None:
    """Do equal jobs in their order."""
    equal: dict[tuple[float, ...], list[int]] = {}
    for job, row in enumerate(saves):
        equal.setdefault((needed[job], *row), []).append(job)
    for jobs in equal.values():
        days = sorted(chosen[jobs], key=lambda day: (day == UNASSIGNED, day))
        chosen[jobs] = days
