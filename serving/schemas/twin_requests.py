"""Requests that change a twin's state: overrides, simulated values, roll-backs."""

from typing import Annotated

from pydantic import Field

from serving.schemas.choices import WrittenSource
from serving.schemas.request_bodies import Instant, Name, RequestBody

_MOST_PROPERTIES = 1_000
_LARGEST = 2**63 - 1

Number = Annotated[int, Field(ge=-_LARGEST, le=_LARGEST)] | Annotated[float, Field(allow_inf_nan=False)]
Words = Annotated[str, Field(max_length=2_000, pattern="^[^\\x00]*$")]


class PropertyChange(RequestBody):
    """What one property is to be."""

    value: bool | Number | Words | None = Field(description="The value; null ends an override.")
    expires_at: Instant | None = Field(default=None, description="When it ends; that of the request by default.")
    event_time: Instant | None = Field(default=None, description="From when on it holds; now by default.")


class MessageNumber(RequestBody):
    """Where a program is in what it sends, so that the same message is stored once."""

    epoch: Annotated[int, Field(ge=0, le=_LARGEST)] = Field(description="Its session: another one at each start.")
    sequence: Annotated[int, Field(ge=0, le=_LARGEST)] = Field(description="The message's number in the session.")


class TwinChangeRequest(RequestBody):
    """Change properties of a twin: all of them, or, if one breaks a rule, none."""

    properties: Annotated[dict[Name, PropertyChange], Field(min_length=1, max_length=_MOST_PROPERTIES)]
    reason: Words | None = Field(
        default=None, description="Why; needed unless it is simulated.", examples=["sensor hangs"]
    )
    expires_at: Instant | None = Field(
        default=None, description="When overrides end, at most a year on; until when a command may be sent."
    )
    source: WrittenSource = Field(
        default="manual_override", description="command has the machine set properties that are writable."
    )
    message: MessageNumber | None = None


class RollBackRequest(RequestBody):
    """Make the overrides of a twin what they were at a revision."""

    revision: Annotated[int, Field(ge=0, le=2**31 - 1)] = Field(description="The revision to go back to.")
    reason: Words | None = Field(default=None, description="Why; needed.", examples=["the wrong machine"])
