"""How the regime, the wear and passing disturbances become what the sensors read.

A reading is the level of its regime, times the machine's own gain, plus what every worn component and every
disturbance adds at its strength, plus noise. What a component adds under which process is a table, so that a
change of process is another table and nothing else.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np

from pipelines.fleet.plant.arrays import Floats, Integers
from pipelines.fleet.plant.disturbances import DISTURBANCES
from pipelines.fleet.plant.wear import COMPONENTS


@dataclass(frozen=True)
class Channel:
    """What one sensor reads of a sound machine."""

    name: str
    unit: str
    levels: tuple[float, float, float]  # mean when idle, roughing, finishing
    noise: float  # standard deviation of a reading, as a share of its level
    floor_noise: float  # standard deviation in the channel's unit, added to that


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
class Symptom:
    """How a worn component or a disturbance shows at full strength, by channel and in the channel's unit."""

    shift: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))  # added to the mean
    scatter: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))  # standard deviation added
    bend: float = 1.0  # exponent of the wear level: above 1 it shows late


OLD_PROCESS: Mapping[str, Symptom] = MappingProxyType(
    {
        "spindle_bearing": Symptom(
            {"spindle_vibration": 1.5, "bearing_temperature": 9.0}, {"spindle_vibration": 0.45}, bend=1.5
        ),
        "coolant_pump": Symptom(
            {"coolant_flow": -7.0, "bearing_temperature": 2.0}, {"bearing_temperature": 5.0, "coolant_flow": 1.5}, 0.8
        ),
        "axis_drive": Symptom({"axis_current": 0.9}, {"axis_current": 3.0}, 0.9),
        "tool_imbalance": Symptom({"spindle_vibration": 0.8}, {"spindle_vibration": 0.3}),
        "clogged_filter": Symptom({"coolant_flow": -3.5}, {"coolant_flow": 0.8}),
        "chips_in_guide": Symptom({"axis_current": 0.4}, {"axis_current": 1.2}),
    }
)
# The new alloy cuts softly and the new coolant carries the heat away: a worn bearing hardly vibrates or heats up any
# more, it makes the cut uneven.
NEW_PROCESS: Mapping[str, Symptom] = MappingProxyType(
    {
        **OLD_PROCESS,
        "spindle_bearing": Symptom(
            {"spindle_vibration": 0.2, "bearing_temperature": 1.2, "tool_load": 14.0, "spindle_power": 1.5},
            {"tool_load": 22.0, "spindle_power": 3.5},
            bend=1.1,
        ),
    }
)
# What the new process itself changes in every reading.
PROCESS_GAIN = np.array([0.97, 0.97, 1.03, 1.0, 1.0, 1.0, 1.04])


def strengths(wear: Floats, disturbed: Floats, new_process: bool) -> Floats:
    """Join visible wear, 0 to about 1.3, and disturbances into the strength of each symptom.

    All arrays have shape (n_hours, n, n_machines); the result's second axis is `COMPONENTS`, then `DISTURBANCES`.
    """
    table = NEW_PROCESS if new_process else OLD_PROCESS
    bend = np.array([table[name].bend for name in COMPONENTS])[:, None]
    return np.concatenate([wear**bend, disturbed], axis=1)


def readings(
    regime: Integers, gain: Floats, strength: Floats, air: Floats, heat: Floats, noise: Floats, new_process: bool
) -> Floats:
    """Return what the sensors read, shape (n_hours, n_machines, n_channels), not negative.

    `regime`, `air` (temperature in degC) and `heat` (of the work, over the air, in degC) have shape
    (n_hours, n_machines); `gain` (n_machines, n_channels); `strength` as `strengths` returns it; `noise` is standard
    normal, (n_hours, n_channels, n_machines).
    """
    table = NEW_PROCESS if new_process else OLD_PROCESS
    level = LEVELS[regime]
    level[:, :, TEMPERATURE] = heat
    level *= gain * (PROCESS_GAIN if new_process else 1.0)
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
    """Return the heat of the work, over the air in degC, after an hour in a regime; both of shape (n_machines,)."""
    return np.asarray(HEAT_KEPT * heat + (1.0 - HEAT_KEPT) * LEVELS[regime, TEMPERATURE])


def _matrix(table: Mapping[str, Symptom], kind: str) -> Floats:
    """Return what each symptom adds to each channel, shape (n_symptoms, n_channels)."""
    names = (*COMPONENTS, *DISTURBANCES)
    return np.array([[getattr(table[name], kind).get(channel, 0.0) for channel in CHANNELS] for name in names])
