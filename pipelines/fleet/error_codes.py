"""Error codes of the machines' controllers: some loosely tied to wear, some benign."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipelines.fleet.disturbances import DISTURBANCES
from pipelines.fleet.wear import COMPONENTS

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

EMERGENCY_STOP = "emergency_stop"
SENSOR_RECALIBRATED = "sensor_recalibrated"
MINUTES_LATE = 5.0
# Random numbers an hour consumes for each code and machine: raised, minute of the hour, minutes until known.
DRAWS = 3


@dataclass(frozen=True)
class ErrorCode:
    """Describe when a controller raises a code.

    Parameters
    ----------
    code : str
        The code.
    days_between : float
        Mean days between benign ones on one machine.
    cause : str or None
        Component or disturbance that raises it.
    hourly : float
        Probability in an hour at full strength of the cause.
    """

    code: str
    days_between: float
    cause: str | None = None
    hourly: float = 0.0


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


def probabilities(strength: Floats, after: bool) -> Floats:
    """Return how probable each code is in each hour.

    Parameters
    ----------
    strength : ndarray, shape (n_hours, n_modes + n_disturbances, n_machines)
        Strengths of wear and disturbances.
    after : bool
        Whether the process has changed: under the new one a worn bearing raises no codes.

    Returns
    -------
    ndarray, shape (n_hours, n_codes, n_machines)
        Probabilities of independent codes.
    """
    causes = (*COMPONENTS, *DISTURBANCES)
    silent = ("spindle_bearing",) if after else ()
    columns = []
    for code in CODES:
        probability = np.full(strength[:, 0].shape, 1.0 / (24.0 * code.days_between))
        if code.cause is not None and code.cause not in silent:
            probability += code.hourly * strength[:, causes.index(code.cause)]
        columns.append(probability)
    return np.stack(columns, axis=1)


def code_rows(raised: Flags, hours: pd.DatetimeIndex, assets: tuple[str, ...], draws: Floats) -> pd.DataFrame:
    """Return the event rows of the codes raised.

    Parameters
    ----------
    raised : ndarray of bool, shape (n_hours, n_codes, n_machines)
        Codes raised.
    hours : pandas.DatetimeIndex
        The hours.
    assets : tuple of str
        Asset ids.
    draws : ndarray, shape (n_hours, DRAWS, n_codes, n_machines)
        Uniform random numbers.

    Returns
    -------
    pandas.DataFrame
        Columns asset, event_time, known_time, code; ordered by hour.
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
