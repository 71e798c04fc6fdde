"""Passing disturbances: what looks like the beginning of a failure and goes away by itself."""

from dataclasses import dataclass

import numpy as np

from pipelines.fleet.plant.arrays import Floats

# Each resembles one failure mode: bearing, pump, drive.
DISTURBANCES = ("tool_imbalance", "clogged_filter", "chips_in_guide")
# Mean days between two of a kind on one machine.
DAYS_BETWEEN = np.array([90.0, 90.0, 90.0])
SHORTEST_HOURS = 6.0
LONGEST_HOURS = 30.0
# Random numbers a step consumes for each disturbance and machine: begins, duration, strength.
DRAWS = 3


@dataclass
class ActiveDisturbances:
    """Disturbances at work; arrays have shape (n_disturbances, n_machines)."""

    hours_left: Floats  # until the disturbance is over; 0 when there is none
    strength: Floats  # 0 to 1


def no_disturbances(machines: int) -> ActiveDisturbances:
    """Return the state of a fleet without disturbances."""
    shape = (len(DISTURBANCES), machines)
    return ActiveDisturbances(hours_left=np.zeros(shape), strength=np.zeros(shape))


def step(state: ActiveDisturbances, draws: Floats) -> Floats:
    """Advance `state` by an hour; return the strengths, shape (n_disturbances, n_machines), 0 where there is none.

    `draws` are uniform, shape (DRAWS, n_disturbances, n_machines).
    """
    begins = (state.hours_left <= 0) & (draws[0] < 1.0 / (24.0 * DAYS_BETWEEN[:, None]))
    hours = np.floor(SHORTEST_HOURS + draws[1] * (LONGEST_HOURS - SHORTEST_HOURS))
    state.hours_left = np.where(begins, hours, np.maximum(state.hours_left - 1.0, 0.0))
    state.strength = np.where(begins, 0.3 + 0.7 * draws[2], state.strength)
    return np.where(state.hours_left > 0, state.strength, 0.0)
