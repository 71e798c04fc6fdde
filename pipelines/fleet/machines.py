"""The machines of the simulated fleet: what is fixed about each of them, and their asset records."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipelines.fleet.channels import CHANNELS

ASSET_TYPE = "cnc_machine"
MODELS = ("milling-5x", "turning-2s")
MACHINES_PER_LINE = 5
LINES_PER_PLANT = 4
MOST_PLANTS = 15

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Machines:
    """Hold what never changes about each machine.

    Parameters
    ----------
    assets : tuple of str
        Asset ids, in the order of every array's machine axis.
    models, plants, lines : tuple of str
        Model, plant and line of each machine.
    age_hours : ndarray, shape (n_machines,)
        Hours in service when the simulation begins.
    first_hour, last_hour : ndarray of int, shape (n_machines,)
        Hours of the day between which the machine is staffed; ``last_hour`` may be 24.
    gain : ndarray, shape (n_machines, n_channels)
        How much each sensor of each machine reads of the fleet's common level.
    """

    assets: tuple[str, ...]
    models: tuple[str, ...]
    plants: tuple[str, ...]
    lines: tuple[str, ...]
    age_hours: Integers
    first_hour: Integers
    last_hour: Integers
    gain: Floats

    def __len__(self) -> int:
        return len(self.assets)


def make_machines(count: int, rng: np.random.Generator) -> Machines:
    """Draw a fleet of machines spread over plants and lines.

    Parameters
    ----------
    count : int
        Number of machines.
    rng : numpy.random.Generator
        Stream of draws that nothing else uses.

    Returns
    -------
    Machines
        The fleet, ordered by asset id.
    """
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
    """Return the asset records of a fleet, known when the simulation begins.

    Parameters
    ----------
    machines : Machines
        The fleet.
    start : pandas.Timestamp
        Begin of the simulation, UTC.

    Returns
    -------
    pandas.DataFrame
        One row a machine: asset, event_time (put into service), known_time, asset_type, model, plant, line.
    """
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
