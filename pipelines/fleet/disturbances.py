"""Passing disturbances: what looks like the beginning of a failure and goes away by itself."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

# Each resembles one failure mode: bearing, pump, drive.
DISTURBANCES = ("tool_imbalance", "clogged_filter", "chips_in_guide")
# One begins on a machine about every this many days.
DAYS_BETWEEN = np.array([90.0, 90.0, 90.0])
SHORTEST_HOURS = 6.0
LONGEST_HOURS = 30.0
# Random numbers a step consumes for each disturbance and machine: begins, duration, strength.
DRAWS = 3


@dataclass
class Disturbed:
    """Hold the disturbances at work; arrays have shape (n_disturbances, n_machines).

    Parameters
    ----------
    hours_left : ndarray
        Hours until the disturbance is over; 0 when there is none.
    strength : ndarray
        How strongly it shows, 0 to 1.
    """

    hours_left: Floats
    strength: Floats


def undisturbed(machines: int) -> Disturbed:
    """Return a fleet without disturbances.

    Parameters
    ----------
    machines : int
        Number of machines.

    Returns
    -------
    Disturbed
        The state.
    """
    shape = (len(DISTURBANCES), machines)
    return Disturbed(hours_left=np.zeros(shape), strength=np.zeros(shape))


def step(state: Disturbed, draws: Floats) -> Floats:
    """Let an hour pass and return how strongly each disturbance shows in it.

    Parameters
    ----------
    state : Disturbed
        State; changed in place.
    draws : ndarray, shape (DRAWS, n_disturbances, n_machines)
        Uniform random numbers.

    Returns
    -------
    ndarray, shape (n_disturbances, n_machines)
        Strengths, 0 where there is none.
    """
    begins = (state.hours_left <= 0) & (draws[0] < 1.0 / (24.0 * DAYS_BETWEEN[:, None]))
    hours = np.floor(SHORTEST_HOURS + draws[1] * (LONGEST_HOURS - SHORTEST_HOURS))
    state.hours_left = np.where(begins, hours, np.maximum(state.hours_left - 1.0, 0.0))
    state.strength = np.where(begins, 0.3 + 0.7 * draws[2], state.strength)
    return np.where(state.hours_left > 0, state.strength, 0.0)
