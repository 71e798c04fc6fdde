"""An event as the fields of a notification."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from data_contracts.records.outbox.event_kinds import WORK_PLANNED
from data_contracts.records.outbox.outbox_records import OutboxEvent
from pipelines.connectors.sap.notification_text import LONGEST_LINE, cut, long_text, short_text
from pipelines.connectors.sap.odata import local_date, local_time
from pipelines.connectors.sap.reference import REFERENCE, reference_number
from pipelines.connectors.sap.technical_objects import LONGEST, TechnicalObject
from pipelines.connectors.sap_section import PriorityRule, SapSection
from pipelines.connectors.webhook import RefusedError

_HOUR = pd.Timedelta(hours=1)


def notification_fields(
    event: OutboxEvent, technical_object: TechnicalObject, drivers: Sequence[str], link: str, section: SapSection
) -> dict[str, Any]:
    """Return the fields; `RefusedError` for a technical object that SAP cannot have."""
    if len(technical_object.name) > LONGEST:
        raise RefusedError(
            f"{technical_object.name!r} is longer than a technical object; the table of objects is for it"
        )
    starts, ends = _required(event)
    fields: dict[str, Any] = {
        **section.fields,
        "NotificationType": section.notification_type,
        "NotificationText": cut(short_text(event, section.time_zone), LONGEST_LINE),
        "MaintNotifLongTextForEdit": long_text(event, drivers, link, section.time_zone),
        "TechnicalObject": technical_object.written,
        "TechObjIsEquipOrFuncnlLoc": technical_object.kind,
        REFERENCE: reference_number(event.event_id, section.prefix),
        "RequiredStartDate": local_date(starts, section.time_zone),
        "RequiredStartTime": local_time(starts, section.time_zone),
        "RequiredEndDate": local_date(ends, section.time_zone),
        "RequiredEndTime": local_time(ends, section.time_zone),
    }
    if section.code is not None:
        fields |= {"MaintNotificationCodeGroup": section.code_group, "MaintNotificationCode": section.code}
    priority = priority_of(event, section.priorities)
    return fields if priority is None else fields | {"MaintPriority": priority}


def priority_of(event: OutboxEvent, rules: Sequence[PriorityRule]) -> str | None:
    """Return the priority that the first rule that fits gives; None if none does."""
    probability, left = event.data.get("probability"), _required(event)[1] - event.at
    for rule in rules:
        likely = (0.0 if probability is None else probability) >= rule.probability
        if likely and (rule.within is None or left <= rule.within):
            return rule.priority
    return None


def _required(event: OutboxEvent) -> tuple[pd.Timestamp, pd.Timestamp]:
    """Return from when and until when something has to be done."""
    data: Mapping[str, Any] = event.data
    if event.kind == WORK_PLANNED:
        return pd.Timestamp(data["begins"]), pd.Timestamp(data["latest"])
    if data.get("remaining_life_hours") is not None:
        return event.at, max(event.at, pd.Timestamp(data["as_of"]) + data["remaining_life_hours"] * _HOUR)
    return event.at, max(event.at, pd.Timestamp(data["claim_ends"]))
