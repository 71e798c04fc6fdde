"""Alarms that are not sent, as somebody has silenced them."""

from collections.abc import Mapping

import pandas as pd

from data_contracts.records.alarm_marks.marks import active_silences
from data_contracts.records.outbox.event_kinds import ALARM_OPENED
from data_contracts.records.outbox.outbox_records import OutboxEvent
from pipelines.connectors.deliver import Records


def silenced_alarms(records: Records, events: Mapping[int, OutboxEvent], now: pd.Timestamp) -> dict[int, str]:
    """Return why alarms among some events are not sent, by the numbers of their events."""
    alarms = {number: event for number, event in events.items() if event.kind == ALARM_OPENED}
    marks = {(mark.model_name, mark.asset): mark for mark in active_silences(records, now)} if alarms else {}
    found = {number: marks.get((str(event.data["model"]), event.subject)) for number, event in alarms.items()}
    return {
        number: f"silenced by {mark.actor} until {mark.expires_at}: {mark.reason}"
        for number, mark in found.items()
        if mark is not None
    }
