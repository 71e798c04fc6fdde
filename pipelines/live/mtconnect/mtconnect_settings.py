"""The mapping of an MTConnect agent: which data items are which channels of which assets."""

from pathlib import Path
from typing import Annotated

import pandas as pd
from pydantic import Field

from data_contracts.configuration.places import read_toml
from data_contracts.configuration.values import WrongValueError, build, configuration
from features.setting_types import PositiveCount, PositiveDuration
from pipelines.live.bridging.bridge_settings import BrokerSection, Level, RowSettings, check_assets, check_channels
from pipelines.live.edge.edge_settings import SendingSettings, SpoolSettings


@configuration
class AgentSection:
    """The MTConnect agent."""

    url: Annotated[str, Field(pattern=r"^https?://.+")]
    """Its address, such as http://agent.plant:5000."""
    poll: PositiveDuration = pd.Timedelta(milliseconds=500)
    """How often to ask for what is new; at once again while there is more than fits an answer."""
    count: PositiveCount = 10_000
    """So many observations to ask for at a time; no more than the agent's buffer has."""
    answer_within: PositiveDuration = pd.Timedelta(seconds=10)
    """How long it may take to answer."""
    reconnect_within: PositiveDuration = pd.Timedelta(seconds=30)
    """The longest pause between two attempts to reach it."""
    ca: Path | None = None
    """The certificates (PEM) that the agent's must be signed by; those of the system by default."""


@configuration
class MtconnectMachines:
    """Machines whose data items are named alike."""

    assets: tuple[str, ...]
    """The assets, by their names in forewarn."""
    asset_type: Annotated[str, Field(min_length=1)]
    """Their type, which has a contract."""
    data_items: dict[str, str]
    """The data item of each channel, by id or name; {asset} and {device} are replaced."""
    device: str = "{asset}"
    """The device of an asset, by name, uuid or id; {asset} is replaced."""
    units: dict[str, str] = Field(default_factory=dict)
    """Units of channels in MTConnect's words, such as MILLIMETER/SECOND; where the agent says another one, the bridge
    does not start."""

    def __post_init__(self) -> None:
        """Check what has to fit."""
        check_channels(self.data_items, "data_items", self.units)


@configuration
class MtconnectMapping:
    """What a bridge reads from an MTConnect agent, and where it publishes that."""

    plant: Level
    """The plant, as a level of the topics."""
    agent: AgentSection
    machines: tuple[MtconnectMachines, ...]
    """The machines."""
    spool: SpoolSettings
    broker: BrokerSection = Field(default_factory=BrokerSection)
    sending: SendingSettings = Field(default_factory=SendingSettings)
    rows: RowSettings = Field(default_factory=RowSettings)

    def __post_init__(self) -> None:
        """Check that each asset is there once."""
        taken: set[str] = set()
        if not self.machines:
            raise WrongValueError("machines", "is empty", "at least one [[machines]]")
        for group in self.machines:
            check_assets(group.assets, taken, "machines.assets")


def read_mtconnect_mapping(path: Path) -> MtconnectMapping:
    """Read a mapping; `UsageError` names the place of the first mistake."""
    content, source = read_toml(path)
    return build(MtconnectMapping, content, source)
