"""What becomes known of a fleet: rows wait until they are known, and are then handed over as a batch."""

import numpy as np
import pandas as pd

from pipelines.fleet.channels import CHANNELS, Floats
from pipelines.fleet.dirt import Deliveries
from pipelines.fleet.machines import ASSET_TYPE
from pipelines.importers.batch import Batch

TABLES = ("telemetry", "assets", "failures", "work_orders", "events")
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


class Outbox:
    """Keep rows until they are known."""

    def __init__(self) -> None:
        self._waiting: dict[str, list[pd.DataFrame]] = {table: [] for table in TABLES}

    def add(self, table: str, rows: pd.DataFrame) -> None:
        """Put in rows that may only be known later.

        Parameters
        ----------
        table : str
            One of ``TABLES``.
        rows : pandas.DataFrame
            Rows with the columns of the table.
        """
        if len(rows):
            self._waiting[table].append(rows.loc[:, list(COLUMNS[table])])

    def deliver(self, until: pd.Timestamp) -> Batch:
        """Take out the rows that are known by now.

        Parameters
        ----------
        until : pandas.Timestamp
            Now, UTC.

        Returns
        -------
        Batch
            Rows with ``known_time <= until`` in the order of their known times; late rows stand after younger ones.
        """
        known = {table: self._take(table, until) for table in TABLES}
        return Batch(
            asset_type=ASSET_TYPE,
            telemetry=known["telemetry"],
            assets=known["assets"],
            failures=known["failures"],
            work_orders=known["work_orders"],
            events=known["events"],
        )

    def _take(self, table: str, until: pd.Timestamp) -> pd.DataFrame:
        """Take out the known rows of one table."""
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
    values: Floats, sends: np.ndarray, deliveries: Deliveries, ends: pd.DatetimeIndex, assets: tuple[str, ...]
) -> pd.DataFrame:
    """Return readings as rows, lost ones left out and duplicates put twice.

    Parameters
    ----------
    values : ndarray, shape (n_hours, n_machines, n_channels)
        Readings.
    sends : ndarray of bool, shape (n_hours, n_machines)
        Whether the machine ran.
    deliveries : Deliveries
        What became of each reading.
    ends : pandas.DatetimeIndex
        End of each hour, UTC: the event time of its reading.
    assets : tuple of str
        Asset ids.

    Returns
    -------
    pandas.DataFrame
        Rows of the table ``telemetry``.
    """
    copies = np.where(sends & ~deliveries.lost, 1 + deliveries.twice, 0)
    hour, machine = (np.repeat(index, copies.ravel()) for index in map(np.ravel, np.indices(copies.shape)))
    event_time = ends[hour]
    delay = pd.to_timedelta(np.round(deliveries.delay[hour, machine] * 60.0), unit="s")
    keys = pd.DataFrame(
        {
            "asset": pd.Series(np.array(assets, dtype=object)[machine], dtype="str"),
            "event_time": event_time,
            "known_time": event_time + delay,
            "source": pd.Series("physical", index=range(len(hour)), dtype="str"),
        }
    ).astype({"event_time": TIME, "known_time": TIME})
    return pd.concat([keys, pd.DataFrame(values[hour, machine], columns=list(CHANNELS))], axis=1)
