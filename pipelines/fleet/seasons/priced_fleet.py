"""A simulated fleet in service with what its machines cost, and the model that watches it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from data_contracts.tables.history import FRAMES, History
from models.artifact.artifact import Artifact
from models.experiment.experiment_file import load_experiment
from models.planning.worklist import Costs
from models.training.training import train
from pipelines.fleet.plant.channels import CHANNELS
from pipelines.fleet.plant.machines import ASSET_TYPE
from pipelines.fleet.simulation import Fleet
from pipelines.importers.batch import Batch

DAY = pd.Timedelta(days=1)
START = pd.Timestamp("2025-01-01T06:00Z").as_unit("us")
EXPERIMENT = Path(__file__).parents[2] / "experiments" / "fleet.toml"
TRAINING_DAYS = 120
HORIZONS = ["24h", "48h", "72h"]  # predicted; alerts are by the last
BEFORE = 45  # days that a fleet has run before planning starts
TELEMETRY_KEPT = 2 * DAY  # features look back for a day
UNPLANNED_HOURS = 15.0  # that a failed machine stands on average
REPAIR_HOURS = (2.0, 4.0, 6.0, 8.0, 12.0)
# Dollars for an hour of a machine's downtime: from a machine with a twin beside it to a line's bottleneck.
DOWNTIME = (2_000.0, 50_000.0)
# Of that, what an hour of planned downtime costs: work is moved, customers are warned.
PLANNED_SHARE = 0.2
VISIT = 2_000.0  # dollars for the mechanics and their parts


@dataclass
class KnownRecords:
    """What has become known of a fleet, by table."""

    frames: dict[str, pd.DataFrame] = field(default_factory=dict)

    def add(self, batch: Batch, now: pd.Timestamp) -> None:
        """Add a batch; telemetry too old for any feature is dropped."""
        for name in FRAMES:
            rows = getattr(batch, name)
            if name in self.frames:
                rows = pd.concat([self.frames[name], rows], ignore_index=True)
            self.frames[name] = rows[rows["event_time"] > now - TELEMETRY_KEPT] if name == "telemetry" else rows

    def history(self) -> History:
        """Return it as the history that models are given."""
        return _history(self.frames)


@dataclass(frozen=True)
class PricedFleet:
    """A fleet in service, with what is known of it and what each of its assets costs."""

    fleet: Fleet
    records: KnownRecords
    costs: Mapping[str, Costs]
    repair_hours: Mapping[str, float]


def train_model(machines: int = 60, days: int = TRAINING_DAYS, *overrides: str) -> Artifact:
    """Train the model on a fleet of its own, with errors as dear as they are here on average."""
    batch = Fleet(7, machines, start=START).advance(START + days * DAY)
    history = _history({name: getattr(batch, name) for name in FRAMES})
    hour = float(np.exp(np.mean(np.log(DOWNTIME))))
    missed_failure = hour * UNPLANNED_HOURS
    false_alarm = VISIT + PLANNED_SHARE * hour * float(np.mean(REPAIR_HOURS))
    costs = [f"costs.missed_failure={missed_failure}", f"costs.false_alarm={false_alarm}"]
    experiment = load_experiment(EXPERIMENT, [*costs, f"label.horizons={HORIZONS}", *overrides])
    return train(experiment, history).artifact


def make_priced_fleet(seed: int, machines: int) -> PricedFleet:
    """Let a fleet run for a while, and draw what its machines cost."""
    fleet, records = Fleet(seed, machines, start=START), KnownRecords()
    begins = START + BEFORE * DAY
    records.add(fleet.advance(begins), begins)
    rng = np.random.default_rng((seed, 1))
    lowest, highest = np.log(DOWNTIME)
    downtime = np.exp(rng.uniform(lowest, highest, machines)).tolist()
    repair_hours = rng.choice(REPAIR_HOURS, machines).tolist()
    assets = fleet.machines.assets
    costs = {
        asset: Costs(
            planned=VISIT,
            failure=0.0,
            downtime_per_hour=hour,
            unplanned_hours=UNPLANNED_HOURS,
            planned_downtime_per_hour=PLANNED_SHARE * hour,
        )
        for asset, hour in zip(assets, downtime, strict=True)
    }
    return PricedFleet(fleet, records, costs, dict(zip(assets, repair_hours, strict=True)))


def _history(frames: Mapping[str, Any]) -> History:
    return History(ASSET_TYPE, tuple(CHANNELS), **frames)
