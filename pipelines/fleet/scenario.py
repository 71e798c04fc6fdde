"""What changes in the fleet, and on which days: nothing, the process, or the sensors' calibration."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import ceil
from types import MappingProxyType
from typing import Literal

from data_contracts.errors import UsageError, did_you_mean

Kind = Literal["none", "process_change", "recalibration"]
KINDS: tuple[Kind, ...] = ("none", "process_change", "recalibration")


@dataclass(frozen=True)
class Scenario:
    """One change to the fleet.

    Parameters
    ----------
    kind : {"none", "process_change", "recalibration"}
        What changes. ``process_change``: another alloy and coolant, under which worn bearings show in other channels.
        ``recalibration``: sensors of some machines read higher from then on.
    day : float
        Days after the start of the simulation.
    share : float
        Share of machines whose sensors are recalibrated.
    gains : mapping of str to float
        Factor on each recalibrated channel.
    reported : bool
        Whether each recalibrated machine raises an event on that day.
    """

    kind: Kind = "none"
    day: float = 0.0
    share: float = 0.35
    gains: Mapping[str, float] = field(
        default_factory=lambda: MappingProxyType({"spindle_vibration": 1.2, "bearing_temperature": 1.05})
    )
    reported: bool = True

    @property
    def hour(self) -> int:
        """Return the first hour of the simulation in which the change is in effect."""
        return ceil(self.day * 24.0)


def make_scenario(kind: str, day: float, *, reported: bool = True) -> Scenario:
    """Return the scenario of a kind, starting on a day.

    Parameters
    ----------
    kind : str
        One of ``KINDS``.
    day : float
        Days after the start of the simulation, not negative.
    reported : bool
        Whether recalibrated machines raise an event.

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
            return Scenario(kind=known, day=day, reported=reported)
    raise UsageError(
        f"unknown scenario {kind!r}",
        f"one of {', '.join(KINDS)}",
        did_you_mean(kind, KINDS) or "Choose one of these",
    )


def make_scenarios(
    kinds: Sequence[str], days: Sequence[float], *, length: float, reported: bool = True
) -> tuple[Scenario, ...]:
    """Return several scenarios for one fleet, in the order given.

    Parameters
    ----------
    kinds : sequence of str
        Each one of ``KINDS``.
    days : sequence of float
        The day on which each starts; spread evenly over the length if empty.
    length : float
        Length of the simulation in days.
    reported : bool
        Whether recalibrated machines raise an event.

    Returns
    -------
    tuple of Scenario
        One for each kind.

    Raises
    ------
    UsageError
        When there is no such scenario, a day lies outside the simulation, or there is not a day for each.

    Examples
    --------
    >>> [change.day for change in make_scenarios(["process_change", "recalibration"], [], length=90)]
    [30, 60]
    """
    if days and len(days) != len(kinds):
        raise UsageError(
            f"{len(kinds)} scenarios and {len(days)} days on which they start",
            "a day for each, in the same order",
            "Give --change-day as often as --scenario, or not at all",
        )
    evenly = [length * number // (len(kinds) + 1) for number in range(1, len(kinds) + 1)]
    changes = tuple(
        make_scenario(kind, day, reported=reported) for kind, day in zip(kinds, days or evenly, strict=True)
    )
    for change in changes:
        if change.day >= length and change.kind != "none":
            found = f"the scenario starts on day {change.day} of {length}"
            raise UsageError(found, "a day within the simulation", "Give --change-day a smaller number")
    return changes
