"""Dirt: what goes wrong between a sensor and the table, in declared shares.

Readings get lost, arrive twice, arrive days late and so out of order; a sensor sticks at one value; a reading lies
far outside any range. Every kind has a share of the rows in expectation; the other rows are unchanged.
"""

from dataclasses import dataclass

import numpy as np

from pipelines.fleet.plant.arrays import Flags, Floats, Integers, between
from pipelines.fleet.plant.channels import CHANNELS

GAP_HOURS = (2, 12)
STUCK_HOURS = (6, 24)
MINUTES_LATE = (1.0, 10.0)
HOURS_LATE = (2.0, 48.0)
# What a broken wire or a wrong scale reads: below and above anything a machine can do.
IMPOSSIBLE = {
    "spindle_vibration": (-5.0, 950.0),
    "bearing_temperature": (-273.0, 900.0),
    "spindle_power": (-80.0, 3000.0),
    "axis_current": (-90.0, 5000.0),
    "coolant_flow": (-50.0, 4000.0),
    "spindle_speed": (-9000.0, 400000.0),
    "tool_load": (-60.0, 9000.0),
}
DRAWS = 12
(GAP, GAP_LONG, STUCK, STUCK_LONG, STUCK_WHICH, WILD, WILD_WHICH, WILD_SIDE, TWICE, LATE, LATE_BY, MINUTES) = range(
    DRAWS
)


@dataclass(frozen=True)
class Dirt:
    """Declare how much of the telemetry is dirty, each kind as a share of the rows.

    Parameters
    ----------
    gaps : float
        Rows that never arrive, for hours on end.
    duplicates : float
        Rows that arrive twice.
    late : float
        Rows that become known hours to two days late, after younger ones.
    stuck : float
        Rows in which one sensor repeats an older value.
    out_of_range : float
        Rows in which one reading is impossible.
    """

    gaps: float = 0.012
    duplicates: float = 0.004
    late: float = 0.02
    stuck: float = 0.006
    out_of_range: float = 0.002


CLEAN = Dirt(gaps=0.0, duplicates=0.0, late=0.0, stuck=0.0, out_of_range=0.0)


@dataclass
class Faults:
    """Faults at work; arrays have shape (n_machines,)."""

    gap_left: Integers  # hours until the connection works again
    stuck_left: Integers  # hours until the sensor works again
    stuck_channel: Integers  # index of the channel that sticks
    stuck_value: Floats  # at which it sticks


@dataclass(frozen=True)
class Transmission:
    """What became of each reading on its way; arrays have shape (n_hours, n_machines)."""

    lost: Flags
    twice: Flags
    late: Flags
    stuck: Flags
    wild: Flags  # one reading is impossible
    delay: Floats  # minutes until known


def no_faults(machines: int) -> Faults:
    """Return the state of a fleet whose sensors and connections all work."""
    zeros = np.zeros(machines, dtype=np.int64)
    return Faults(zeros.copy(), zeros.copy(), zeros.copy(), np.zeros(machines))


def transmit(dirt: Dirt, faults: Faults, values: Floats, draws: Floats) -> Transmission:
    """Make readings dirty and decide when they arrive; changes `faults` and `values` in place.

    `values` have shape (n_hours, n_machines, n_channels), the uniform `draws` (n_hours, DRAWS, n_machines).
    """
    lost = np.zeros(values.shape[:2], dtype=bool)
    stuck = np.zeros(values.shape[:2], dtype=bool)
    for hour, hour_draws in enumerate(draws):
        lost[hour] = _step_gaps(dirt, faults, hour_draws)
        stuck[hour] = _step_stuck(dirt, faults, values[hour], hour_draws)
    wild = draws[:, WILD] < dirt.out_of_range
    _put_impossible(values, wild, draws)
    late = draws[:, LATE] < dirt.late
    minutes = between(MINUTES_LATE, draws[:, MINUTES])
    delay = np.where(late, 60.0 * between(HOURS_LATE, draws[:, LATE_BY]), minutes)
    return Transmission(lost, draws[:, TWICE] < dirt.duplicates, late, stuck, wild, delay)


def _step_gaps(dirt: Dirt, faults: Faults, draws: Floats) -> Flags:
    """Advance the connections by an hour; return which machines are cut off."""
    begins = (faults.gap_left <= 0) & (draws[GAP] < _hazard(dirt.gaps, GAP_HOURS))
    faults.gap_left = np.where(begins, _hours(GAP_HOURS, draws[GAP_LONG]), np.maximum(faults.gap_left - 1, 0))
    return np.asarray(faults.gap_left > 0)


def _step_stuck(dirt: Dirt, faults: Faults, values: Floats, draws: Floats) -> Flags:
    """Advance the sensors by an hour; return which machines have a stuck one."""
    machines = np.arange(len(values))
    begins = (faults.stuck_left <= 0) & (draws[STUCK] < _hazard(dirt.stuck, STUCK_HOURS))
    # The row in which a sensor sticks still reads true: one more hour than the rows that repeat it.
    hours = _hours(STUCK_HOURS, draws[STUCK_LONG]) + 1
    faults.stuck_left = np.where(begins, hours, np.maximum(faults.stuck_left - 1, 0))
    faults.stuck_channel = np.where(begins, _channel(draws[STUCK_WHICH]), faults.stuck_channel)
    reading = values[machines, faults.stuck_channel]
    faults.stuck_value = np.where(begins, reading, faults.stuck_value)
    stuck = (faults.stuck_left > 0) & ~begins
    values[machines, faults.stuck_channel] = np.where(stuck, faults.stuck_value, reading)
    return np.asarray(stuck)


def _put_impossible(values: Floats, wild: Flags, draws: Floats) -> None:
    """Replace one reading of each wild row by an impossible one."""
    hour, machine = np.nonzero(wild)
    channel = _channel(draws[hour, WILD_WHICH, machine])
    side = np.floor(draws[hour, WILD_SIDE, machine] * 2).astype(np.int64)
    values[hour, machine, channel] = np.array([IMPOSSIBLE[name] for name in CHANNELS])[channel, side]


def _channel(draws: Floats) -> Integers:
    """Return channel indices, each equally likely."""
    return np.floor(draws * len(CHANNELS)).astype(np.int64)


def _hazard(share: float, hours: tuple[int, int]) -> float:
    """Return the hourly probability of a beginning that leads to this share of the hours."""
    mean = (hours[0] + hours[1]) / 2.0
    return share / (mean * (1.0 - share))


def _hours(bounds: tuple[int, int], draws: Floats) -> Integers:
    """Return whole hours drawn evenly from the bounds, both included."""
    return np.floor(bounds[0] + draws * (bounds[1] - bounds[0] + 1)).astype(np.int64)
