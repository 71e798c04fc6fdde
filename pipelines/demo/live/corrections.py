"""Somebody corrects what a sensor says, for a while, and once by too much."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pandas as pd

from data_contracts.records.records import open_records
from data_contracts.tables.history import read_history
from data_contracts.twin_state.commands import latest_commands
from data_contracts.twin_state.state_types import OVERRIDE
from data_contracts.twin_state.transitions import Change, Written, write
from data_contracts.twin_state.twins import find_twin, state_of
from data_contracts.workspace import Workspace

PROPERTY, VALUE, TOO_MUCH, UNIT = "bearing_temperature", 45.0, 190.0, "degC"
REASON = "its sensor is being calibrated"


@dataclass(frozen=True)
class Corrected:
    """An override, and an attempt at another that broke a rule."""

    override: Written
    rejected: Written


@dataclass(frozen=True)
class CorrectionEffect:
    """What became of an override and of the rejected attempt."""

    asset: str
    begins: pd.Timestamp
    ends: pd.Timestamp
    readings: int  # whose value it replaces
    command: str | None  # the state of the command to the machine
    source: str | None  # of the value that counts at the end
    rejection: str

    def rows(self) -> list[tuple[str, str]]:
        """Return lines of the summary."""
        length = (self.ends - self.begins).total_seconds()
        held = f"{self.asset} {PROPERTY} = {VALUE:g} {UNIT} for {length:g} s, in place of {self.readings:,} readings"
        over = "over, the sensor counts again" if self.source != OVERRIDE else "still in force"
        return [
            ("override", held),
            ("", f"{over}; the command to the machine: {self.command}"),
            ("rejected", f"{PROPERTY} = {TOO_MUCH:g} {UNIT}: {self.rejection}"),
        ]

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values."""
        about = {"asset": self.asset, "property": PROPERTY}
        times = {"begins": self.begins.isoformat(), "ends": self.ends.isoformat(), "reason": REASON}
        effect = {"readings": self.readings, "command": self.command, "source_at_end": self.source}
        return {
            "override": {**about, "value": VALUE, **times, **effect},
            "rejected": {**about, "value": TOO_MUCH, "rejection": self.rejection},
        }


def correct(
    workspace: Workspace, asset: str, begins: pd.Timestamp, lasts: pd.Timedelta, say: Callable[[str], None]
) -> Corrected:
    """Override a channel from `begins` on, then attempt what no temperature does: another value at the same instant."""
    records, twin = open_records(workspace.records_url), find_twin(workspace, asset)

    def attempt(value: float) -> Written:
        change, now = Change(PROPERTY, value, begins + lasts, begins), pd.Timestamp.now("UTC").as_unit("us")
        return write(records, twin, [change], actor="the shift leader", reason=REASON, now=now)

    override = attempt(VALUE)
    say(f"override: {asset} {PROPERTY} = {VALUE:g} {UNIT} for {lasts.total_seconds():g} s, {REASON}")
    rejected = attempt(TOO_MUCH)
    say(f"rejected: {asset} {PROPERTY} = {TOO_MUCH:g} {UNIT}, {rejected.rejections[PROPERTY]}")
    return Corrected(override, rejected)


def effect_of(workspace: Workspace, corrected: Corrected, began: pd.Timestamp) -> CorrectionEffect:
    """Look up what became of the corrections."""
    (entry,), now = corrected.override.entries, pd.Timestamp.now("UTC").as_unit("us")
    records, twin = open_records(workspace.records_url), find_twin(workspace, entry.asset)
    history = read_history(workspace, twin.asset_type, assets=[entry.asset], start=began - pd.Timedelta(1, "us"))
    commands = {each.property: each.state for each in latest_commands(records, entry.asset, now)}
    current = state_of(workspace, records, twin, now=now).properties[PROPERTY].current
    return CorrectionEffect(
        asset=entry.asset,
        begins=entry.event_time,
        ends=entry.event_time if entry.expires_at is None else entry.expires_at,
        readings=int((history.telemetry["source"] == OVERRIDE).sum()),
        command=commands.get(PROPERTY),
        source=None if current is None else current.source,
        rejection=str(corrected.rejected.rejections[PROPERTY]),
    )
