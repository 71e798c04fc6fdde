"""Delayed deliveries: rows wait until they are known and are then handed over as a batch."""

from typing import Any

import numpy as np
import pandas as pd

from pipelines.fleet.plant.arrays import Flags, Floats
from pipelines.fleet.plant.channels import CHANNELS
from pipelines.fleet.plant.machines import ASSET_TYPE
from pipelines.fleet.records.dirt import Transmission
from pipelines.importers.batch import Batch

TIME = "datetime64[us, UTC]"
COLUMNS = {
    "telemetry": ("asset", "event_time", "known_time", "source", *CHANNELS),
    "assets": ("asset", "event_time", "known_time", "asset_type", "model", "plant", "line"),
    "failures": ("failure_id", "asset", "event_time", "known_time", "mode"),
    "work_orders": (
        "work_order_id",
        "asset",
        "event_time",
        "known_time",
        "kind",
        "component",
        "finding",
        "prompted_by",
    ),
    "events": ("event_id", "asset", "event_time", "known_time", "code"),
}


class DelayedDeliveries:
    """Rows that wait until they are known."""

    def __init__(self) -> None:
        self._waiting: dict[str, list[pd.DataFrame]] = {table: [] for table in COLUMNS}

    def add(self, table: str, rows: pd.DataFrame) -> None:
        """Put in rows of a table that may only be known later."""
        if len(rows):
            self._waiting[table].append(rows.loc[:, list(COLUMNS[table])])

    def deliver(self, until: pd.Timestamp) -> Batch:
        """Take out the rows with ``known_time <= until``, ordered by it: late rows stand after younger ones."""
        known: dict[str, Any] = {table: self._take(table, until) for table in COLUMNS}
        return Batch(asset_type=ASSET_TYPE, **known)

    def _take(self, table: str, until: pd.Timestamp) -> pd.DataFrame:
        waiting = self._waiting[table]
        if not waiting:
            return _empty(table)
        rows = pd.concat(waiting, ignore_index=True)
        known = rows["known_time"] <= until
        self._waiting[table] = [] if known.all() else [rows[~known]]
        # By event time and asset within one known time, so that nothing depends on the steps taken.
        return rows[known].sort_values(["known_time", "event_time", "asset"], kind="stable", ignore_index=True)


def _empty(table: str) -> pd.DataFrame:
    """Return a table without rows, its columns typed."""
    frame = pd.DataFrame({name: pd.Series(dtype="str") for name in COLUMNS[table]})
    numbers = dict.fromkeys(CHANNELS, "float64") if table == "telemetry" else {}
    return frame.astype({"event_time": TIME, "known_time": TIME, **numbers})


def telemetry_rows(
    values: Floats, runs: Flags, transmission: Transmission, ends: pd.DatetimeIndex, assets: tuple[str, ...]
) -> pd.DataFrame:
    """Return readings as rows of the table ``telemetry``, lost ones left out and duplicates put twice.

    `values` have shape (n_hours, n_machines, n_channels); only machines that run send. The end of an hour is the event
    time of its reading.
    """
    copies = np.where(runs & ~transmission.lost, 1 + transmission.twice, 0)
    hour, machine = (np.repeat(index, copies.ravel()) for index in map(np.ravel, np.indices(copies.shape)))
    event_time = ends[hour]
    delay = pd.to_timedelta(np.round(transmission.delay[hour, machine] * 60.0), unit="s")
    keys = pd.DataFrame(
        {
            "asset": pd.Series(np.array(assets, dtype=object)[machine], dtype="str"),
            "event_time": event_time,
            "known_time": event_time + delay,
            "source": pd.Series("physical", index=range(len(hour)), dtype="str"),
        }
    ).astype({"event_time": TIME, "known_time": TIME})
    return pd.concat([keys, pd.DataFrame(values[hour, machine], columns=list(CHANNELS))], axis=1)
