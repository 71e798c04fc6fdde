"""What a twin's description says, whatever standard it was written in."""

from dataclasses import asdict, dataclass
from typing import Any, Literal

from data_contracts.asset_graph.graph_nodes import Level

ChannelType = Literal["number", "integer"]
PropertyType = Literal["string", "number", "integer", "boolean", "time"]
Standard = Literal["dtdl", "mtconnect", "aas"]


@dataclass(frozen=True)
class TwinChannel:
    """A measured quantity of a machine or of one of its components."""

    name: str  # the column of telemetry
    type: ChannelType = "number"
    unit: str | None = None  # its symbol
    semantic_type: str | None = None  # as DTDL calls the quantity
    description: str = ""
    source: str = ""  # where the description has it
    component: str | None = None  # the component it is measured at; None if at the machine
    minimum: float | None = None
    maximum: float | None = None


@dataclass(frozen=True)
class TwinProperty:
    """What is said of a machine beside its telemetry."""

    name: str
    type: PropertyType = "string"
    description: str = ""
    source: str = ""
    writable: bool = False  # whether it may be commanded; unit and limits are read of such only
    unit: str | None = None
    minimum: float | None = None
    maximum: float | None = None


@dataclass(frozen=True)
class TwinType:
    """An asset type: machines with the same channels."""

    name: str
    description: str = ""
    channels: tuple[TwinChannel, ...] = ()  # sorted by name
    properties: tuple[TwinProperty, ...] = ()  # sorted by name


@dataclass(frozen=True)
class TwinAsset:
    """A plant, line, machine or component."""

    asset: str
    level: Level
    parent: str | None = None
    name: str | None = None  # what people call it; None if that is its identifier
    asset_type: str | None = None  # of a machine
    model: str | None = None
    source: str = ""  # its identifier in the description


@dataclass(frozen=True)
class Doubt:
    """What a description leaves open or says in a way that is not read."""

    about: str  # the channel, asset or file
    sentence: str

    def __str__(self) -> str:
        return f"{self.about}: {self.sentence}"


@dataclass(frozen=True)
class TwinDescription:
    """The asset types and assets of one or more files of one standard."""

    standard: Standard
    types: tuple[TwinType, ...] = ()  # sorted by name
    assets: tuple[TwinAsset, ...] = ()  # sorted by asset
    doubts: tuple[Doubt, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values."""
        return asdict(self)

    @property
    def content(self) -> tuple[tuple[TwinType, ...], tuple[TwinAsset, ...]]:
        """Return what is described, whatever it was described in."""
        return self.types, self.assets
