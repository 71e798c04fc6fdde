"""The machines of the live plant: what is fixed about each of them, and when their bearings wear out."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from data_contracts.contract.twins import load_twin
from data_contracts.errors import NotFoundError, UsageError, did_you_mean
from pipelines.fleet.live.machines.bearing_lives import BearingLives, draw_lives, shorten_life
from pipelines.fleet.live.machines.random_keys import generator, random_key
from pipelines.fleet.plant.arrays import Floats, Integers, between

ASSET_TYPE = "cnc_signals"
CHANNELS = tuple(channel.name for channel in load_twin(ASSET_TYPE).channels)
RATE = 100  # readings a second of each channel
MODELS = ("portal-mill-4", "vertical-lathe-2")
MACHINES_PER_LINE = 5
MOST_PLANTS = 15
FIRST = pd.Timestamp("2025-01-01", tz="UTC")  # no machine has run before
_PRIVATE_TRAITS = 8


@dataclass(frozen=True, eq=False)
class LivePlant:
    """Machines and what never changes about them; every array's first axis is the machine, in the order of `assets`."""

    seed: int
    assets: tuple[str, ...]
    plants: tuple[str, ...]
    lines: tuple[str, ...]
    models: tuple[str, ...]
    noise_keys: tuple[int, ...]
    schedule_keys: tuple[int, ...]
    speed: Floats  # factor on the speeds of the programs
    gain: Floats  # (n_machines, n_channels), factor on what the sensors show
    defect_order: Floats  # passes of a ball over the defect in a revolution
    imbalance: Floats  # mm/s at 600 rpm
    lives: BearingLives

    def __len__(self) -> int:
        return len(self.assets)

    @property
    def names(self) -> "np.typing.NDArray[np.object_]":
        """Return the assets as an array that can be indexed by machine."""
        return np.array(self.assets, dtype=object)


def make_live_plant(seed: int, machines: int) -> LivePlant:
    """Make a plant. Each machine follows from the seed and its name, so a larger plant has the smaller one in it.

    Raises `UsageError` when there are no machines.
    """
    if not 1 <= machines <= 99_999:
        raise UsageError(f"a plant of {machines} machines", "1 to 99,999", "Give another number to --machines")
    assets = tuple(f"cnc-{number:03d}" for number in range(1, machines + 1))
    line = np.arange(machines) // MACHINES_PER_LINE
    plants = tuple(f"plant-{number % MOST_PLANTS + 1:02d}" for number in line.tolist())
    shares = np.array([generator(random_key(seed, asset, "traits")).random(_PRIVATE_TRAITS) for asset in assets])
    normals = [generator(random_key(seed, asset, "gains")).standard_normal(len(CHANNELS)) for asset in assets]
    return LivePlant(
        seed=seed,
        assets=assets,
        plants=plants,
        lines=tuple(f"{plant}/line-{n // MOST_PLANTS + 1:02d}" for plant, n in zip(plants, line.tolist(), strict=True)),
        models=tuple(MODELS[int(share * len(MODELS))] for share in shares[:, 0]),
        noise_keys=tuple(random_key(seed, asset, "noise") for asset in assets),
        schedule_keys=tuple(random_key(seed, asset, "schedule") for asset in assets),
        speed=between((0.94, 1.06), shares[:, 1]),
        gain=np.exp(0.06 * np.array(normals)),
        defect_order=between((3.02, 3.12), shares[:, 2]),
        imbalance=between((0.6, 1.5), shares[:, 3]),
        lives=draw_lives(seed, assets, second_of(FIRST)),
    )


def wear_out(plant: LivePlant, asset: str, begin: pd.Timestamp, within: pd.Timedelta) -> None:
    """Let a machine's bearing wear out from `begin` on, so that it fails at the end of `within`.

    Raises `NotFoundError` for an unknown asset and `UsageError` for less than a second.
    """
    shorten_life(plant.lives, machine_of(plant, asset), second_of(begin), whole_seconds(within))


def machine_of(plant: LivePlant, asset: str) -> int:
    """Return the index of an asset, or raise `NotFoundError`."""
    if asset not in plant.assets:
        known = f"one of {plant.assets[0]} to {plant.assets[-1]}"
        remedy = did_you_mean(asset, plant.assets) or "Name a machine of this plant, or give --machines a larger number"
        raise NotFoundError(f"no machine {asset!r}", known, remedy)
    return plant.assets.index(asset)


def second_of(time: pd.Timestamp) -> int:
    """Return the whole seconds since 1970."""
    return int(time.floor("s").timestamp())


def whole_seconds(length: pd.Timedelta) -> int:
    """Return a length in seconds, or raise `UsageError` if it is less than one."""
    seconds = int(length.total_seconds())
    if seconds < 1:
        raise UsageError(f"a time of {length}", "at least a second", "Give a longer time, such as 90s or 2m")
    return seconds


def every_machine(plant: LivePlant) -> Integers:
    """Return the index of every machine."""
    return np.arange(len(plant))
