"""The mapping of an OPC-UA server: which nodes are which channels of which assets."""

from pathlib import Path
from typing import Annotated, Literal

import pandas as pd
from pydantic import Field

from data_contracts.configuration.places import read_toml
from data_contracts.configuration.values import WrongValueError, build, configuration
from features.setting_types import Duration, PositiveCount, PositiveDuration
from pipelines.live.bridging.bridge_settings import BrokerSection, Level, RowSettings, check_assets, check_channels
from pipelines.live.edge.edge_settings import SendingSettings, SpoolSettings

PASSWORD_VARIABLE = "FOREWARN_OPCUA_PASSWORD"  # noqa: S105 - the name of the variable


@configuration
class OpcuaServerSection:
    """The OPC-UA server."""

    endpoint: Annotated[str, Field(pattern=r"^opc\.tcp://.+")]
    """Its address, such as opc.tcp://press-7.plant:4840."""
    security: Literal["none", "Basic256Sha256", "Aes128Sha256RsaOaep", "Aes256Sha256RsaPss"] = "none"
    """The security policy."""
    mode: Literal["Sign", "SignAndEncrypt"] = "SignAndEncrypt"
    """What the policy is used for."""
    certificate: Path | None = None
    """The bridge's own certificate (PEM or DER), which the server has to trust; required by every policy."""
    key: Path | None = None
    """The key of that certificate."""
    server_certificate: Path | None = None
    """The server's certificate; without it whatever server answers at the address is trusted."""
    user: str | None = None
    """The user to log in as; anonymous by default."""
    password_file: Path | None = None
    """A file whose first line is the password; FOREWARN_OPCUA_PASSWORD wins."""
    publishing_interval: PositiveDuration = pd.Timedelta(milliseconds=500)
    """How often the server sends what it has sampled."""
    keep_for: PositiveDuration = pd.Timedelta(minutes=10)
    """How long the server is asked to keep the subscription while the connection is gone."""
    answer_within: PositiveDuration = pd.Timedelta(seconds=10)
    """How long the server may take to answer a request."""
    reconnect_within: PositiveDuration = pd.Timedelta(seconds=30)
    """The longest pause between two attempts to reach it."""

    def __post_init__(self) -> None:
        """Check that a policy has its certificate."""
        if self.security != "none" and (self.certificate is None or self.key is None):
            raise WrongValueError("security", f"{self.security!r} without certificate and key", "both files")


@configuration
class OpcuaMachines:
    """Machines whose nodes are named alike; an asset with scalars and arrays is in two groups."""

    assets: tuple[str, ...]
    """The assets, by their names in forewarn."""
    asset_type: Annotated[str, Field(min_length=1)]
    """Their type, which has a contract."""
    nodes: dict[str, str]
    """The node of each channel: a node id such as "ns=2;s={asset}/speed" or "nsu=urn:maker:plant;s={asset}/speed", or
    a path of browse names from the root, "/Objects/2:{plant}/2:{asset}/2:speed". {asset} and {plant} are replaced."""
    read: Literal["scalars", "arrays"] = "scalars"
    """Whether a node has one value, or the array of the values of a span of time."""
    sampling_interval: Duration = pd.Timedelta(milliseconds=10)
    """How often the server is to sample a scalar; of arrays, how far apart their values are."""
    queue_size: PositiveCount = 1_000
    """So many values of a node the server is to keep while nothing can be sent: 1,000 at 10 ms outlast 10 s."""
    times: Literal["first", "last"] = "first"
    """Which value of an array the source timestamp is of."""
    units: dict[str, str] = Field(default_factory=dict)
    """Units of channels as the contract has them; where the server says another one, the bridge does not start."""

    def __post_init__(self) -> None:
        """Check what has to fit."""
        check_channels(self.nodes, "nodes", self.units)
        if self.read == "arrays" and not self.sampling_interval:
            raise WrongValueError("sampling_interval", "is 0", "the time between the values of an array")


@configuration
class OpcuaMapping:
    """What a bridge reads from an OPC-UA server, and where it publishes that."""

    plant: Level
    """The plant, as a level of the topics."""
    server: OpcuaServerSection
    machines: tuple[OpcuaMachines, ...]
    """The machines."""
    spool: SpoolSettings
    broker: BrokerSection = Field(default_factory=BrokerSection)
    sending: SendingSettings = Field(default_factory=SendingSettings)
    rows: RowSettings = Field(default_factory=RowSettings)

    def __post_init__(self) -> None:
        """Check that each channel of an asset is there once."""
        if not self.machines:
            raise WrongValueError("machines", "is empty", "at least one [[machines]]")
        for group in self.machines:
            check_assets(group.assets, set(), "machines.assets")
        _ = self.channels, self.asset_types

    @property
    def channels(self) -> dict[str, tuple[str, ...]]:
        """The channels of each asset, of all its groups."""
        channels: dict[str, tuple[str, ...]] = {}
        for group in self.machines:
            for asset in group.assets:
                if again := sorted(set(channels.get(asset, ())) & group.nodes.keys()):
                    raise WrongValueError("machines.nodes", f"{asset} has {again[0]} twice", "each channel once")
                channels[asset] = (*channels.get(asset, ()), *group.nodes)
        return channels

    @property
    def asset_types(self) -> dict[str, str]:
        """The type of each asset."""
        types: dict[str, str] = {}
        for group in self.machines:
            for asset in group.assets:
                if types.setdefault(asset, group.asset_type) != group.asset_type:
                    raise WrongValueError("machines.asset_type", f"{asset} has two types", "one type an asset")
        return types


def read_opcua_mapping(path: Path) -> OpcuaMapping:
    """Read a mapping; `UsageError` names the place of the first mistake."""
    content, source = read_toml(path)
    return build(OpcuaMapping, content, source)
