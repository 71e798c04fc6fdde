"""What a twin's state consists of: readings of telemetry, and the property values that a fold makes of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import pandas as pd

from data_contracts.contract.contract_types import Column, Contract
from data_contracts.records.twin_records import TwinCommand, TwinEntry, Value

OVERRIDE: Final = "manual_override"
PHYSICAL: Final = "physical"
SIMULATION: Final = "simulation"
COMMAND: Final = "command"
"""The source of set-points and of machines' answers, which say what was asked for and not what is."""
SET, RELEASE, SIMULATED, ROLL_BACK = "override", "release", "simulated", "roll_back"
SET_POINT, ACKNOWLEDGED, REFUSED = "set_point", "acknowledged", "refused"
KINDS = (SET, RELEASE, SIMULATED, ROLL_BACK, SET_POINT, ACKNOWLEDGED, REFUSED)
"""An override, its end before it expires, a simulated value, a change that a roll-back makes; a commanded set-point,
and a machine's answer to a command."""


@dataclass(frozen=True)
class Reading:
    """A property's latest value in telemetry, of one kind of source."""

    name: str  # of the property
    value: Value
    source: str
    event_time: pd.Timestamp
    known_time: pd.Timestamp

    @property
    def simulated(self) -> bool:
        """Return whether a model computed it; else a sensor said it, or a person corrected what a sensor said."""
        return self.source == SIMULATION


@dataclass(frozen=True)
class PropertyValue:
    """A value of a property, with where it comes from."""

    value: Value
    source: str
    event_time: pd.Timestamp
    known_time: pd.Timestamp
    revision: int | None = None  # that wrote it; None for readings
    actor: str | None = None
    reason: str | None = None
    expires_at: pd.Timestamp | None = None

    @classmethod
    def of_entry(cls, entry: TwinEntry) -> "PropertyValue":
        """Return what an entry with a value wrote."""
        if entry.value is None:
            raise ValueError(f"entry {entry.number} of {entry.asset} has no value")
        return cls(
            entry.value,
            entry.source,
            entry.event_time,
            entry.known_time,
            entry.revision,
            entry.actor,
            entry.reason,
            entry.expires_at,
        )

    @classmethod
    def of_reading(cls, reading: Reading) -> "PropertyValue":
        """Return what telemetry says."""
        return cls(reading.value, reading.source, reading.event_time, reading.known_time)


@dataclass(frozen=True)
class PropertyState:
    """A property at a time: the value that counts, and those of lesser sources that it covers."""

    current: PropertyValue | None  # None if nothing is known
    covered: tuple[PropertyValue, ...] = ()  # by their sources' order


@dataclass(frozen=True)
class Twin:
    """An asset that has a state: what its records and its contract say about it."""

    asset: str
    asset_type: str
    plant: str | None
    line: str | None
    contract: Contract | None  # None if nothing says what its properties are

    @property
    def telemetry(self) -> str:
        """Return the name of the table of its telemetry."""
        return f"telemetry/{self.asset_type}"

    @property
    def counts_cycles(self) -> bool:
        """Return whether the times of its telemetry stand for cycles, from its own beginning."""
        return self.contract is not None and self.contract.clock == "cycle"

    def settable(self, name: str) -> Column | None:
        """Return the rules for a property that may be commanded; None for any other."""
        columns = () if self.contract is None else self.contract.settable
        return next((column for column in columns if column.name == name), None)


@dataclass(frozen=True)
class TwinState:
    """The state of one asset at a time."""

    twin: Twin
    as_of: pd.Timestamp
    revision: int  # counts the accepted writes; readings do not move it
    properties: Mapping[str, PropertyState] = field(default_factory=dict)  # in the contract's order
    looked_back_to: pd.Timestamp | None = None  # where the search for older readings ended; None if all were read
    commands: Sequence[TwinCommand] = ()  # the last of each property; none for an earlier time
