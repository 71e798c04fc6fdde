"""States of twins.

Generated from the OpenAPI document by `make reference`.
"""

from typing import Literal, NotRequired, TypedDict


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
    next: str | None
    """Send as `after` for those that follow; null at the end."""


class TwinValueAnswer(TypedDict):
    """A value of a property, and where it comes from."""

    value: float | int | bool | str
    source: str
    """manual_override, physical, simulation or command."""
    event_time: str
    """Since when it holds, or when it was measured."""
    cycle: NotRequired[float]
    """The cycle that the event time of telemetry stands for."""
    known_time: str
    """When it became known."""
    revision: int | None
    """The revision that wrote it; null for telemetry."""
    actor: str | None
    """Who wrote it."""
    reason: str | None
    expires_at: str | None
    """When it ends by itself."""


class TwinPropertyAnswer(TypedDict):
    """A property: the value that counts, and those that it covers."""

    unit: str | None
    current: TwinValueAnswer | None
    """Null if nothing is known."""
    covered: list[TwinValueAnswer]
    """What sources that count less say."""


class TwinCommandAnswer(TypedDict):
    """The last command to the machine about a property, and what became of it."""

    command_id: str
    """The same whenever it is sent again."""
    number: int
    """Of the entry in the log that it carries out."""
    property: str
    kind: str
    """override, release or set_point."""
    value: float | int | bool | str | None
    """Null for a release."""
    unit: str | None
    state: str
    """pending, sent, acknowledged, refused, expired or withdrawn."""
    attempts: int
    """How often it was sent."""
    issued_at: str
    expires_at: str
    """It is not sent from then on."""
    sent_at: str | None
    """The last time."""
    answered_at: str | None
    answer: str | None
    """The machine's words."""


class TwinAnswer(TypedDict):
    """The state of a twin."""

    asset: str
    asset_type: str
    plant: str | None
    line: str | None
    clock: NotRequired[Literal["cycle"]]
    """Given where times of telemetry count cycles."""
    as_of: str
    """Nothing known later was used."""
    revision: int
    """Counts accepted changes; readings do not move it. The ETag."""
    properties: dict[str, TwinPropertyAnswer]
    looked_back_to: str | None
    """Some property has no reading since then, and older ones were not looked for."""
    commands: list[TwinCommandAnswer]
    """The last one about each property; none with as_of."""


class TwinEntryAnswer(TypedDict):
    """One property's part of a transition in a twin's log."""

    number: int
    """Its place in the log, from 1; 0 if it is not stored."""
    revision: int
    """Of the state with it; a rejected one leaves it as it was."""
    property: str
    kind: str
    """override, release, simulated, roll_back, set_point; acknowledged or refused by the machine."""
    source: str
    """manual_override, physical, simulation or command."""
    value: float | int | bool | str | None
    """Null where an override ends."""
    event_time: str
    known_time: str
    expires_at: str | None
    actor: str
    reason: str | None
    restores: int | None
    """The revision that a roll-back goes back to."""
    rejection: str | None
    """Why it was rejected; null if it was accepted."""
    epoch: NotRequired[int | None]
    sequence: NotRequired[int | None]


class TwinChangeAnswer(TypedDict):
    """An accepted transition."""

    asset: str
    revision: int
    """Of the state with it; the new ETag."""
    stored: bool
    """False if the same message had been stored before."""
    entries: list[TwinEntryAnswer]
    notes: list[str]
    """What else there is to know, in words."""


class TwinLogAnswer(TypedDict):
    """A twin's log, the newest first."""

    asset: str
    entries: list[TwinEntryAnswer]
    next: int | None
    """Send as `before` for older ones; null at the end."""
