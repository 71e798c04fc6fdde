"""The entries of a worklist on their way to SAP: as events of the outbox, which are delivered like alarms."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from data_contracts.errors import UsageError
from data_contracts.records.outbox.channel_homes import claim_channel
from data_contracts.records.outbox.outbox_records import OutboxEvent
from data_contracts.records.outbox.work_events import planned_work_event, write_events
from data_contracts.records.records import open_records
from data_contracts.twin_state.command_switch import commands_home
from data_contracts.workspace import Workspace

_EXPECTED = "the answer of POST /worklist, as JSON"
_TEXTS = ("asset", "prediction_id")
_TIMES = ("as_of", "begins", "latest")


@dataclass(frozen=True)
class PlannedWork:
    """What was written into the outbox of a worklist."""

    entries: int
    new: int  # that were not there before

    @property
    def sentence(self) -> str:
        """Return it in words."""
        return f"{self.entries:,} entries, {self.entries - self.new:,} of them sent before"


def write_planned_work(workspace: Workspace, file: Path, channels: tuple[str, ...], now: pd.Timestamp) -> PlannedWork:
    """Write an event for each entry of a worklist; the same entries again write none. The channels begin with them."""
    events = list(planned_work(file, now))
    records = open_records(workspace.records_url)
    for name in channels:
        claim_channel(records, name, commands_home(workspace), now)
    return PlannedWork(len(events), write_events(records, events) if events else 0)


def planned_work(file: Path, now: pd.Timestamp) -> Iterator[OutboxEvent]:
    """Read the entries of a worklist as events; `UsageError` with the place of what is wrong."""
    try:
        answer = json.loads(file.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"{file} cannot be read ({error})", _EXPECTED, "Name another file") from None
    lines = answer.get("lines") if isinstance(answer, dict) else None
    if not isinstance(lines, list):
        raise UsageError(f"{file} has no lines", _EXPECTED, "Name another file")
    for number, line in enumerate(lines):
        yield _event(answer, line, f"{file}: lines[{number}]", now)


def _event(answer: dict[str, Any], line: Any, place: str, now: pd.Timestamp) -> OutboxEvent:
    if not isinstance(line, dict):
        raise UsageError(f"{place} is {line!r}", "an object", "Fix it")
    for name in _TEXTS:
        if not isinstance(line.get(name), str) or not line[name]:
            raise UsageError(f"{place}.{name} is {line.get(name)!r}", "a text", "Fix it")
    probability = line.get("probability_without")
    if not isinstance(probability, int | float) or isinstance(probability, bool) or not 0 <= probability <= 1:
        raise UsageError(f"{place}.probability_without is {probability!r}", "a number from 0 to 1", "Fix it")
    times = {name: _time(line.get(name), f"{place}.{name}") for name in _TIMES}
    data = {
        **{name: line[name] for name in _TEXTS},
        **times,
        "model": str(answer.get("model_name", "")),
        "model_version": answer.get("model_version", ""),
        "probability": float(probability),
        "saves": line.get("saves"),
        "repair_hours": line.get("repair_hours"),
    }
    return planned_work_event(line["asset"], data, now)


def _time(value: Any, place: str) -> str:
    try:
        at = pd.Timestamp(value) if isinstance(value, str) else None
    except ValueError:
        at = None
    if at is None or at.tzinfo is None:
        raise UsageError(f"{place} is {value!r}", "a time with its zone, such as 2026-01-05T06:00:00Z", "Fix it")
    return at.tz_convert("UTC").isoformat()
