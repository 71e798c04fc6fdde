"""A second of the plant: what the machines that run read in it."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from pipelines.fleet.live.machines.bearing_lives import wear_at
from pipelines.fleet.live.machines.live_plant import LivePlant, every_machine
from pipelines.fleet.live.machines.signals import signals
from pipelines.fleet.plant.arrays import Floats, Integers


@dataclass(frozen=True)
class PlantSecond:
    """The readings of a second; a machine that stands for repair is switched off and has none."""

    second: int  # since 1970
    machines: Integers  # that run, ascending
    readings: Floats  # (n_machines, n_channels, readings a second)

    @property
    def begins(self) -> int:
        """Return when the second begins, in microseconds since 1970; the first reading is of then."""
        return self.second * 1_000_000


def plant_second(plant: LivePlant, second: int) -> PlantSecond:
    """Compute a second of the whole plant."""
    return next(plant_seconds(plant, second, second + 1))


def plant_seconds(plant: LivePlant, since: int, until: int) -> Iterator[PlantSecond]:
    """Compute consecutive seconds, `until` not among them, as many at once as is fastest."""
    at_once = max(1, 256 // len(plant))
    machines = every_machine(plant)
    for first in range(since, until, at_once):
        seconds = np.arange(first, min(first + at_once, until))
        machine, second = np.tile(machines, len(seconds)), np.repeat(seconds, len(machines))
        _, stands = wear_at(plant.lives, machine, second)
        machine, second = machine[~stands], second[~stands]
        wear, wear_after = (wear_at(plant.lives, machine, time)[0] for time in (second, second + 1))
        readings = signals(plant, machine, second, wear, wear_after)
        for number in seconds.tolist():
            rows = slice(*np.searchsorted(second, [number, number + 1]).tolist())
            yield PlantSecond(number, machine[rows], readings[rows])
