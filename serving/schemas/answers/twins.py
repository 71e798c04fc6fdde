"""Answers about twins: their states, their logs, and what became of a change."""

from typing import Annotated, Literal, NotRequired

from pydantic import Field
from typing_extensions import TypedDict  # pydantic reads those of `typing` only from Python 3.12 on

from serving.schemas.answers.times import Time

_TIME = ["2026-01-05T06:00:00Z"]
Value = float | int | bool | str
Source = Annotated[str, Field(examples=["physical"], description="manual_override, physical, simulation or command.")]


class TwinValueAnswer(TypedDict):
    """A value of a property, and where it comes from."""

    value: Value
    source: Source
    event_time: Annotated[Time, Field(description="Since when it holds, or when it was measured.", examples=_TIME)]
    cycle: NotRequired[Annotated[float, Field(description="The cycle that the event time of telemetry stands for.")]]
    known_time: Annotated[Time, Field(description="When it became known.", examples=_TIME)]
    revision: Annotated[int | None, Field(description="The revision that wrote it; null for telemetry.")]
    actor: Annotated[str | None, Field(description="Who wrote it.", examples=["maintenance-scheduler"])]
    reason: Annotated[str | None, Field(examples=["the sensor hangs"])]
    expires_at: Annotated[Time | None, Field(description="When it ends by itself.", examples=_TIME)]


class TwinPropertyAnswer(TypedDict):
    """A property: the value that counts, and those that it covers."""

    unit: Annotated[str | None, Field(examples=["degC"])]
    current: Annotated[TwinValueAnswer | None, Field(description="Null if nothing is known.")]
    covered: Annotated[list[TwinValueAnswer], Field(description="What sources that count less say.")]


class TwinCommandAnswer(TypedDict):
    """The last command to the machine about a property, and what became of it."""

    command_id: Annotated[str, Field(description="The same whenever it is sent again.")]
    number: Annotated[int, Field(description="Of the entry in the log that it carries out.")]
    property: str
    kind: Annotated[str, Field(description="override, release or set_point.", examples=["set_point"])]
    value: Annotated[Value | None, Field(description="Null for a release.")]
    unit: str | None
    state: Annotated[
        str,
        Field(description="pending, sent, acknowledged, refused, expired or withdrawn.", examples=["acknowledged"]),
    ]
    attempts: Annotated[int, Field(description="How often it was sent.")]
    issued_at: Annotated[Time, Field(examples=_TIME)]
    expires_at: Annotated[Time, Field(description="It is not sent from then on.", examples=_TIME)]
    sent_at: Annotated[Time | None, Field(description="The last time.", examples=_TIME)]
    answered_at: Annotated[Time | None, Field(examples=_TIME)]
    answer: Annotated[str | None, Field(description="The machine's words.", examples=["the door is open"])]


class TwinAnswer(TypedDict):
    """The state of a twin."""

    asset: str
    asset_type: str
    plant: str | None
    line: str | None
    clock: NotRequired[Annotated[Literal["cycle"], Field(description="Given where times of telemetry count cycles.")]]
    as_of: Annotated[Time, Field(description="Nothing known later was used.", examples=_TIME)]
    revision: Annotated[int, Field(description="Counts accepted changes; readings do not move it. The ETag.")]
    properties: dict[str, TwinPropertyAnswer]
    looked_back_to: Annotated[
        Time | None, Field(description="Some property has no reading since then, and older ones were not looked for.")
    ]
    commands: Annotated[
        list[TwinCommandAnswer], Field(description="The last one about each property; none with as_of.")
    ]


class ListedTwinAnswer(TypedDict):
    """A twin in a list."""

    asset: str
    asset_type: str
    plant: str | None
    line: str | None
    revision: int


class TwinsAnswer(TypedDict):
    """Some twins, by name."""

    twins: list[ListedTwinAnswer]
    next: Annotated[str | None, Field(description="Send as `after` for those that follow; null at the end.")]


class TwinEntryAnswer(TypedDict):
    """One property's part of a transition in a twin's log."""

    number: Annotated[int, Field(description="Its place in the log, from 1; 0 if it is not stored.")]
    revision: Annotated[int, Field(description="Of the state with it; a rejected one leaves it as it was.")]
    property: str
    kind: Annotated[
        str,
        Field(
            description="override, release, simulated, roll_back, set_point; acknowledged or refused by the machine.",
            examples=["override"],
        ),
    ]
    source: Source
    value: Annotated[Value | None, Field(description="Null where an override ends.")]
    event_time: Annotated[Time, Field(examples=_TIME)]
    known_time: Annotated[Time, Field(examples=_TIME)]
    expires_at: Annotated[Time | None, Field(examples=_TIME)]
    actor: str
    reason: str | None
    restores: Annotated[int | None, Field(description="The revision that a roll-back goes back to.")]
    rejection: Annotated[str | None, Field(description="Why it was rejected; null if it was accepted.")]
    epoch: NotRequired[int | None]
    sequence: NotRequired[int | None]


class TwinLogAnswer(TypedDict):
    """A twin's log, the newest first."""

    asset: str
    entries: list[TwinEntryAnswer]
    next: Annotated[int | None, Field(description="Send as `before` for older ones; null at the end.")]


class TwinChangeAnswer(TypedDict):
    """An accepted transition."""

    asset: str
    revision: Annotated[int, Field(description="Of the state with it; the new ETag.")]
    stored: Annotated[bool, Field(description="False if the same message had been stored before.")]
    entries: list[TwinEntryAnswer]
    notes: Annotated[list[str], Field(description="What else there is to know, in words.")]
