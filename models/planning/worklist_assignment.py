"""The best assignment of jobs to days: at most one day a job, no day over its places or hours."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import coo_array

Vector = npt.NDArray[np.float64]
Days = npt.NDArray[np.int64]
NONE = -1
"""In place of a day: none."""
# The solver takes differences below a millionth for none, so what is saved is scaled to be far above it.
_SCALE = 1e6
# Hours that fill a day to the last are not beyond it because their sum was rounded.
_ROUNDING = 1e-9


@dataclass(frozen=True)
class Assignment:
    """Which job is done on which day.

    Parameters
    ----------
    day
        Number of the day of each job, shape (n_jobs,); `NONE` for a job that is left out.
    proven
        Whether none saves more than the gap that was asked for allows; False if time was up first.
    most_missed
        By how much another one could save more at most.
    """

    day: Days
    proven: bool = True
    most_missed: float = 0.0


def assign(
    saves: Vector,
    took: Vector,
    places: Sequence[int | None],
    hours: Sequence[float | None],
    seconds: float,
    gap: float = 0.0,
) -> Assignment:
    """Choose for each job a day or none, so that most is saved.

    Parameters
    ----------
    saves
        What each job saves on each day, shape (n_jobs, n_days); a job is never put where it saves nothing.
    took
        The hours that each takes, shape (n_jobs,).
    places, hours
        What there is of them on each day; None for no limit.
    seconds
        After how long the best found so far is taken.
    gap
        The share of what is saved that may be missed; 0 for none.

    Returns
    -------
    Assignment
        Equal jobs are done in their order. No job is left out that saves something on a day with room for it.

    Examples
    --------
    >>> saves = np.array([[5.0, 4.0], [9.0, 3.0]])
    >>> assign(saves, np.array([1.0, 1.0]), [1, 1], [None, None], 1.0).day.tolist()
    [1, 0]
    """
    enough = np.array([np.inf if limit is None else limit for limit in hours])
    job, day = np.nonzero((saves > 0) & (took[:, None] <= enough) & (np.array([limit != 0 for limit in places])))
    chosen = np.full(len(saves), NONE)
    if not len(job):
        return Assignment(chosen)
    scale = _SCALE / saves[job, day].max()
    found = milp(
        -scale * saves[job, day],
        integrality=np.ones(len(job)),
        bounds=Bounds(0, 1),
        constraints=list(_limits(job, day, saves.shape, took, places, hours)),
        options={"time_limit": seconds, "mip_rel_gap": gap},
    )
    proven = bool(found.status == 0)
    if found.x is None:  # time was up before there was any
        missed = float(np.maximum(saves, 0).max(axis=1).sum())
    else:
        taken = found.x > 0.5
        chosen[job[taken]] = day[taken]
        exact = (proven and not gap) or found.mip_dual_bound is None
        missed = 0.0 if exact else float(found.fun - found.mip_dual_bound) / scale
    free, time = _room(chosen, took, places, hours)
    _settle_ties(chosen, saves, took, free, time)
    missed -= _fill(chosen, saves, took, free, time)
    _put_in_order(chosen, saves, took)
    return Assignment(chosen, proven, max(0.0, missed))


def _limits(
    job: Days,
    day: Days,
    shape: tuple[int, ...],
    took: Vector,
    places: Sequence[int | None],
    hours: Sequence[float | None],
) -> Iterator[LinearConstraint]:
    option = np.arange(len(job))
    yield LinearConstraint(coo_array((np.ones(len(job)), (job, option)), (shape[0], len(job))).tocsr(), ub=1)
    for weights, limits in ((np.ones(len(took)), places), (took, hours)):
        if any(limit is not None for limit in limits):
            used = coo_array((weights[job], (day, option)), (shape[1], len(job))).tocsr()
            yield LinearConstraint(used, ub=[np.inf if limit is None else limit for limit in limits])


def _room(
    chosen: Days, took: Vector, places: Sequence[int | None], hours: Sequence[float | None]
) -> tuple[Vector, Vector]:
    """Count the places and hours that are left on each day."""
    free = np.array([np.inf if limit is None else limit for limit in places])
    time = np.array([np.inf if limit is None else limit + _ROUNDING for limit in hours])
    done = chosen != NONE
    np.subtract.at(free, chosen[done], 1)
    np.subtract.at(time, chosen[done], took[done])
    return free, time


def _settle_ties(chosen: Days, saves: Vector, took: Vector, free: Vector, time: Vector) -> None:
    """Do earlier what saves no less then."""
    for job in sorted(np.flatnonzero(chosen != NONE).tolist(), key=lambda job: (chosen[job], job)):
        now = int(chosen[job])
        for day in range(now):
            if free[day] >= 1 and time[day] >= took[job] and saves[job, day] >= saves[job, now]:
                free[day], time[day] = free[day] - 1, time[day] - took[job]
                free[now], time[now] = free[now] + 1, time[now] + took[job]
                chosen[job] = day
                break


def _fill(chosen: Days, saves: Vector, took: Vector, free: Vector, time: Vector) -> float:
    """Do what was left out though there is room for it, what saves most first; return what that saves."""
    job, day = np.nonzero((chosen == NONE)[:, None] & (saves > 0))
    gained = 0.0
    for option in np.argsort(-saves[job, day], kind="stable").tolist():
        one, on = int(job[option]), int(day[option])
        if chosen[one] == NONE and free[on] >= 1 and time[on] >= took[one]:
            chosen[one] = on
            free[on], time[on] = free[on] - 1, time[on] - took[one]
            gained += float(saves[one, on])
    return gained


def _put_in_order(chosen: Days, saves: Vector, took: Vector) -> None:
    """Do equal jobs in their order."""
    alike: dict[tuple[float, ...], list[int]] = {}
    for job, row in enumerate(saves):
        alike.setdefault((took[job], *row), []).append(job)
    for jobs in alike.values():
        days = sorted(chosen[jobs], key=lambda day: (day == NONE, day))
        chosen[jobs] = days
