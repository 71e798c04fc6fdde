"""The channels of a workspace that are SAP systems."""

from collections.abc import Mapping, Sequence

from data_contracts.errors import UsageError
from data_contracts.workspace import Workspace
from pipelines.connectors.channel_settings import FOLDER, Channel, channel_names, read_channel
from pipelines.connectors.sap_section import SapSection


def sap_section(channel: Channel) -> SapSection:
    """Return a channel's section [sap]; `UsageError` if it has none."""
    if channel.sap is None:
        raise UsageError("a channel without a section [sap]", "an SAP system", "Name another one")
    return channel.sap


def sap_channels(workspace: Workspace, chosen: Sequence[str]) -> Mapping[str, SapSection]:
    """Return the chosen channels, or all there are; `UsageError` where one is no SAP system, or there is none."""
    root = workspace.root
    names = tuple(dict.fromkeys(chosen)) or channel_names(root)
    channels = {name: read_channel(root, name) for name in names}
    if others := [name for name in chosen if channels[name].sap is None]:
        raise UsageError(f"channel {others[0]} has no section [sap]", "an SAP system", "Name another one")
    ours = {name: sap_section(channel) for name, channel in channels.items() if channel.sap is not None}
    if not ours:
        found = f"no file in {root / FOLDER} with a section [sap]"
        raise UsageError(found, "one", "Write it; docs/how-to/sap.md shows how")
    return ours
