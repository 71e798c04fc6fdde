"""Notifications and orders as rows of the contracts: failures, and work that was done."""

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from data_contracts.records.outbox.event_kinds import ALARM_OPENED
from data_contracts.records.outbox.outbox_records import OutboxEvent
from pipelines.connectors.sap.inbound.changes import CHANGED, Entity
from pipelines.connectors.sap.inbound.codes import CodeTable, Verdict
from pipelines.connectors.sap.notification_text import prediction_in
from pipelines.connectors.sap.odata import parse_instant, parse_local
from pipelines.connectors.sap.reference import REFERENCE
from pipelines.connectors.sap.technical_objects import labels, plain
from pipelines.connectors.sap_section import SapSection

_COMPLETED, _DELETED = "4", "5"
_HOURS = {
    "H": 1.0,
    "HR": 1.0,
    "STD": 1.0,
    "MIN": 1 / 60,
    "S": 1 / 3600,
    "SEC": 1 / 3600,
    "D": 24.0,
    "DAY": 24.0,
    "TAG": 24.0,
}


@dataclass(frozen=True)
class Plant:
    """What notifications and orders are read with."""

    section: SapSection
    assets: Mapping[str, str]  # by their technical objects, as these are compared
    codes: CodeTable
    ours: Mapping[str, OutboxEvent]  # what was written from here, by reference
    alerts: Collection[str]  # the ids of predictions that were alerts

    def asset_of(self, entity: Entity) -> str | None:
        """Return the asset that a notification or an order is about."""
        event = self.ours.get(str(entity.get(REFERENCE) or ""))
        if event is not None:
            return event.subject
        return next((self.assets[label] for label in labels(entity) if label in self.assets), None)


@dataclass
class Tally:
    """What was met that is in no row, or only in part: numbers of notifications and orders, by what it is."""

    unknown_codes: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    without_mode: set[str] = field(default_factory=set)  # breakdowns whose mode no code says
    other_objects: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    zones: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    units: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    no_failures: set[str] = field(default_factory=set)  # notifications of assets that are no breakdowns, or deleted
    without_finding: set[str] = field(default_factory=set)  # ours that were completed without an order and a finding


def failure_row(notification: Entity, plant: Plant, tally: Tally) -> dict[str, Any] | None:
    """Return the row of a breakdown; None if a notification is none, or of an object that is no asset."""
    number, asset = plain(str(notification["MaintenanceNotification"])), plant.asset_of(notification)
    if asset is None:
        tally.other_objects[_object(notification)].add(number)
        return None
    if not notification.get("MaintenanceObjectIsDown") or notification.get("NotifProcessingPhase") == _DELETED:
        tally.no_failures.add(number)
        return None
    verdict = _verdict(notification, plant, tally)
    if verdict.mode == "unknown":
        tally.without_mode.add(number)
    zone = _zone(notification, number, plant, tally)
    return {
        "failure_id": number,
        "asset": asset,
        "event_time": parse_local(
            notification.get("MalfunctionStartDate"), notification.get("MalfunctionStartTime"), zone
        ),
        "known_time": parse_instant(notification.get(CHANGED)),
        "mode": verdict.mode,
        "downtime_hours": _downtime(notification, number, tally),
    }


def order_row(order: Entity, notification: Entity | None, plant: Plant, tally: Tally) -> dict[str, Any] | None:
    """Return the row of an order whose work is done; None for another one, or of an object that is no asset."""
    if not set(str(order.get("SystemStatusText") or "").split()) & set(plant.section.order_done):
        return None
    number = plain(str(order["MaintenanceOrder"]))
    asset = (None if notification is None else plant.asset_of(notification)) or plant.asset_of(order)
    if asset is None:
        tally.other_objects[_object(order)].add(number)
        return None
    verdict = None if notification is None else _verdict(notification, plant, tally)
    known = [parse_instant(each.get(CHANGED)) for each in (order, notification) if each is not None]
    kind = str(order.get("MaintenanceOrderType") or "")
    prompted_by, prediction_id = _prompt(notification, plant)
    return {
        "work_order_id": number,
        "asset": asset,
        "event_time": parse_instant(order.get("MaintOrderReferenceDateTime")),
        "known_time": max((each for each in known if each is not None), default=None),
        "kind": plant.section.order_kinds.get(kind, kind),
        "component": None if verdict is None else verdict.component,
        "finding": None if verdict is None else verdict.finding,
        "prompted_by": prompted_by,
        "prediction_id": prediction_id,
    }


