"""The machines of the simulated fleet: what is fixed about each of them, and their asset records."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from pipelines.fleet.plant.arrays import Floats, Integers
from pipelines.fleet.plant.channels import CHANNELS

ASSET_TYPE = "cnc_machine"
MODELS = ("milling-5x", "turning-2s")
MACHINES_PER_LINE = 5
LINES_PER_PLANT = 4
MOST_PLANTS = 15


@dataclass(frozen=True)
class Machines:
    """What never changes about each machine; every array's first axis is the machine, in the order of `assets`."""

    assets: tuple[str, ...]
    models: tuple[str, ...]
    plants: tuple[str, ...]
    lines: tuple[str, ...]
    age_hours: Integers  # in service when the simulation begins
    first_hour: Integers  # of the day, in which the machine is first staffed
    last_hour: Integers  # of the day, until which it is staffed; may be 24
    gain: Floats  # (n_machines, n_channels), factor on each sensor's common level

    def __len__(self) -> int:
        return len(self.assets)


def make_machines(count: int, rng: np.random.Generator) -> Machines:
    """Draw machines spread over plants and lines, ordered by asset id."""
    plant, line = _places(count)
    model = rng.integers(len(MODELS), size=count)
    three_shifts = rng.random(count) < 0.6
    # Two models of one kind differ in size: the larger draws more power and vibrates a little more.
    gain = np.exp(0.05 * rng.standard_normal((count, len(CHANNELS)))) * np.where(model, 0.93, 1.06)[:, None]
    width = max(3, len(str(count)))
    return Machines(
        assets=tuple(f"cnc-{number:0{width}d}" for number in range(1, count + 1)),
        models=tuple(MODELS[index] for index in model),
        plants=tuple(f"plant-{number:02d}" for number in plant),
        lines=tuple(f"plant-{number:02d}/line-{letter:02d}" for number, letter in zip(plant, line, strict=True)),
        age_hours=rng.integers(30 * 24, 1500 * 24, size=count),
        first_hour=np.where(three_shifts, 0, 6),
        last_hour=np.where(three_shifts, 24, 22),
        gain=gain,
    )


def _places(count: int) -> tuple[Integers, Integers]:
    """Return plant and line number of each machine, filled line by line."""
    index = np.arange(count)
    line = index // MACHINES_PER_LINE
    plant = np.minimum(line // LINES_PER_PLANT, MOST_PLANTS - 1)
    return plant + 1, line - plant * LINES_PER_PLANT + 1


def assets_frame(machines: Machines, start: pd.Timestamp) -> pd.DataFrame:
    """Return the rows of the table ``assets``, known at `start`; a row's event time is when it went into service."""
    in_service = start - pd.to_timedelta(machines.age_hours, unit="h")
    frame = pd.DataFrame(
        {
            "asset": list(machines.assets),
            "event_time": in_service,
            "known_time": start,
            "asset_type": ASSET_TYPE,
            "model": list(machines.models),
            "plant": list(machines.plants),
            "line": list(machines.lines),
        }
    )
    return frame.astype({"event_time": "datetime64[us, UTC]", "known_time": "datetime64[us, UTC]"})
