"""What the machines do, minute by minute: parts are roughed, finished and changed, and the bearings warm up with it.

An hour's schedule follows from the seed, the machine's name and the hour; the heat in it from the six hours before.
"""

import functools
from dataclasses import dataclass

import numpy as np

from pipelines.fleet.live.machines.live_plant import LivePlant
from pipelines.fleet.live.machines.random_keys import generator
from pipelines.fleet.plant.arrays import Floats, Integers

MINUTES = 60
RAMP = 2.0  # seconds that the spindle takes to another speed
STANDSTILL, FINISHING, ROUGHING = range(3)
# Heavy parts turn slowly: three times a revolution's frequency stays below what a hundred readings a second can show.
SPEEDS = np.array([0.0, 780.0, 430.0])  # rpm
LOADS = np.array([0.0, 0.35, 0.85])  # share of the spindle's torque
PROGRAMS = np.array(
    [
        [0, 2, 2, 2, 2, 1, 1, 0, 2, 1],
        [0, 2, 2, 1, 1, 1, 0, 1, 1, 1],
        [0, 2, 2, 2, 2, 2, 2, 2, 1, 1],
        [0, 0, 1, 1, 0, 2, 2, 1, 0, 1],
    ]
)  # regime in each minute
HEAT = 26.0  # degC over the air at full load and speed
_WARM_UP = 45.0  # minutes
_HOURS_FELT = 6


@dataclass(frozen=True)
class HourSchedule:
    """The minutes of an hour, each array (n_machines, 60)."""

    speed_before: Floats  # Hz
    speed: Floats  # Hz
    revolutions: Floats  # since the begin of the hour
    load: Floats
    heat: Floats  # degC over the air, at the begin of the minute
    heat_after: Floats


@functools.lru_cache(maxsize=8)
def hour_schedule(plant: LivePlant, hour: int) -> HourSchedule:
    """Return the schedule of an hour, of which `hour` is the number since 1970."""
    regimes = np.concatenate([_regimes(plant, hour - back) for back in range(_HOURS_FELT, -1, -1)], axis=1)
    rated = plant.speed[:, None] * SPEEDS[regimes] / 60.0
    speed_before, speed = rated[:, -MINUTES - 1 : -1], rated[:, -MINUTES:]
    # In every hour a whole number of revolutions, so that the angle goes on where the hour before ended.
    turned = np.cumsum(60.0 * speed + (speed_before - speed) * RAMP / 2.0, axis=1)
    whole = np.rint(turned[:, -1:]) / turned[:, -1:]
    begins = np.concatenate([np.zeros((len(plant), 1)), turned[:, :-1]], axis=1)
    heat = _heat(LOADS[regimes], SPEEDS[regimes])
    return HourSchedule(
        speed_before=speed_before * whole,
        speed=speed * whole,
        revolutions=begins * whole,
        load=LOADS[regimes[:, -MINUTES:]],
        heat=heat[:, -MINUTES - 1 : -1],
        heat_after=heat[:, -MINUTES:],
    )


def _regimes(plant: LivePlant, hour: int) -> Integers:
    """Return the regime of every machine in each minute of an hour."""
    draws = np.array([generator(key, hour).random(2) for key in plant.schedule_keys])
    program = (draws[:, 0] * len(PROGRAMS)).astype(np.int64)
    length = PROGRAMS.shape[1]
    minute = np.arange(MINUTES) + (draws[:, 1:] * length).astype(np.int64)
    return np.asarray(PROGRAMS[program[:, None], minute % length])


def _heat(load: Floats, speed: Floats) -> Floats:
    """Return the heat at the end of each minute, from a machine that was as warm as its work on average makes it."""
    target = HEAT * (0.6 * load + 0.4 * speed / SPEEDS.max())
    share = 1.0 - np.exp(-1.0 / _WARM_UP)
    heat = np.empty_like(target)
    state = target.mean(axis=1)
    for minute in range(target.shape[1]):
        state = state + share * (target[:, minute] - state)
        heat[:, minute] = state
    return np.asarray(heat)
