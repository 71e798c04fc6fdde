"""What a machine's sensors read in a second: a pure function of the seed, the asset, the second and the wear.

The spindle's vibration has the harmonics of its rotation and, as the bearing wears, the tone of balls that pass over
the defect, modulated by the rotation (Randall and Antoni, "Rolling element bearing diagnostics: a tutorial", Mechanical
Systems and Signal Processing 25, 2011, section 2). Of every second the bits are the same in whatever company it is
computed.
"""

import numpy as np

from pipelines.fleet.live.machines.live_plant import CHANNELS, RATE, LivePlant
from pipelines.fleet.live.machines.random_keys import generator
from pipelines.fleet.live.machines.schedule import RAMP, HourSchedule, hour_schedule
from pipelines.fleet.plant.arrays import Floats, Integers

# What the converters resolve: powers of two, so that single precision holds every reading exactly.
STEPS = 2.0 ** -np.array([10.0, 10.0, 10.0, 10.0, 8.0, 4.0, 14.0, 8.0])
_HOUR, _DAY, _YEAR = 3_600, 86_400, 31_556_952
_WITHIN = np.arange(RATE) / RATE  # seconds
_TURN = 2.0 * np.pi
_CUTS_AFTER = 3.0  # seconds of a minute until the tool cuts


def signals(plant: LivePlant, machines: Integers, seconds: Integers, wear: Floats, wear_after: Floats) -> Floats:
    """Return the readings of machines in seconds, (n, n_channels, readings a second).

    `machines`, `seconds` since 1970 and the wear, from 0 to 1, at the begin and the end of the second belong together,
    element by element.
    """
    readings = np.empty((len(seconds), len(CHANNELS), RATE))
    hours = seconds // _HOUR
    for hour in np.unique(hours).tolist():
        rows = np.flatnonzero(hours == hour)
        schedule = hour_schedule(plant, hour)
        readings[rows] = _signals_of_hour(plant, schedule, machines[rows], seconds[rows], wear[rows], wear_after[rows])
    return readings


def _signals_of_hour(
    plant: LivePlant, schedule: HourSchedule, machines: Integers, seconds: Integers, wear: Floats, wear_after: Floats
) -> Floats:
    minute = machines, seconds % _HOUR // 60
    tau = (seconds % 60)[:, None] + _WITHIN
    rate, revolutions = _rotation(
        schedule.speed_before[minute], schedule.speed[minute], schedule.revolutions[minute], tau
    )
    load = schedule.load[minute][:, None] * np.clip(tau - _CUTS_AFTER, 0.0, 1.0)
    worn = wear[:, None] + (wear_after - wear)[:, None] * _WITHIN
    size = rate / 10.0
    cos1, sin1 = _circle(revolutions)
    cos2, sin2 = cos1 * cos1 - sin1 * sin1, 2.0 * sin1 * cos1
    cos3, sin3 = cos2 * cos1 - sin2 * sin1, sin2 * cos1 + cos2 * sin1
    cos_d, sin_d = _circle(plant.defect_order[machines][:, None] * revolutions)
    tone = 6.0 * worn * worn * size * (1.0 + 0.5 * cos1)
    imbalance = plant.imbalance[machines][:, None]
    noise = _noise(plant, machines, seconds)
    shake = 0.12 + (0.35 * load + 0.7 * worn) * size
    turns = rate > 0.0
    warmth = schedule.heat[minute][:, None] + tau / 60.0 * (schedule.heat_after - schedule.heat)[minute][:, None]
    values = np.stack(
        [
            size * (imbalance * cos1 + 0.35 * cos2 + 0.8 * load * cos3) + tone * cos_d + shake * noise[:, 0],
            size * (imbalance * sin1 + 0.25 * sin2 + 0.8 * load * sin3) + tone * sin_d + shake * noise[:, 1],
            size * (0.3 * imbalance * cos1 + 0.3 * load * sin3) + 0.4 * tone * cos_d + 0.6 * shake * noise[:, 2],
            3.0 + turns * (3.0 * size + 2.0 * worn + load * (30.0 + 1.5 * cos3)) + 0.25 * noise[:, 3],
            turns * (60.0 * rate * (1.0 - 0.004 * load) + 0.4 * noise[:, 4]),
            load * (2600.0 + 420.0 * cos3) + (12.0 + 60.0 * load) * noise[:, 5],
            0.06 + 0.45 * load + 0.5 * worn * size * (0.5 + 0.5 * cos_d) ** 4 + 0.015 * np.abs(noise[:, 6]),
            _air(seconds)[:, None] + warmth * (1.0 + 0.6 * worn * worn) + 0.04 * noise[:, 7],
        ],
        axis=1,
    )
    values *= np.where(_SCALED, plant.gain[machines], 1.0)[:, :, None]
    values[:, _POSITIVE] = np.maximum(values[:, _POSITIVE], 0.0)
    return np.asarray(np.rint(values / STEPS[:, None]) * STEPS[:, None])


# The encoder of the spindle and the thermometer need no calibration.
_SCALED = ~np.isin(CHANNELS, ["spindle_speed", "bearing_temperature"])
_POSITIVE = np.isin(CHANNELS, ["spindle_current", "spindle_speed", "acoustic_emission"])


def _rotation(before: Floats, speed: Floats, begun: Floats, tau: Floats) -> tuple[Floats, Floats]:
    """Return the speed in Hz and the revolutions since the hour's begin, `tau` seconds into a minute."""
    change, ramp = (before - speed)[:, None], np.minimum(tau, RAMP)
    rate = speed[:, None] + change * (1.0 - ramp / RAMP)
    return rate, begun[:, None] + speed[:, None] * tau + change * (ramp - ramp * ramp / (2.0 * RAMP))


def _circle(turns: Floats) -> tuple[Floats, Floats]:
    """Return cosine and sine of so many turns."""
    angle = _TURN * (turns - np.floor(turns))
    return np.cos(angle), np.sin(angle)


def _noise(plant: LivePlant, machines: Integers, seconds: Integers) -> Floats:
    """Draw standard normal noise, (n, n_channels, readings a second)."""
    noise = np.empty((len(seconds), len(CHANNELS), RATE))
    for row, (machine, second) in enumerate(zip(machines.tolist(), seconds.tolist(), strict=True)):
        generator(plant.noise_keys[machine], second).standard_normal(out=noise[row])
    return noise


def _air(seconds: Integers) -> Floats:
    """Return the temperature of the hall in degC, by season and time of day."""
    season = np.cos(_TURN * (seconds % _YEAR / _YEAR - 200.0 / 365.0))
    day = np.cos(_TURN * (seconds % _DAY / _DAY - 15.0 / 24.0))
    return np.asarray(21.0 + 2.5 * season + 1.5 * day)
