"""The events that an alarm was acknowledged or silenced, or that such a mark was withdrawn."""

from data_contracts.records.alarm_marks.mark_records import ACKNOWLEDGE, AlarmMark
from data_contracts.records.outbox.event_kinds import (
    ALARM_ACKNOWLEDGED,
    ALARM_MARK_WITHDRAWN,
    ALARM_SILENCED,
    event_id,
)
from data_contracts.records.outbox.outbox_records import OutboxEvent


def mark_event(mark: AlarmMark) -> OutboxEvent:
    """Return the event of a new mark, or of one that was withdrawn."""
    data = {
        "mark_id": mark.mark_id,
        "asset": mark.asset,
        "model": mark.model_name,
        "opened": mark.began.isoformat(),
        "actor": mark.actor,
        "reason": mark.reason,
    }
    if mark.expires_at is not None:
        data["expires_at"] = mark.expires_at.isoformat()
    if mark.withdrawn_at is not None:
        kind, at = ALARM_MARK_WITHDRAWN, mark.withdrawn_at
        data |= {"mark": mark.kind, "withdrawn_by": mark.withdrawn_by}
    else:
        kind, at = ALARM_ACKNOWLEDGED if mark.kind == ACKNOWLEDGE else ALARM_SILENCED, mark.at
    return OutboxEvent(event_id(kind, mark.mark_id), kind, mark.asset, at, data)
