"""Delivery of an event as a notification, never as two.

A notification is looked up by its reference before it is posted, and then whether one of ours is open for the same
machine, which is enough. A request that was cut off, by a time-out, a lost
connection or the end of this process, may yet be executed, so the event then waits until SAP has finished or ended it
before it is looked up again. That it is being posted is noted before it is.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from data_contracts.records.outbox.outbox import note_begun
from data_contracts.records.outbox.outbox_records import OutboxEvent
from pipelines.connectors.links import machine_link
from pipelines.connectors.sap.notification import notification_fields
from pipelines.connectors.sap.notification_text import Records, drivers_of
from pipelines.connectors.sap.odata import quoted
from pipelines.connectors.sap.reference import REFERENCE
from pipelines.connectors.sap.service import SapService, TokenRefusedError, open_service
from pipelines.connectors.sap.technical_objects import TechnicalObject, TechnicalObjects, labels, plain, read_objects
from pipelines.connectors.sap_section import SapSection
from pipelines.connectors.silenced_alarms import silenced_alarms
from pipelines.connectors.webhook import RefusedError, SilencedError, TryAgainError

NOTIFICATIONS = "MaintenanceNotification"
OPEN_PHASES = ("1", "2", "3")
"""Outstanding, postponed, in process; then come completed and marked for deletion."""


@dataclass(frozen=True)
class SapTarget:
    """An SAP system to write notifications into."""

    service: SapService
    objects: TechnicalObjects
    records: Records
    channel: str
    endpoint: str  # that notifications link to; empty for none
    check: Callable[[], None]  # raises once another process delivers by the channel
    clock: Callable[[], pd.Timestamp]

    def send(self, event: OutboxEvent, number: int) -> None:
        """Have one notification of an event there; else `TryAgainError`, `RefusedError` or `SilencedError`."""
        section, technical_object = self.service.section, self.objects.of(event.subject)
        silenced = {} if section.silenced else silenced_alarms(self.records, {number: event}, self.clock())
        if silenced:
            raise SilencedError(silenced[number])
        drivers = drivers_of(self.records, event.data["prediction_id"])
        link = machine_link(self.endpoint, event.subject)
        fields = notification_fields(event, technical_object, drivers, link, section)
        for _ in range(2):
            # Brings a new token along, too.
            if self._is_there(fields[REFERENCE], technical_object):
                return
            try:
                self._post(number, fields)
                return
            except TokenRefusedError:
                continue
        raise TryAgainError("403: SAP asks for a CSRF token and refuses the one that it has just given; cookies lost?")

    def _is_there(self, reference: str, technical_object: TechnicalObject) -> bool:
        """Return whether a notification stands for an event already: its own, or another one of its machine."""
        found = self._read(f"{REFERENCE} eq {quoted(reference)}")
        if any(plain(technical_object.name) in labels(each) for each in found):
            return True
        if found:
            raise RefusedError(
                f"notification {found[0][NOTIFICATIONS]} has the reference {reference}, and is of "
                f"{found[0].get('TechnicalObjectLabel')}, not of {technical_object.name}"
            )
        return self._is_notified(technical_object)

    def _is_notified(self, technical_object: TechnicalObject) -> bool:
        """Return whether an open notification of ours is of an object already.

        An alarm that outlasts its claim is opened again; the planner has it until the notification is completed.
        """
        ours = f"startswith({REFERENCE},{quoted(self.service.section.prefix)}) eq true"
        phases = " or ".join(f"NotifProcessingPhase eq {quoted(phase)}" for phase in OPEN_PHASES)
        # SAP writes names in capitals, whichever way they were sent, and numbers of equipment without leading zeros.
        names = sorted({technical_object.name.upper(), plain(technical_object.name)})
        named = " or ".join(f"TechnicalObjectLabel eq {quoted(name)}" for name in names)
        return bool(self._read(f"({named}) and {ours} and ({phases})"))

    def _read(self, condition: str) -> list[dict[str, Any]]:
        chosen = f"{NOTIFICATIONS},{REFERENCE},TechnicalObject,TechnicalObjectLabel,NotifProcessingPhase"
        query = {"$filter": condition, "$select": chosen, "$top": "100"}
        return self.service.read(self.service.section.notifications, NOTIFICATIONS, query)[0]

    def _post(self, number: int, fields: dict[str, Any]) -> None:
        section, now, begun = self.service.section, self.clock(), time.monotonic()
        note_begun(self.records, self.channel, number, now, until=now + section.settle + section.answer_within)
        self.check()
        # This process may have been stopped meanwhile, and another one be about to do the same.
        if time.monotonic() - begun > section.settle.total_seconds() / 2:
            raise TryAgainError("was held up before it was sent")
        created = self.service.create(section.notifications, NOTIFICATIONS, fields)
        if created.get(REFERENCE) != fields[REFERENCE]:
            raise RefusedError(
                f"notification {created.get(NOTIFICATIONS)} was created with the reference {created.get(REFERENCE)!r} "
                f"in place of {fields[REFERENCE]}, under which it cannot be found again; see to that field in SAP"
            )


@contextmanager
def open_sap(
    section: SapSection,
    root: Path,
    records: Records,
    channel: str,
    endpoint: str,
    *,
    check: Callable[[], None],
    clock: Callable[[], pd.Timestamp],
) -> Iterator[SapTarget]:
    """Read the tables and secrets of a channel, and keep its session for the block."""
    objects = read_objects(section, root)
    with open_service(section, root) as service:
        yield SapTarget(service, objects, records, channel, endpoint, check, clock)
