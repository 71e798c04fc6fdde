"""What the codes of a plant's catalogues mean: failure mode, finding, component.

A code that is not in the plant's table is named in the result, never guessed from its text: a breakdown is stored all
the same, with ISO 14224's mode "unknown", as an unplanned stop is a fact whatever its cause; work is stored without a
finding. Once the code is in the table, reading again corrects both.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipelines.connectors.sap.inbound.failure_modes import ISO_14224, UNKNOWN
from pipelines.connectors.sap.plant_table import read_plant_table
from pipelines.connectors.sap_section import SapSection

CATALOGS = ("damage", "cause", "coding", "activity", "part")
"""In the order in which they say what failed."""
FINDINGS = ("defect_confirmed", "no_fault_found", "not_inspected")
"""Stronger ones first: one defect is one, whatever else was in order."""
_FIELDS = {
    "damage": ("MaintNotifDamageCodeGroup", "MaintNotificationDamageCode"),
    "cause": ("MaintNotifCauseCodeGroup", "MaintNotificationCauseCode"),
    "coding": ("MaintNotificationCodeGroup", "MaintNotificationCode"),
    "activity": ("MaintNotifActivityCodeGroup", "MaintNotificationActivityCode"),
    "part": ("MaintNotifObjPrtCodeGroup", "MaintNotifObjPrtCode"),
}
_PART_NAME = "MaintNotifObjPrtCodeName"


@dataclass(frozen=True)
class Code:
    """A code that somebody entered."""

    catalog: str
    group: str
    code: str

    @property
    def words(self) -> str:
        """Name it."""
        return f"{self.catalog} {self.group}/{self.code}"


@dataclass(frozen=True)
class Meaning:
    """What a code says."""

    mode: str | None
    finding: str | None
    component: str | None


@dataclass(frozen=True)
class Verdict:
    """What the codes of a notification say together."""

    mode: str
    finding: str | None
    component: str | None
    unknown: tuple[Code, ...]  # that are not in the table


@dataclass(frozen=True)
class CodeTable:
    """The table of a channel; a row without a catalogue is for all of them."""

    meanings: Mapping[Code, Meaning]
    own: Code | None = None  # the coding of our notifications, which says nothing about what was found

    def of(self, code: Code) -> Meaning | None:
        """Return what a code means."""
        return self.meanings.get(code) or self.meanings.get(Code("", code.group, code.code))

    def read(self, notification: Mapping[str, Any]) -> Verdict:
        """Return what the codes of a notification, its items, causes and activities say."""
        codes = sorted(set(_codes(notification)) - {self.own}, key=lambda each: CATALOGS.index(each.catalog))
        known = [meaning for code in codes if (meaning := self.of(code)) is not None]
        modes = [meaning.mode for meaning in known if meaning.mode]
        parts = [meaning.component for meaning in known if meaning.component] or list(_part_names(notification))
        findings = {meaning.finding for meaning in known}
        return Verdict(
            mode=modes[0] if modes else UNKNOWN,
            finding=next((each for each in FINDINGS if each in findings), None),
            component=parts[0] if parts else None,
            # A part has a name of its own.
            unknown=tuple(code for code in codes if code.catalog != "part" and self.of(code) is None),
        )


def read_codes(section: SapSection, root: Path) -> CodeTable:
    """Read the table of a channel, relative to the workspace; each code stands once in a catalogue."""
    own = None if section.code is None else Code("coding", str(section.code_group).upper(), section.code.upper())
    meanings: dict[Code, Meaning] = {}
    if section.codes is not None:
        optional = ("catalog", "mode", "finding", "component")
        for row in read_plant_table(root / section.codes, ("code_group", "code"), optional):
            catalog, group, name, mode, finding, component = (
                row.cells[column] for column in ("catalog", "code_group", "code", "mode", "finding", "component")
            )
            code = Code(catalog, group.upper(), name.upper())
            if catalog and catalog not in CATALOGS:
                raise row.wrong(f"catalog {catalog!r}", f"one of {', '.join(CATALOGS)}, or nothing")
            if finding and finding not in FINDINGS:
                raise row.wrong(f"finding {finding!r}", f"one of {', '.join(FINDINGS)}, or nothing")
            if not group or not name or code in meanings:
                raise row.wrong(f"code {group}/{name}", "each code once, with its group")
            meanings[code] = Meaning(ISO_14224.get(mode, mode) or None, finding or None, component or None)
    return CodeTable(meanings, own)


def items_of(notification: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    """Return the items of a notification that were not deleted."""
    return _nested(notification, "to_Item")


def _codes(notification: Mapping[str, Any]) -> Iterator[Code]:
    yield from _code(notification, "coding")
    for item in items_of(notification):
        yield from _code(item, "damage")
        yield from _code(item, "part")
        for cause in _nested(item, "to_ItemCause"):
            yield from _code(cause, "cause")
        for activity in _nested(item, "to_ItemActivity"):
            yield from _code(activity, "activity")


def _code(entity: Mapping[str, Any], catalog: str) -> Iterator[Code]:
    group, code = (str(entity.get(name) or "").strip().upper() for name in _FIELDS[catalog])
    if group and code:
        yield Code(catalog, group, code)


def _part_names(notification: Mapping[str, Any]) -> Iterator[str]:
    for item in items_of(notification):
        if name := str(item.get(_PART_NAME) or "").strip():
            yield name


def _nested(entity: Mapping[str, Any], name: str) -> Sequence[Mapping[str, Any]]:
    found = entity.get(name)
    rows = found.get("results", ()) if isinstance(found, Mapping) else found or ()
    return [row for row in rows if not row.get("IsDeleted")]
