"""What a reading of SAP stored, and what of it could not be understood."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

_NAMED = 5


@dataclass(frozen=True)
class TablePull:
    """What became of one table."""

    rows: int = 0  # read
    accepted: int = 0  # that told something new, and were stored
    quarantined: int = 0

    def and_then(self, other: "TablePull") -> "TablePull":
        """Return what this and another one are together."""
        return TablePull(*(getattr(self, name) + getattr(other, name) for name in ("rows", "accepted", "quarantined")))


@dataclass(frozen=True)
class SapPull:
    """What was read of an SAP system."""

    channel: str
    notifications: int  # read
    orders: int
    tables: Mapping[str, TablePull]
    watermarks: Mapping[str, str | None]  # the last change that was read
    time_zone: str  # in which times on the wall were read
    unknown_codes: Mapping[str, int] = field(default_factory=dict)  # not in the table; in how many notifications
    without_mode: int = 0  # breakdowns whose mode no code says
    other_objects: Mapping[str, int] = field(default_factory=dict)  # that are no asset; of how many entities
    other_zones: Mapping[str, int] = field(default_factory=dict)  # that the channel's file does not explain
    other_units: Mapping[str, int] = field(default_factory=dict)  # of durations, that are not known
    without_finding: int = 0  # notifications of ours that were completed without an order and a finding
    no_failures: tuple[str, ...] = ()  # stored as failures, and no breakdowns any more
    problems: tuple[str, ...] = ()  # why batches were refused as a whole

    @property
    def exit_status(self) -> int:
        """Return 1 if a batch was refused as a whole."""
        return int(bool(self.problems))

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values."""
        tables = {name: dict(vars(table)) for name, table in self.tables.items()}
        own = {name: value for name, value in vars(self).items() if name != "tables"}
        return {**own, "tables": tables, "no_failures": list(self.no_failures), "problems": list(self.problems)}

    def __rich__(self) -> str:
        """Render a sentence a line."""
        return "\n".join(self.sentences())

    def sentences(self) -> Iterator[str]:
        """Yield it in words."""
        yield f"{self.channel}: {self.notifications:,} notifications and {self.orders:,} orders changed"
        for name, table in self.tables.items():
            words = f"{table.accepted:,} of {table.rows:,} tell something new and were stored"
            words += f", {table.quarantined:,} are in quarantine" if table.quarantined else ""
            yield f"{name.replace('_', ' ')}: {words}"
        if self.unknown_codes:
            yield f"codes that are not in the table, and say nothing: {_named(self.unknown_codes)}"
        if self.without_mode:
            yield f"{self.without_mode:,} breakdowns have no code that says how they failed: their mode is 'unknown'"
        if self.other_objects:
            yield f"left out, as they are of objects that are no asset: {_named(self.other_objects)}"
        if self.other_zones:
            zones = _named(self.other_zones)
            yield f"time zones that [sap] time_zones does not have, read as {self.time_zone}: {zones}"
        if self.other_units:
            yield f"downtimes in units that are not known, left out: {_named(self.other_units)}"
        if self.without_finding:
            yield f"{self.without_finding:,} notifications of ours were completed without an order and a finding"
        if self.no_failures:
            numbers = ", ".join(self.no_failures[:_NAMED])
            yield f"stored as failures, and no breakdowns in SAP any more: {numbers}; their rows stay"
        yield from self.problems


def _named(counts: Mapping[str, int]) -> str:
    named = ", ".join(f"{name} ({count:,})" for name, count in list(counts.items())[:_NAMED])
    return f"{named} and {len(counts) - _NAMED:,} more" if len(counts) > _NAMED else named
