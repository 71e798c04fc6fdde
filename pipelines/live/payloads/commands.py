"""Commands to machines and their answers, as JSON."""

from dataclasses import dataclass
from typing import Any

import pandas as pd

from data_contracts.records.twin_records import TwinCommand, Value
from pipelines.live.payloads.json_values import count_of, json_bytes, json_object, refused, shown, text_of, time_of

_LONGEST_REASON = 2_000
_LONGEST_ID = 255


@dataclass(frozen=True)
class ReceivedCommand:
    """A command as a machine reads it."""

    command_id: str
    kind: str  # "override", "release" or "set_point"
    property: str
    value: Value | None
    number: int  # grows with each command of the machine
    expires_at: int  # microseconds since 1970


@dataclass(frozen=True)
class CommandAnswer:
    """A machine's answer to a command."""

    command_id: str
    accepted: bool
    reason: str | None = None


def encode_command(command: TwinCommand) -> bytes:
    """Return a command as bytes; its asset is in the topic."""
    times = {name: _us(getattr(command, name)) for name in ("event_time", "issued_at", "expires_at")}
    fields: dict[str, Any] = {"id": command.command_id, "command": command.kind}
    named = ("property", "value", "unit", "number", "revision")
    return json_bytes(fields | {name: getattr(command, name) for name in named} | times)


def decode_command(payload: bytes) -> ReceivedCommand:
    """Read a command; PayloadError if it is none."""
    fields = json_object(payload)
    value = fields.get("value")
    if value is not None and not isinstance(value, str | bool | int | float):
        raise refused("invalid value", "value", shown(value), "a number, a text, true, false or null")
    return ReceivedCommand(
        command_id=text_of(fields, "id"),
        kind=text_of(fields, "command"),
        property=text_of(fields, "property"),
        value=value,
        number=count_of(fields, "number"),
        expires_at=time_of(fields, "expires_at"),
    )


def encode_answer(answer: CommandAnswer) -> bytes:
    """Return an answer as bytes; its asset is in the topic."""
    return json_bytes({"id": answer.command_id, "accepted": answer.accepted, "reason": answer.reason})


def decode_answer(payload: bytes, correlation: bytes | None = None) -> CommandAnswer:
    """Read an answer; PayloadError if it is none. The command may be named by MQTT's correlation data instead."""
    fields = json_object(payload)
    named = None if correlation is None else correlation.decode("utf-8", "replace")
    command_id = text_of(fields, "id") if "id" in fields or named is None else named
    if named not in (None, command_id):
        raise refused("invalid value", "id", shown(command_id), f"the correlation data, {shown(named)}")
    accepted, reason = fields.get("accepted"), fields.get("reason")
    if not isinstance(accepted, bool):
        raise refused(
            "invalid value", "accepted", shown(accepted) if "accepted" in fields else "nothing", "true, false"
        )
    if reason is not None and not isinstance(reason, str):
        raise refused("invalid value", "reason", shown(reason), "a text or null")
    # A database takes no NUL in a text.
    words = None if reason is None else reason.replace("\x00", " ")[:_LONGEST_REASON]
    return CommandAnswer(command_id.replace("\x00", " ")[:_LONGEST_ID], accepted, words)


def _us(time: pd.Timestamp) -> int:
    return int(time.as_unit("us").asm8.view("i8"))
