"""What the commands about twins show."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from data_contracts.records.twin_records import TwinCommand, TwinEntry
from data_contracts.twin_state.state_types import OVERRIDE, PropertyState, PropertyValue, TwinState
from data_contracts.twin_state.transitions import Written
from data_contracts.twin_state.twins import ListedTwin
from features.clock import clock_of
from pipelines.terminal.tables import column_table, records_table

if TYPE_CHECKING:
    import pandas as pd
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    from models.cold_start.asset_start import AssetStart


@dataclass(frozen=True)
class TwinList:
    """The twins of a workspace."""

    twins: Sequence[ListedTwin]

    def to_dict(self) -> dict[str, Any]:
        """Return each with its place and revision."""
        return {"twins": [self._row(each) for each in self.twins]}

    def __rich__(self) -> "Table | Text":
        """Render one row per twin."""
        from rich.text import Text

        if not self.twins:
            return Text("There are no assets. Import their records or telemetry first.")
        return records_table([self._row(each) for each in self.twins])

    def _row(self, each: ListedTwin) -> dict[str, Any]:
        twin = each.twin
        place = {"asset_type": twin.asset_type, "plant": twin.plant, "line": twin.line}
        return {"asset": twin.asset, **place, "revision": each.revision}


@dataclass(frozen=True)
class ShownTwin:
    """The state of one twin."""

    state: TwinState
    answered: Sequence["AssetStart"] = ()  # how each model of its type answers for it

    def to_dict(self) -> dict[str, Any]:
        """Return the state as the endpoint does, and how models answer for the asset."""
        state, twin = self.state, self.state.twin
        return {
            "asset": twin.asset,
            "asset_type": twin.asset_type,
            "plant": twin.plant,
            "line": twin.line,
            **({"clock": "cycle"} if twin.counts_cycles else {}),
            "as_of": state.as_of,
            "revision": state.revision,
            "properties": {name: self._property(name, own) for name, own in state.properties.items()},
            "looked_back_to": state.looked_back_to,
            "commands": [vars(command) for command in state.commands],
            "answered": [each.to_dict() for each in self.answered],
        }

    def __rich__(self) -> "Group":
        """Render one row per property."""
        from rich.console import Group
        from rich.text import Text

        state = self.state
        head = f"{state.twin.asset} ({state.twin.asset_type}) at {_time(state.as_of)} UTC, revision {state.revision}"
        table = column_table("property", "value", "source", "since", "until", "covers")
        for name, own in state.properties.items():
            covered = "; ".join(f"{each.source} {_number(each.value)}" for each in own.covered)
            if own.current is None:
                table.add_row(name, "-", "", "", "", covered)
                continue
            value = f"{_number(own.current.value)} {self._unit(name) or ''}".strip()
            until = "" if own.current.expires_at is None else _time(own.current.expires_at)
            table.add_row(name, value, own.current.source, self._since(own.current), until, covered)
        notes = [
            f"{name} is overridden by {own.current.actor}, revision {own.current.revision}: {own.current.reason}"
            for name, own in state.properties.items()
            if own.current is not None and own.current.revision is not None and own.current.source == OVERRIDE
        ]
        if state.looked_back_to is not None:
            since = clock_of(state.twin.contract).moment(state.looked_back_to, seconds=True)
            notes.append(f"What has no value had no reading since {since}")
        if state.twin.contract is None:
            notes.append(f"No contract says what the properties of a {state.twin.asset_type or 'nameless type'} are")
        notes += map(_command_words, state.commands)
        notes += [f"Answered by: {each.words}" for each in self.answered]
        return Group(Text(head, style="bold"), table, *map(Text, notes))

    def _property(self, name: str, own: PropertyState) -> dict[str, Any]:
        current = None if own.current is None else self._value(own.current)
        return {"unit": self._unit(name), "current": current, "covered": [self._value(each) for each in own.covered]}

    def _value(self, value: PropertyValue) -> dict[str, Any]:
        clock = clock_of(self.state.twin.contract)
        cycle = clock.number(value.event_time) if value.revision is None else None
        return vars(value) if cycle is None else {**vars(value), "cycle": cycle}

    def _since(self, value: PropertyValue) -> str:
        clock = clock_of(self.state.twin.contract)
        return _time(value.event_time) if value.revision is not None else clock.instant(value.event_time, seconds=True)

    def _unit(self, name: str) -> str | None:
        contract = self.state.twin.contract
        column = None if contract is None else contract.column(name)
        return None if column is None else column.unit


@dataclass(frozen=True)
class TwinLog:
    """The log of one twin, the newest first."""

    asset: str
    entries: Sequence[TwinEntry]

    def to_dict(self) -> dict[str, Any]:
        """Return each entry."""
        return {"asset": self.asset, "entries": [vars(entry) for entry in self.entries]}

    def __rich__(self) -> "Group | Text":
        """Render some lines per entry."""
        from rich.console import Group
        from rich.text import Text

        if not self.entries:
            return Text(f"Nobody has written anything about {self.asset}.")
        return Group(*(Text("\n".join(self._lines(entry))) for entry in self.entries))

    def _lines(self, entry: TwinEntry) -> Iterator[str]:
        revision = "rejected" if entry.rejection is not None else f"revision {entry.revision}"
        yield f"{revision}, {_time(entry.known_time)} UTC, by {entry.actor}: {entry_words(entry)}"
        if entry.rejection is not None:
            yield f"  broke a rule: {entry.rejection}"
        if entry.reason is not None:
            yield f"  reason: {entry.reason}"


@dataclass(frozen=True)
class TwinChanged:
    """What became of a change, or would."""

    written: Written
    before: Mapping[str, PropertyState]
    dry_run: bool

    @property
    def exit_status(self) -> int:
        """1 if it was rejected."""
        return 0 if self.written.accepted else 1

    def to_dict(self) -> dict[str, Any]:
        """Return what was and what is, property by property."""
        written = self.written
        return {
            "asset": written.asset,
            "accepted": written.accepted,
            "dry_run": self.dry_run,
            "revision": written.revision,
            "changes": [
                {
                    "property": entry.property,
                    "before": _plain(self._before(entry).current),
                    "after": _plain(self._after(entry)),
                    "rejection": entry.rejection,
                    "kind": entry.kind,
                }
                for entry in written.entries
            ],
            "notes": list(written.notes),
        }

    def __rich__(self) -> "Group":
        """Render a line for each property, and what that means."""
        from rich.console import Group
        from rich.text import Text

        written, table = self.written, column_table("property", "before", "after", "until", "")
        for entry in written.entries:
            after = self._after(entry)
            until = "" if after is None or after.expires_at is None else _time(after.expires_at)
            rejection = "" if entry.rejection is None else f"rejected: {entry.rejection}"
            table.add_row(entry.property, _words(self._before(entry).current), _words(after), until, rejection)
        return Group(*([table] if written.entries else []), Text(self._sentence()), *map(Text, written.notes))

    def _sentence(self) -> str:
        written, would = self.written, "would be" if self.dry_run else "is"
        if not written.entries:
            return f"Nothing changes: {written.asset} is at revision {written.revision}"
        if not written.accepted:
            kept = "" if self.dry_run else f"; `forewarn twins log {written.asset} --rejected` lists the attempt"
            return f"Rejected: {written.asset} stays at revision {written.revision}{kept}"
        ending = ". Nothing was stored" if self.dry_run else ""
        return f"{written.asset} {would} at revision {written.revision}{ending}"

    def _before(self, entry: TwinEntry) -> PropertyState:
        return self.before.get(entry.property, PropertyState(None))

    def _after(self, entry: TwinEntry) -> PropertyValue | None:
        own = self._before(entry)
        if entry.rejection is not None:
            return own.current
        if entry.value is not None:
            return PropertyValue.of_entry(entry)
        is_override = own.current is not None and own.current.revision is not None
        return (own.covered[0] if own.covered else None) if is_override else own.current


def entry_words(entry: TwinEntry) -> str:
    """Say what an entry is about."""
    words = {
        "roll_back": f"roll-back to revision {entry.restores}: ",
        "simulated": "simulated: ",
        "set_point": "commanded: ",
        "acknowledged": f"acknowledges entry {entry.sequence}: ",
        "refused": f"refuses entry {entry.sequence}: ",
    }
    what = words.get(entry.kind, "")
    if entry.value is None:
        return f"{what}{entry.property} released"
    until = "" if entry.expires_at is None else f" until {_time(entry.expires_at)}"
    return f"{what}{entry.property} = {_number(entry.value)}{until}"


def _command_words(command: TwinCommand) -> str:
    """Say what was commanded about a property, and what became of it."""
    value = "its end" if command.kind == "release" else f"{_number(command.value)} {command.unit or ''}".strip()
    said = "" if command.answer is None else f" ({command.answer})"
    when = {
        "pending": f"not sent yet, until {_time(command.expires_at)}",
        "sent": f"sent {_times(command.attempts)}, not answered yet",
        "acknowledged": f"acknowledged{said}",
        "refused": f"refused{said}",
        "expired": f"expired after it was sent {_times(command.attempts)}" if command.attempts else "expired unsent",
        "withdrawn": "withdrawn",
    }[command.state]
    kind = command.kind.replace("_", "-")
    return f"{command.property}: {kind} {value}, command {command.command_id[:8]}: {when}"


def _times(number: int) -> str:
    return "once" if number == 1 else f"{number} times"


def _plain(value: PropertyValue | None) -> dict[str, Any] | None:
    return None if value is None else vars(value)


def _words(value: PropertyValue | None) -> str:
    return "-" if value is None else f"{_number(value.value)} ({value.source})"


def _number(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _time(time: "pd.Timestamp") -> str:
    return f"{time.tz_convert('UTC'):%Y-%m-%d %H:%M:%S}"
