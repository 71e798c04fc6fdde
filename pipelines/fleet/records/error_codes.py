"""Error codes of the machines' controllers: some loosely tied to wear, some benign."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from pipelines.fleet.plant.arrays import Flags, Floats
from pipelines.fleet.plant.disturbances import DISTURBANCES
from pipelines.fleet.plant.wear import COMPONENTS

EMERGENCY_STOP = "emergency_stop"
SENSOR_RECALIBRATED = "sensor_recalibrated"
MINUTES_LATE = 5.0
# Random numbers an hour consumes for each code and machine: raised, minute of the hour, minutes until known.
DRAWS = 3


@dataclass(frozen=True)
class ErrorCode:
    """When a controller raises a code."""

    code: str
    days_between: float  # mean, of benign ones on one machine
    cause: str | None = None  # component or disturbance that raises it
    hourly: float = 0.0  # probability in an hour at full strength of the cause


CODES = (
    ErrorCode("axis_following_error", 25.0, "axis_drive", 0.10),
    ErrorCode("axis_overcurrent", 60.0, "axis_drive", 0.05),
    ErrorCode("coolant_pressure_low", 30.0, "coolant_pump", 0.06),
    ErrorCode("coolant_filter_warning", 60.0, "clogged_filter", 0.10),
    ErrorCode("spindle_overtemperature", 60.0, "spindle_bearing", 0.02),
    ErrorCode("tool_change_timeout", 9.0),
    ErrorCode("door_interlock", 6.0),
    ErrorCode(EMERGENCY_STOP, 90.0),
    ErrorCode(SENSOR_RECALIBRATED, np.inf),
)
CODE_NAMES = tuple(code.code for code in CODES)


def probabilities(strength: Floats, new_process: bool) -> Floats:
    """Return the probability of each code, independent of the others, shape (n_hours, n_codes, n_machines).

    `strength` is as `channels.strengths` returns it. Under the new process a worn bearing raises no codes.
    """
    causes = (*COMPONENTS, *DISTURBANCES)
    silent = ("spindle_bearing",) if new_process else ()
    columns = []
    for code in CODES:
        probability = np.full(strength[:, 0].shape, 1.0 / (24.0 * code.days_between))
        if code.cause is not None and code.cause not in silent:
            probability += code.hourly * strength[:, causes.index(code.cause)]
        columns.append(probability)
    return np.stack(columns, axis=1)


def code_rows(raised: Flags, hours: pd.DatetimeIndex, assets: tuple[str, ...], draws: Floats) -> pd.DataFrame:
    """Return the rows of the table ``events``, still without ids, ordered by hour.

    `raised` has shape (n_hours, n_codes, n_machines), the uniform `draws` (n_hours, DRAWS, n_codes, n_machines).
    """
    hour, code, machine = np.nonzero(raised)
    minute = draws[hour, 1, code, machine] * 59.0
    late = draws[hour, 2, code, machine] * MINUTES_LATE
    event_time = hours[hour] + pd.to_timedelta(np.floor(minute * 60.0), unit="s")
    return pd.DataFrame(
        {
            "asset": np.array(assets)[machine],
            "event_time": event_time,
            "known_time": event_time + pd.to_timedelta(np.ceil(late * 60.0), unit="s"),
            "code": np.array(CODE_NAMES)[code],
        }
    )
