"""Dirt: what goes wrong between a sensor and the table, in declared shares.

Readings get lost, arrive twice, arrive days late and so out of order; a sensor sticks at one value; a reading lies
far outside any range. Every kind has a share of the rows in expectation; the rest is left alone.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipelines.fleet.channels import CHANNELS

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Integers = npt.NDArray[np.int64]

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
    """Declare how much of the telemetry is dirty, each as a share of the rows.

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
    """Hold the faults at work; arrays have shape (n_machines,).

    Parameters
    ----------
    gap_left, stuck_left : ndarray of int
        Hours until the connection or the sensor is well again.
    stuck_channel : ndarray of int
        Index of the channel that sticks.
    stuck_value : ndarray
        Value at which it sticks.
    """

    gap_left: Integers
    stuck_left: Integers
    stuck_channel: Integers
    stuck_value: Floats


@dataclass(frozen=True)
class Deliveries:
    """Say what became of each reading; arrays have shape (n_hours, n_machines).

    Parameters
    ----------
    lost, twice, late, stuck, wild : ndarray of bool
        Rows that were lost, arrived twice or late, or have a stuck or an impossible value.
    delay : ndarray
        Minutes until known.
    """

    lost: Flags
    twice: Flags
    late: Flags
    stuck: Flags
    wild: Flags
    delay: Floats


def no_faults(machines: int) -> Faults:
    """Return a fleet whose sensors are all well.

    Parameters
    ----------
    machines : int
        Number of machines.

    Returns
    -------
    Faults
        The state.
    """
    zeros = np.zeros(machines, dtype=np.int64)
    return Faults(zeros.copy(), zeros.copy(), zeros.copy(), np.zeros(machines))


def soil(dirt: Dirt, faults: Faults, values: Floats, draws: Floats) -> Deliveries:
    """Make readings dirty and say when they arrive.

    Parameters
    ----------
    dirt : Dirt
        The shares.
    faults : Faults
        State; changed in place.
    values : ndarray, shape (n_hours, n_machines, n_channels)
        Readings; changed in place.
    draws : ndarray, shape (n_hours, DRAWS, n_machines)
        Uniform random numbers.

    Returns
    -------
    Deliveries
        What became of each row.
    """
    lost = np.zeros(values.shape[:2], dtype=bool)
    stuck = np.zeros(values.shape[:2], dtype=bool)
    for hour, chances in enumerate(draws):
        lost[hour] = _gaps(dirt, faults, chances)
        stuck[hour] = _stick(dirt, faults, values[hour], chances)
    wild = draws[:, WILD] < dirt.out_of_range
    _go_wild(values, wild, draws)
    late = draws[:, LATE] < dirt.late
    minutes = _between(MINUTES_LATE, draws[:, MINUTES])
    delay = np.where(late, 60.0 * _between(HOURS_LATE, draws[:, LATE_BY]), minutes)
    return Deliveries(lost, draws[:, TWICE] < dirt.duplicates, late, stuck, wild, delay)


def _gaps(dirt: Dirt, faults: Faults, chances: Floats) -> Flags:
    """Let an hour pass for the connections and return which machines are cut off."""
    begins = (faults.gap_left <= 0) & (chances[GAP] < _hazard(dirt.gaps, GAP_HOURS))
    faults.gap_left = np.where(begins, _hours(GAP_HOURS, chances[GAP_LONG]), np.maximum(faults.gap_left - 1, 0))
    return np.asarray(faults.gap_left > 0)


def _stick(dirt: Dirt, faults: Faults, values: Floats, chances: Floats) -> Flags:
    """Let an hour pass for the sensors and return which machines have a stuck one."""
    machines = np.arange(len(values))
    begins = (faults.stuck_left <= 0) & (chances[STUCK] < _hazard(dirt.stuck, STUCK_HOURS))
    # The row in which a sensor sticks still reads true: one more hour than the rows that repeat it.
    hours = _hours(STUCK_HOURS, chances[STUCK_LONG]) + 1
    faults.stuck_left = np.where(begins, hours, np.maximum(faults.stuck_left - 1, 0))
    channel = np.floor(chances[STUCK_WHICH] * len(CHANNELS)).astype(np.int64)
    faults.stuck_channel = np.where(begins, channel, faults.stuck_channel)
    reading = values[machines, faults.stuck_channel]
    faults.stuck_value = np.where(begins, reading, faults.stuck_value)
    stuck = (faults.stuck_left > 0) & ~begins
    values[machines, faults.stuck_channel] = np.where(stuck, faults.stuck_value, reading)
    return np.asarray(stuck)


def _go_wild(values: Floats, wild: Flags, draws: Floats) -> None:
    """Replace one reading of each wild row by an impossible one."""
    hour, machine = np.nonzero(wild)
    channel = np.floor(draws[hour, WILD_WHICH, machine] * len(CHANNELS)).astype(np.int64)
    side = np.floor(draws[hour, WILD_SIDE, machine] * 2).astype(np.int64)
    values[hour, machine, channel] = np.array([IMPOSSIBLE[name] for name in CHANNELS])[channel, side]


def _hazard(share: float, hours: tuple[int, int]) -> float:
    """Return the probability of a beginning in an hour that keeps this share of the hours."""
    mean = (hours[0] + hours[1]) / 2.0
    return share / (mean * (1.0 - share))


def _hours(bounds: tuple[int, int], chance: Floats) -> Integers:
    """Return whole hours drawn evenly from the bounds, both included."""
    return np.floor(bounds[0] + chance * (bounds[1] - bounds[0] + 1)).astype(np.int64)


def _between(bounds: tuple[float, float], share: Floats) -> Floats:
    """Return the values that lie this share of the way from the lower to the upper bound."""
    return bounds[0] + (bounds[1] - bounds[0]) * share
