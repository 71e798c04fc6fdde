"""Of which assets there are refused readings in quarantine, and how new they are.

There may be a great many: a sensor that breaks its contract does so with every reading. So they are never read, but
counted by the query engine, by what was noted of each when it was refused.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd
from deltalake import DeltaTable

from data_contracts.ingestion.quarantine_entries import MENDED, REFUSED, TABLE
from data_contracts.tables import tables
from data_contracts.tables.arrow_frames import to_pandas
from data_contracts.tables.row_conditions import instant, is_one_of, text, where
from data_contracts.tables.table_access import open_to_read, query, storage
from data_contracts.workspace import Workspace


@dataclass(frozen=True)
class RefusedReadings:
    """What is in quarantine of one asset.

    Parameters
    ----------
    known_time
        When the last of it was refused (UTC).
    event_time
        When the newest of it happened, as far as that can be believed (UTC).
    reasons
        Why the newest was refused.
    """

    known_time: pd.Timestamp
    event_time: pd.Timestamp
    reasons: tuple[str, ...]


def refused_readings(
    workspace: Workspace, table: str, *, as_of: pd.Timestamp | None = None
) -> dict[str, RefusedReadings]:
    """Tell of each asset what is in quarantine now that its table would hold otherwise.

    Parameters
    ----------
    workspace
        Where the tables are.
    table
        The table of the telemetry.
    as_of
        Leave out what was refused later.

    Returns
    -------
    dict of str to RefusedReadings
        By asset. A row that names no asset, or no time that can be believed, is nobody's.

    Raises
    ------
    StorageError
        If a table is corrupt.
    """
    newest = "event_time DESC, entry DESC"
    columns = f"max(known_time) AS known, max(event_time) AS event, first_value(reasons ORDER BY {newest}) AS why"
    return {
        row["asset"]: RefusedReadings(row["known"], row["event"], tuple(json.loads(row["why"])))
        for row in _ask(workspace, table, f"asset, {columns}", as_of, "")
    }


def count_newer(
    workspace: Workspace, table: str, good: Mapping[str, pd.Timestamp | None], *, as_of: pd.Timestamp | None = None
) -> dict[str, int]:
    """Count the refused readings that are newer than the good ones.

    Parameters
    ----------
    workspace, table, as_of
        As of `refused_readings`.
    good
        Assets, each with when its latest good reading happened; None if it has none.

    Returns
    -------
    dict of str to int
        The counts of those that have such readings.

    Raises
    ------
    StorageError
        If a table is corrupt.
    """
    later = " OR ".join(
        f"asset = {text(asset)}" + (f" AND event_time > {instant(time)}" if time is not None else "")
        for asset, time in good.items()
    )
    rows = _ask(workspace, table, "asset, count(*) AS n", as_of, f" AND ({later or 'false'})")
    return {row["asset"]: int(row["n"]) for row in rows}


def _ask(workspace: Workspace, table: str, columns: str, as_of: pd.Timestamp | None, more: str) -> list[Any]:
    with storage(workspace, TABLE):
        delta = open_to_read(workspace, TABLE)
        # Where nothing was refused since assets are noted there is no such column yet.
        if delta is None or "asset" not in {field.name for field in delta.schema().fields}:
            return []
        condition = where(as_of, None, None, None, equal={"table": table})
        held = f"{condition} AND asset IS NOT NULL AND event_time IS NOT NULL{_not_released(workspace, table, delta)}"
        found = query(delta, f"SELECT {columns} FROM t{held}{more} GROUP BY asset")  # noqa: S608
        return to_pandas(found).to_dict("records")


def _not_released(workspace: Workspace, table: str, delta: DeltaTable) -> str:
    """Leave out what the table holds by now: batches that were refused and accepted after all, and mended rows."""
    of_table = where(None, None, None, None, equal={"table": table})
    actions = is_one_of("action", (REFUSED, MENDED))
    told = query(delta, f"SELECT DISTINCT action, batch_id, replay_id FROM t{of_table} AND {actions}")  # noqa: S608
    batches = [row["batch_id"] for row in told.to_pylist() if row["action"] == REFUSED]
    replays = [row["replay_id"] for row in told.to_pylist() if row["action"] == MENDED]
    accepted, done = (
        [name for name in names if tables.has_batch(workspace, table, name)] for names in (batches, replays)
    )
    mended = f"SELECT entry FROM t{of_table} AND action = {text(MENDED)} AND {is_one_of('replay_id', done)}"  # noqa: S608
    released = f"(action = {text(REFUSED)} AND {is_one_of('batch_id', accepted)})"
    return (f" AND NOT {released}" if accepted else "") + (f" AND entry NOT IN ({mended})" if done else "")
