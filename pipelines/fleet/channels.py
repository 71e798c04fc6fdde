"""How the regime, the wear and passing disturbances become what the sensors read.

A reading is the level of its regime, times the machine's own gain, plus what every worn component and every
disturbance adds at its strength, plus noise. What a component adds under which process is a table, so that a
change of process is another table and nothing else.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from pipelines.fleet.disturbances import DISTURBANCES
from pipelines.fleet.wear import COMPONENTS

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Channel:
    """Describe what one sensor reads of a sound machine.

    Parameters
    ----------
    name, unit : str
        Name and unit of the channel.
    levels : tuple of float
        Mean when idle, roughing, finishing.
    noise : float
        Standard deviation of a reading as a share of its level.
    floor_noise : float
        Standard deviation of a reading in the channel's unit, added to the share.
    """

    name: str
    unit: str
    levels: tuple[float, float, float]
    noise: float
    floor_noise: float


CHANNEL_TABLE = (
    Channel("spindle_vibration", "mm/s", (0.35, 2.2, 1.4), 0.11, 0.05),
    Channel("bearing_temperature", "degC", (9.0, 30.0, 22.0), 0.03, 0.6),
    Channel("spindle_power", "kW", (1.1, 13.5, 6.5), 0.10, 0.1),
    Channel("axis_current", "A", (0.9, 9.0, 5.2), 0.10, 0.1),
    Channel("coolant_flow", "l/min", (4.0, 27.0, 22.0), 0.05, 0.4),
    Channel("spindle_speed", "rpm", (120.0, 6200.0, 11500.0), 0.05, 10.0),
    Channel("tool_load", "%", (1.5, 62.0, 34.0), 0.09, 0.5),
)
CHANNELS = tuple(channel.name for channel in CHANNEL_TABLE)
TEMPERATURE = CHANNELS.index("bearing_temperature")
LEVELS = np.array([channel.levels for channel in CHANNEL_TABLE]).T
# An idle machine shows little of its wear.
ACTIVITY = np.array([0.15, 1.0, 0.85])
# Part of an hour's heat that is still there an hour later.
HEAT_KEPT = 0.55


@dataclass(frozen=True)
class Announcement:
    """Describe how a worn component or a disturbance shows at full strength.

    Parameters
    ----------
    shift : mapping of str to float
        What it adds to the mean of a channel, in the channel's unit.
    scatter : mapping of str to float
        Standard deviation it adds to a channel, in the channel's unit.
    bend : float
        Exponent of the wear level: above 1 it shows late.
    """

    shift: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))
    scatter: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))
    bend: float = 1.0


BEFORE: Mapping[str, Announcement] = MappingProxyType(
    {
        "spindle_bearing": Announcement(
            {"spindle_vibration": 1.5, "bearing_temperature": 9.0}, {"spindle_vibration": 0.45}, bend=1.5
        ),
        "coolant_pump": Announcement(
            {"coolant_flow": -7.0, "bearing_temperature": 2.0}, {"bearing_temperature": 5.0, "coolant_flow": 1.5}, 0.8
        ),
        "axis_drive": Announcement({"axis_current": 0.9}, {"axis_current": 3.0}, 0.9),
        "tool_imbalance": Announcement({"spindle_vibration": 0.8}, {"spindle_vibration": 0.3}),
        "clogged_filter": Announcement({"coolant_flow": -3.5}, {"coolant_flow": 0.8}),
        "chips_in_guide": Announcement({"axis_current": 0.4}, {"axis_current": 1.2}),
    }
)
# The new alloy cuts softly and the new coolant carries the heat away: a worn bearing is hardly heard or felt any
# more, it makes the cut uneven.
AFTER: Mapping[str, Announcement] = MappingProxyType(
    {
        **BEFORE,
        "spindle_bearing": Announcement(
            {"spindle_vibration": 0.2, "bearing_temperature": 1.2, "tool_load": 14.0, "spindle_power": 1.5},
            {"tool_load": 22.0, "spindle_power": 3.5},
            bend=1.1,
        ),
    }
)
# What the new process itself changes in every reading.
PROCESS_GAIN = np.array([0.97, 0.97, 1.03, 1.0, 1.0, 1.0, 1.04])


def strengths(announced: Floats, disturbed: Floats, after: bool) -> Floats:
    """Join wear and disturbances into the strength of each announcement.

    Parameters
    ----------
    announced : ndarray, shape (n_hours, n_modes, n_machines)
        Wear as it shows, 0 to about 1.3.
    disturbed : ndarray, shape (n_hours, n_disturbances, n_machines)
        Strength of the disturbances.
    after : bool
        Whether the process has changed.

    Returns
    -------
    ndarray, shape (n_hours, n_modes + n_disturbances, n_machines)
        Strengths in the order of ``COMPONENTS`` and ``DISTURBANCES``.
    """
    table = AFTER if after else BEFORE
    bend = np.array([table[name].bend for name in COMPONENTS])[:, None]
    return np.concatenate([announced**bend, disturbed], axis=1)


def readings(
    regime: Integers, gain: Floats, strength: Floats, air: Floats, heat: Floats, noise: Floats, after: bool
) -> Floats:
    """Return what the sensors read.

    Parameters
    ----------
    regime : ndarray of int, shape (n_hours, n_machines)
        Regime of each hour.
    gain : ndarray, shape (n_machines, n_channels)
        The machines' own gains.
    strength : ndarray, shape (n_hours, n_modes + n_disturbances, n_machines)
        Strengths of what shows.
    air : ndarray, shape (n_hours, n_machines)
        Air temperature in degC.
    heat : ndarray, shape (n_hours, n_machines)
        Heat of the work over the air in degC, with its inertia.
    noise : ndarray, shape (n_hours, n_channels, n_machines)
        Standard normal random numbers.
    after : bool
        Whether the process has changed.

    Returns
    -------
    ndarray, shape (n_hours, n_machines, n_channels)
        Readings, not negative.
    """
    table = AFTER if after else BEFORE
    level = LEVELS[regime]
    level[:, :, TEMPERATURE] = heat
    level *= gain * (PROCESS_GAIN if after else 1.0)
    visible = strength * ACTIVITY[regime][:, None, :]
    shift = np.einsum("hsm,sc->hmc", visible, _matrix(table, "shift"))
    scatter = np.einsum("hsm,sc->hmc", visible**2, _matrix(table, "scatter") ** 2)
    share = np.array([channel.noise for channel in CHANNEL_TABLE])
    floor = np.array([channel.floor_noise for channel in CHANNEL_TABLE])
    spread = np.sqrt((share * level) ** 2 + floor**2 + scatter)
    values = level + shift + spread * noise.transpose(0, 2, 1)
    values[:, :, TEMPERATURE] += air
    return np.asarray(np.maximum(values, 0.0))


def heat_after(heat: Floats, regime: Integers) -> Floats:
    """Return the heat of the work an hour later.

    Parameters
    ----------
    heat : ndarray, shape (n_machines,)
        Heat over the air in degC.
    regime : ndarray of int, shape (n_machines,)
        Regime of the hour.

    Returns
    -------
    ndarray, shape (n_machines,)
        Heat over the air in degC.
    """
    return np.asarray(HEAT_KEPT * heat + (1.0 - HEAT_KEPT) * LEVELS[regime, TEMPERATURE])


def _matrix(table: Mapping[str, Announcement], kind: str) -> Floats:
    """Return what each announcement does to each channel, shape (n_announcements, n_channels)."""
    names = (*COMPONENTS, *DISTURBANCES)
    return np.array([[getattr(table[name], kind).get(channel, 0.0) for channel in CHANNELS] for name in names])
