"""The kinds of events there are, and the ids that they have."""

import uuid

ALARM_OPENED = "alarm.opened"
ALARM_ACKNOWLEDGED = "alarm.acknowledged"
ALARM_SILENCED = "alarm.silenced"
ALARM_MARK_WITHDRAWN = "alarm.mark_withdrawn"
FINDING_REPORTED = "finding.reported"
DATA_QUARANTINED = "data.quarantined"
WORK_PLANNED = "work.planned"
MODEL_PROMOTED = "model.promoted"
DECISION_MADE = "decision.made"
KINDS = (
    ALARM_OPENED,
    ALARM_ACKNOWLEDGED,
    ALARM_SILENCED,
    ALARM_MARK_WITHDRAWN,
    WORK_PLANNED,
    FINDING_REPORTED,
    DATA_QUARANTINED,
    MODEL_PROMOTED,
    DECISION_MADE,
)

# The namespace of the ids; another one would have receivers take events that they know for new ones.
_NAMESPACE = uuid.UUID("5d1f7f0e-3c42-5b0a-9a55-8a0d8f4f6b27")


def event_id(kind: str, *parts: str) -> str:
    """Return the id of an event, made of what it tells of, the same whenever it is written.

    Examples
    --------
    >>> event_id(ALARM_OPENED, "m1", "2026-01-01") == event_id(ALARM_OPENED, "m1", "2026-01-01")
    True
    """
    return str(uuid.uuid5(_NAMESPACE, "\n".join((kind, *parts))))
