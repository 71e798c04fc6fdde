"""The event that mechanics reported a finding: one for each report of a work order that has one."""

from typing import Any

import pandas as pd

from data_contracts.records.outbox.event_kinds import FINDING_REPORTED, event_id
from data_contracts.records.outbox.outbox_records import OutboxEvent

TABLE = "work_orders"
REPORTED = ("finding", "IS NOT NULL")
_HISTORY = pd.Timedelta(days=7)
_TEXTS = ("work_order_id", "finding", "kind", "component", "prompted_by", "prediction_id")


def finding_events(rows: pd.DataFrame, *, since: pd.Timestamp, now: pd.Timestamp) -> list[OutboxEvent]:
    """Return the events of reports stored since a time, in the order they became known.

    One that had been known for a week when it was stored is history that somebody imported.
    """
    if rows.empty:
        return []
    recent = rows[rows["known_time"] > since - _HISTORY]
    return [_event(row, now) for row in recent.sort_values(["known_time", "asset", "work_order_id"]).to_dict("records")]


def _event(row: dict[Any, Any], now: pd.Timestamp) -> OutboxEvent:
    times = {name: row[name].isoformat() for name in ("event_time", "known_time")}
    texts = {name: None if pd.isna(row.get(name)) else row[name] for name in _TEXTS}
    identifier = event_id(FINDING_REPORTED, row["asset"], row["work_order_id"], times["known_time"])
    return OutboxEvent(identifier, FINDING_REPORTED, row["asset"], now, {"asset": row["asset"], **texts, **times})