def inspection_row(notification: Entity, plant: Plant, tally: Tally) -> dict[str, Any] | None:
    """Return the row of a notification of ours that was completed with a finding and without an order."""
    prompted_by, prediction_id = _prompt(notification, plant)
    completed = notification.get("NotifProcessingPhase") == _COMPLETED
    if prediction_id is None or not completed or notification.get("MaintenanceOrder"):
        return None
    number, asset = plain(str(notification["MaintenanceNotification"])), plant.asset_of(notification)
    verdict = _verdict(notification, plant, tally)
    if asset is None or verdict.finding is None:
        tally.without_finding.add(number)
        return None
    zone = _zone(notification, number, plant, tally)
    return {
        "work_order_id": f"notification-{number}",
        "asset": asset,
        "event_time": parse_local(
            notification.get("NotificationCompletionDate"), notification.get("CompletionTime"), zone
        ),
        "known_time": parse_instant(notification.get(CHANGED)),
        "kind": "inspection",
        "component": verdict.component,
        "finding": verdict.finding,
        "prompted_by": prompted_by,
        "prediction_id": prediction_id,
    }


def _prompt(notification: Entity | None, plant: Plant) -> tuple[str | None, str | None]:
    """Return what made someone order the work, and the prediction it goes back to."""
    if notification is None:
        return None, None
    reference = str(notification.get(REFERENCE) or "")
    event = plant.ours.get(reference)
    if event is not None:
        prediction = str(event.data["prediction_id"])
        return ("alarm" if event.kind == ALARM_OPENED or prediction in plant.alerts else None), prediction
    if reference.startswith(plant.section.prefix):
        # Its event is kept no longer, or was written by the workspace of which this is a copy.
        named = prediction_in(str(notification.get("MaintNotificationLongText") or ""))
        if named is not None:
            return ("alarm" if named in plant.alerts else None), named
    if notification.get("MaintenanceObjectIsDown"):
        return "failure", None
    return ("schedule" if notification.get("MaintenancePlan") else None), None


def _verdict(notification: Entity, plant: Plant, tally: Tally) -> Verdict:
    verdict = plant.codes.read(notification)
    for code in verdict.unknown:
        tally.unknown_codes[code.words].add(plain(str(notification["MaintenanceNotification"])))
    return verdict


def _zone(notification: Entity, number: str, plant: Plant, tally: Tally) -> str:
    code = str(notification.get("NotificationTimeZone") or "").upper()
    if code in plant.section.time_zones:
        return plant.section.time_zones[code]
    if code == "UTC":
        return "UTC"
    if code:
        tally.zones[code].add(number)
    return plant.section.time_zone


def _downtime(notification: Entity, number: str, tally: Tally) -> float | None:
    """Return how long the object was down, in hours; None while it is, and where nobody recorded it."""
    duration, unit = notification.get("MaintObjectDowntimeDuration"), notification.get("MaintObjDowntimeDurationUnit")
    value = float(duration or 0)
    if not value:
        return None
    factor = _HOURS.get(str(unit or "").upper())
    if factor is None:
        tally.units[str(unit or "")].add(number)
        return None
    return value * factor


def _object(entity: Mapping[str, Any]) -> str:
    return plain(str(entity.get("TechnicalObjectLabel") or entity.get("TechnicalObject") or ""))
