"""What changes in the fleet, and on which day: nothing, the process, or the sensors' calibration."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

from data_contracts.errors import UsageError, did_you_mean

Kind = Literal["none", "process_change", "recalibration"]
KINDS: tuple[Kind, ...] = ("none", "process_change", "recalibration")


@dataclass(frozen=True)
class Scenario:
    """Describe one change to the fleet.

    Parameters
    ----------
    kind : {"none", "process_change", "recalibration"}
        What changes. ``process_change``: another alloy and coolant, under which worn bearings announce themselves
        by other channels. ``recalibration``: sensors of some machines read higher from then on.
    day : float
        Days after the begin of the simulation.
    share : float
        Share of machines whose sensors are recalibrated.
    gains : mapping of str to float
        Factor on each recalibrated channel.
    """

    kind: Kind = "none"
    day: float = 0.0
    share: float = 0.35
    gains: Mapping[str, float] = field(
        default_factory=lambda: MappingProxyType({"spindle_vibration": 1.2, "bearing_temperature": 1.05})
    )


def make_scenario(kind: str, day: float) -> Scenario:
    """Return the scenario of this name, starting on this day.

    Parameters
    ----------
    kind : str
        One of ``KINDS``.
    day : float
        Days after the begin of the simulation, not negative.

    Returns
    -------
    Scenario
        The scenario.

    Raises
    ------
    UsageError
        When there is no such scenario or the day is negative.
    """
    for known in KINDS:
        if kind == known:
            if not day >= 0:
                raise UsageError(f"the scenario starts on day {day}", "a day from 0 on", "Give another day")
            return Scenario(kind=known, day=day)
    raise UsageError(
        f"unknown scenario {kind!r}",
        f"one of {', '.join(KINDS)}",
        did_you_mean(kind, KINDS) or "Choose one of these",
    )
