"""Operating regimes: what a machine is doing hour by hour, by its shifts and its jobs."""

from typing import Final

import numpy as np

from pipelines.fleet.plant.arrays import Flags, Floats, Integers

IDLE: Final = 0
ROUGHING: Final = 1
FINISHING: Final = 2
REGIMES = ("idle", "roughing", "finishing")
# Hours of work that an hour in each regime counts for.
LOAD = np.array([0.15, 1.25, 1.0])
SUNDAY: Final = 6
# Random numbers a step consumes for each machine: works, takes a new job, next job.
DRAWS: Final = 3


def staffed(first_hour: Integers, last_hour: Integers, hour_of_day: Integers, weekday: Integers) -> Flags:
    """Return which machines have a shift in each hour, shape (n_hours, n_machines).

    Monday is weekday 0. On Sundays only machines with three shifts are staffed.
    """
    hour = hour_of_day[:, None]
    in_shift = (hour >= first_hour) & (hour < last_hour)
    three_shifts = last_hour - first_hour == 24
    return np.asarray(in_shift & ((weekday[:, None] != SUNDAY) | three_shifts))


def next_jobs(job: Integers, draws: Floats) -> Integers:
    """Return each machine's job, ROUGHING or FINISHING, given that of the hour before; it changes every few hours."""
    fresh = np.where(draws[2] < 0.45, ROUGHING, FINISHING)
    return np.where(draws[1] < 0.3, fresh, job)


def regime_of(job: Integers, in_shift: Flags, draws: Floats) -> Integers:
    """Return each machine's regime in this hour: its job, or IDLE."""
    works = draws[0] < np.where(in_shift, 0.9, 0.08)
    return np.where(works, job, IDLE)
