"""Operating regimes: what a machine is doing hour by hour, by its shifts and its jobs."""

from typing import Final

import numpy as np
import numpy.typing as npt

IDLE: Final = 0
ROUGHING: Final = 1
FINISHING: Final = 2
REGIMES = ("idle", "roughing", "finishing")
# Hours of work that an hour in each regime counts for.
LOAD = np.array([0.15, 1.25, 1.0])
SUNDAY: Final = 6
# Random numbers a step consumes for each machine: staffed, idle in a shift, next job.
DRAWS: Final = 3

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Integers = npt.NDArray[np.int64]


def staffed(first_hour: Integers, last_hour: Integers, hour_of_day: Integers, weekday: Integers) -> Flags:
    """Say which machines have a shift in each hour.

    Parameters
    ----------
    first_hour, last_hour : ndarray of int, shape (n_machines,)
        Hours of the day between which each machine is staffed.
    hour_of_day : ndarray of int, shape (n_hours,)
        0 to 23.
    weekday : ndarray of int, shape (n_hours,)
        Monday is 0.

    Returns
    -------
    ndarray of bool, shape (n_hours, n_machines)
        True when the machine is staffed; on Sundays only machines with three shifts are.
    """
    hour = hour_of_day[:, None]
    in_shift = (hour >= first_hour) & (hour < last_hour)
    three_shifts = last_hour - first_hour == 24
    return np.asarray(in_shift & ((weekday[:, None] != SUNDAY) | three_shifts))


def next_jobs(job: Integers, draws: Floats) -> Integers:
    """Return each machine's job, which changes every few hours.

    Parameters
    ----------
    job : ndarray of int, shape (n_machines,)
        The job of the hour before, ROUGHING or FINISHING.
    draws : ndarray, shape (DRAWS, n_machines)
        Uniform random numbers.

    Returns
    -------
    ndarray of int, shape (n_machines,)
        The job of this hour.
    """
    fresh = np.where(draws[2] < 0.45, ROUGHING, FINISHING)
    return np.where(draws[1] < 0.3, fresh, job)


def regime_of(job: Integers, in_shift: Flags, draws: Floats) -> Integers:
    """Return each machine's regime in this hour.

    Parameters
    ----------
    job : ndarray of int, shape (n_machines,)
        The job in hand.
    in_shift : ndarray of bool, shape (n_machines,)
        Whether the machine is staffed.
    draws : ndarray, shape (DRAWS, n_machines)
        Uniform random numbers.

    Returns
    -------
    ndarray of int, shape (n_machines,)
        IDLE, ROUGHING or FINISHING.
    """
    works = draws[0] < np.where(in_shift, 0.9, 0.08)
    return np.where(works, job, IDLE)
