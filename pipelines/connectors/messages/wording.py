"""The words of a message: a template for each language, or the plant's own."""

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from jinja2 import FileSystemLoader, StrictUndefined, Template, TemplateError, TemplateSyntaxError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from data_contracts.errors import UsageError
from data_contracts.records.outbox.event_kinds import ALARM_OPENED
from data_contracts.records.outbox.outbox_records import OutboxEvent
from pipelines.connectors.channel_settings import MessageSection, read_lines
from pipelines.connectors.links import machine_link

_TEXTS = Path(__file__).parent / "texts"
_FORMATS = {"en": "%Y-%m-%d %H:%M", "de": "%d.%m.%Y %H:%M"}
_MOST_NAMED = 50
_LONGEST_TITLE = 200
_EXAMPLE: dict[str, Any] = {
    "asset": "m1",
    "model": "m",
    "model_version": 1,
    "prediction_id": "p",
    "as_of": "2026-01-01T00:00:00+00:00",
    "began": "2026-01-01T00:00:00+00:00",
    "claim_ends": "2026-01-02T00:00:00+00:00",
    "lead_hours": 0.0,
    "horizon_hours": 24.0,
    "probability": 0.5,
    "remaining_life_hours": None,
    "threshold": 0.5,
}


@dataclass(frozen=True)
class Message:
    """What is sent, as plain text."""

    title: str
    body: str


@dataclass(frozen=True)
class Wording:
    """How events are put into words."""

    template: Template
    source: str  # where the template is from
    endpoint: str  # whose pages are linked to; "" for none

    def write(self, events: Sequence[OutboxEvent]) -> Message:
        """Write the message of some events; `UsageError` if the template cannot."""
        named = [self._named(event) for event in events[:_MOST_NAMED]]
        alarms = sum(event.kind == ALARM_OPENED for event in events)
        try:
            text = self.template.render(events=named, count=len(events), alarms=alarms, more=len(events) - len(named))
        except TemplateError as error:
            raise _wrong_template(self.source, error) from error
        except (ArithmeticError, LookupError, TypeError, ValueError) as error:  # what its expressions may raise
            raise _wrong_template(self.source, error) from error
        title, _, body = text.strip().partition("\n")
        title = " ".join(title.split())[:_LONGEST_TITLE]
        return Message(title, body.strip() or title)

    def _named(self, event: OutboxEvent) -> dict[str, Any]:
        asset = event.data.get("asset")
        link = machine_link(self.endpoint, asset) if asset else ""
        return {"kind": event.kind, "subject": event.subject, "at": event.at, "data": event.data, "link": link}


def open_wording(section: MessageSection, root: Path, endpoint: str) -> Wording:
    """Read the template; `UsageError` if there is none, or it cannot put an alarm into words."""
    # Not escaped: what is written is plain text, and said to be.
    environment = ImmutableSandboxedEnvironment(
        loader=FileSystemLoader(_TEXTS), undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= _filters(section)
    file = section.template
    source = str(_TEXTS / f"{section.language}.j2" if file is None else root / file)
    text = "\n".join(read_lines(Path(source), root))
    try:
        wording = Wording(environment.from_string(text), source, endpoint)
    except TemplateSyntaxError as error:
        raise _wrong_template(f"{source}, line {error.lineno}", error) from error
    wording.write([OutboxEvent("", ALARM_OPENED, "m1", pd.Timestamp(0, tz="UTC"), _EXAMPLE)])
    return wording


def _filters(section: MessageSection) -> dict[str, Callable[[Any], str]]:
    is_german = section.language == "de"

    def number(value: float, digits: int = 0) -> str:
        text = f"{value:,.{digits}f}"
        return text.translate(str.maketrans(",.", ".,")) if is_german else text

    def percent(value: float) -> str:
        return number(100 * value) + ("\u00a0%" if is_german else "%")

    def time(value: str | dt.datetime) -> str:
        return pd.Timestamp(value).tz_convert(section.time_zone).strftime(_FORMATS[section.language])

    return {"number": number, "percent": percent, "time": time}


def _wrong_template(source: str, error: Exception) -> UsageError:
    return UsageError(
        f"the template {source} cannot be used ({type(error).__name__}: {error})",
        "a Jinja2 template of the values that docs/how-to/connect.md names",
        "Fix it",
    )
