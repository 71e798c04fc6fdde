"""Reading what changed in an SAP system, page by page, in the order of change.

Each page begins after the last entity of the one before, by its time of change and its number, whatever the system
gives as the address of the next one: what changes meanwhile moves to the end and shifts nothing, as it would where rows
are skipped by their count, and behind a proxy those addresses are the system's inner ones. Entities that no change
was ever noted of are not read.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from data_contracts.errors import StorageError
from pipelines.connectors.sap.odata import instant_literal, parse_instant, quoted
from pipelines.connectors.sap.reference import REFERENCE
from pipelines.connectors.sap.service import SapService
from pipelines.connectors.webhook import RefusedError, TryAgainError

Entity = dict[str, Any]
CHANGED = "LastChangeDateTime"
_BEGINNING = pd.Timestamp("1970-01-01", tz="UTC")
_AT_ONCE = 20  # numbers in one filter, as addresses must not be long


@dataclass(frozen=True)
class EntitySet:
    """A set of entities of a service."""

    name: str  # which is also that of its key
    service: str
    expand: str = ""
    only: str = ""  # a condition for all that is read


def notification_set(service: SapService) -> EntitySet:
    """Return the set of notifications that are read."""
    section = service.section
    ours = f"startswith({REFERENCE},{quoted(section.prefix)}) eq true" if section.pull == "ours" else ""
    expand = "to_Item,to_Item/to_ItemCause,to_Item/to_ItemActivity"
    return EntitySet("MaintenanceNotification", section.notifications, expand, ours)


def order_set(service: SapService) -> EntitySet:
    """Return the set of orders."""
    return EntitySet("MaintenanceOrder", service.section.orders)


def changed_since(service: SapService, entities: EntitySet, since: pd.Timestamp | None) -> Iterator[list[Entity]]:
    """Yield pages of what changed at a time or later, or ever."""
    begins = f"{CHANGED} ge {instant_literal(_BEGINNING if since is None else since)}"
    while True:
        page, more = _read(service, entities, begins, f"{CHANGED},{entities.name}")
        if page:
            yield page
        if not page or not (more or len(page) >= service.section.page):
            return
        at, number = parse_instant(page[-1].get(CHANGED)), str(page[-1][entities.name])
        if at is None:
            raise _wrong(f"{entities.name} {number} without {CHANGED}")
        moment = instant_literal(at)
        after = f"({CHANGED} gt {moment} or ({CHANGED} eq {moment} and {entities.name} gt {quoted(number)}))"
        if after == begins:
            raise _wrong(f"the same page of {entities.name} twice")
        begins = after


def by_number(service: SapService, entities: EntitySet, numbers: Sequence[str]) -> dict[str, Entity]:
    """Read entities by their numbers."""
    found: dict[str, Entity] = {}
    wanted = sorted(set(numbers) - {""})
    for begin in range(0, len(wanted), _AT_ONCE):
        chosen = " or ".join(f"{entities.name} eq {quoted(each)}" for each in wanted[begin : begin + _AT_ONCE])
        after, more = "", True
        while more:
            page, more = _read(service, entities, f"({chosen}){after}", entities.name)
            found |= {str(each[entities.name]): each for each in page}
            more = more and bool(page)
            after = f" and {entities.name} gt {quoted(str(page[-1][entities.name]))}" if page else ""
    return found


def _read(service: SapService, entities: EntitySet, condition: str, order: str) -> tuple[list[Entity], bool]:
    query = {
        "$filter": f"{entities.only} and {condition}" if entities.only else condition,
        "$orderby": order,
        "$top": str(service.section.page),
    }
    if entities.expand:
        query["$expand"] = entities.expand
    try:
        return service.read(entities.service, entities.name, query)
    except (TryAgainError, RefusedError) as error:
        raise StorageError(
            f"{service.section.url}: {entities.service} cannot be read ({error})",
            "an SAP system that answers",
            "See the channel's section [sap]; run it again to go on where this ended",
        ) from error


def _wrong(found: str) -> StorageError:
    return StorageError(
        f"SAP gave {found}", "entities in the order of their changes", "Report it with the system's release"
    )
