"""Which assets have refused readings in quarantine, and how new they are.

There may be very many: a sensor that breaks its contract does so with every reading. So the query engine aggregates
them by the asset and event time of each entry, and the rows are never read.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd
from deltalake import DeltaTable

from data_contracts.ingestion.quarantine_entries import REFUSED, REPAIRED, TABLE
from data_contracts.tables import tables
from data_contracts.tables.arrow_frames import to_pandas
from data_contracts.tables.row_conditions import is_one_of, rows_of, text, where
from data_contracts.tables.table_access import open_to_read, query, storage
from data_contracts.workspace import Workspace

_NEVER = "1700-01-01T00:00:00+00:00"  # earlier than any reading


@dataclass(frozen=True)
class RefusedReadings:
    """The readings of one asset that are in quarantine."""

    known_time: pd.Timestamp  # when the last was refused, UTC
    event_time: pd.Timestamp  # of the newest, as far as plausible, UTC
    reasons: tuple[str, ...]  # why the newest was refused


def refused_readings(
    workspace: Workspace, table: str, *, as_of: pd.Timestamp | None = None
) -> dict[str, RefusedReadings]:
    """Summarise by asset the telemetry of `table` that is in quarantine and was refused up to `as_of`.

    Rows without an asset or a plausible time are left out.
    """
    newest = "event_time DESC, entry DESC"
    columns = f"max(known_time) AS known, max(event_time) AS event, first_value(reasons ORDER BY {newest}) AS why"
    return {
        row["asset"]: RefusedReadings(row["known"], row["event"], tuple(json.loads(row["why"])))
        for row in _query(workspace, table, f"asset, {columns}", as_of, "")
    }


def count_newer(
    workspace: Workspace, table: str, good: Mapping[str, pd.Timestamp | None], *, as_of: pd.Timestamp | None = None
) -> dict[str, int]:
    """Count by asset the refused readings that are newer than its latest good one, whose event time `good` has.

    None in `good` is an asset without a good reading; assets without refused readings are left out of the result.
    """
    if not good:
        return {}
    since = [_NEVER if time is None else time.tz_convert("UTC").isoformat() for time in good.values()]
    latest = f"(SELECT {rows_of(list(good))} AS of_asset, {rows_of(since)} AS since)"
    newer = " AND event_time > CAST(since AS TIMESTAMP)"
    rows = _query(workspace, table, "asset, count(*) AS n", as_of, newer, rows=f"t JOIN {latest} ON asset = of_asset")
    return {row["asset"]: int(row["n"]) for row in rows}


def _query(
    workspace: Workspace, table: str, columns: str, as_of: pd.Timestamp | None, condition: str, *, rows: str = "t"
) -> list[Any]:
    with storage(workspace, TABLE):
        delta = open_to_read(workspace, TABLE)
        # Entries written before this column existed have no asset; the table may have no such column yet.
        if delta is None or "asset" not in {field.name for field in delta.schema().fields}:
            return []
        of_table = where(as_of, None, None, None, equal={"table": table})
        held = f"{of_table} AND asset IS NOT NULL AND event_time IS NOT NULL{_not_released(workspace, table, delta)}"
        grouped = query(delta, f"SELECT {columns} FROM {rows}{held}{condition} GROUP BY asset")  # noqa: S608
        return to_pandas(grouped).to_dict("records")


def _not_released(workspace: Workspace, table: str, delta: DeltaTable) -> str:
    """Return the condition that excludes what the table has by now: batches accepted after all, and repaired rows."""
    of_table = where(None, None, None, None, equal={"table": table})
    actions = is_one_of("action", (REFUSED, REPAIRED))
    commits = query(delta, f"SELECT DISTINCT action, batch_id, replay_id FROM t{of_table} AND {actions}")  # noqa: S608
    batches = [row["batch_id"] for row in commits.to_pylist() if row["action"] == REFUSED]
    replays = [row["replay_id"] for row in commits.to_pylist() if row["action"] == REPAIRED]
    accepted, done = (
        [name for name in names if tables.has_batch(workspace, table, name)] for names in (batches, replays)
    )
    repaired = f"SELECT entry FROM t{of_table} AND action = {text(REPAIRED)} AND {is_one_of('replay_id', done)}"  # noqa: S608
    released = f"(action = {text(REFUSED)} AND {is_one_of('batch_id', accepted)})"
    return (f" AND NOT {released}" if accepted else "") + (f" AND entry NOT IN ({repaired})" if done else "")
