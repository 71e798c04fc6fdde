"""The event that rows were refused: one for each contract, of all that was refused since the last one."""

import json
from collections import Counter

import pandas as pd

from data_contracts.ingestion.quarantine_entries import HELD, REFUSED, TABLE
from data_contracts.records.outbox.event_kinds import DATA_QUARANTINED, event_id
from data_contracts.records.outbox.outbox_records import OutboxEvent

PAUSE = pd.Timedelta(hours=1)
"""At least so long after the last events; a channel that broke would have one sent with every message."""
_COUNTED = 'contract, batch_id, action, reasons, count(*) AS "rows", min(known_time) AS refused_at'
_GROUPED = "GROUP BY contract, batch_id, action, reasons"
COUNTED = ("action", f"IN ('{HELD}', '{REFUSED}')", _COUNTED, _GROUPED)
_MOST_NAMED = 20

__all__ = ["COUNTED", "PAUSE", "TABLE", "quarantine_events"]


def quarantine_events(groups: pd.DataFrame, *, upto: int, now: pd.Timestamp) -> list[OutboxEvent]:
    """Return the events of refused rows, counted by contract, batch and reasons, that versions up to one stored."""
    if groups.empty:
        return []
    return [_event(str(contract), own, upto, now) for contract, own in groups.groupby("contract")]


def _event(contract: str, groups: pd.DataFrame, upto: int, now: pd.Timestamp) -> OutboxEvent:
    batches, reasons = Counter[str](), Counter[str]()
    for row in groups.to_dict("records"):
        batches[row["batch_id"]] += row["rows"]
        for reason in json.loads(row["reasons"]):
            reasons[reason] += row["rows"]
    whole = groups[groups["action"] == REFUSED]
    data = {
        "contract": contract,
        "rows": int(groups["rows"].sum()),
        "batches": len(batches),
        "refused_batches": int(whole["batch_id"].nunique()),  # as a whole
        "batch_ids": _first(batches),
        "reasons": _first(reasons),
        "refused_since": groups["refused_at"].min().isoformat(),
    }
    return OutboxEvent(event_id(DATA_QUARANTINED, contract, str(upto)), DATA_QUARANTINED, contract, now, data)


def _first(counts: Counter[str]) -> dict[str, int]:
    """Return the most frequent ones with their rows."""
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return {name: int(count) for name, count in ordered[:_MOST_NAMED]}
