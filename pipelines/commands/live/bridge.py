"""Commands that carry machines' telemetry to the broker: bridge opcua, bridge mtconnect."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from pipelines.cli.options import DEFAULTS, Shared

if TYPE_CHECKING:
    from pipelines.live.bridging.bridge import Bridge
    from pipelines.live.bridging.draft import Draft

_DRY_RUN_S = 5.0
Flag = Annotated[bool, Parameter(negative="")]
For = Annotated[str | None, Parameter(name="--for")]


def opcua(
    mapping: str,
    /,
    *,
    browse: Flag = False,
    dry_run: Flag = False,
    for_: For = None,
    options: Shared = DEFAULTS,
) -> Any:
    """Read machines over OPC-UA and publish their telemetry, until interrupted.

    What the ingester has not confirmed is kept in the spool, and sent again after an outage or a restart.

    Parameters
    ----------
    mapping : str
        A TOML file that maps the server's nodes to channels of assets; with --browse also a server's address, such as
        opc.tcp://press-7:4840.
    browse : bool
        Print a draft of a mapping from what the server has, and read nothing.
    dry_run : bool
        Read for five seconds, or as long as --for says, and show what would be published; nothing is kept or sent.
    for_ : str, optional
        How long to run, such as 10min; until interrupted by default.
    options : Options
        The form of the output; no workspace is needed.
    """
    import asyncio

    from pipelines.live.opcua.draft import browse_draft
    from pipelines.live.opcua.opcua_bridge import opcua_bridge
    from pipelines.live.opcua.opcua_client import asyncua_modules
    from pipelines.live.opcua.opcua_settings import OpcuaServerSection, read_opcua_mapping

    _silence(options.verbose)
    if browse:
        asyncua_modules()
        is_address = mapping.startswith("opc.tcp://")
        server = OpcuaServerSection(endpoint=mapping) if is_address else read_opcua_mapping(Path(mapping)).server
        return _shown(asyncio.run(browse_draft(server)), as_json=options.json)
    return _carry(opcua_bridge(read_opcua_mapping(Path(mapping))), dry_run=dry_run, for_text=for_)


def mtconnect(
    mapping: str,
    /,
    *,
    probe: Flag = False,
    dry_run: Flag = False,
    for_: For = None,
    options: Shared = DEFAULTS,
) -> Any:
    """Read machines from an MTConnect agent and publish their telemetry, until interrupted.

    What the ingester has not confirmed is kept in the spool, and sent again after an outage or a restart; a bridge that
    starts again goes on with the observation where it stopped.

    Parameters
    ----------
    mapping : str
        A TOML file that maps the agent's data items to channels of assets; with --probe also an agent's address, such
        as http://agent.plant:5000.
    probe : bool
        Print a draft of a mapping from what the agent says of its devices, and read nothing.
    dry_run : bool
        Read for five seconds, or as long as --for says, and show what would be published; nothing is kept or sent.
    for_ : str, optional
        How long to run, such as 10min; until interrupted by default.
    options : Options
        The form of the output; no workspace is needed.
    """
    import asyncio

    from pipelines.live.mtconnect.draft import probe_draft
    from pipelines.live.mtconnect.mtconnect_bridge import mtconnect_bridge
    from pipelines.live.mtconnect.mtconnect_settings import AgentSection, read_mtconnect_mapping

    _silence(options.verbose)
    if probe:
        is_address = mapping.startswith(("http://", "https://"))
        agent = AgentSection(url=mapping) if is_address else read_mtconnect_mapping(Path(mapping)).agent
        return _shown(asyncio.run(probe_draft(agent)), as_json=options.json)
    return _carry(mtconnect_bridge(read_mtconnect_mapping(Path(mapping))), dry_run=dry_run, for_text=for_)


def _carry(bridge: "Bridge", *, dry_run: bool, for_text: str | None) -> Any:
    from features.names import parse_duration
    from pipelines.cli.long_running import run_long
    from pipelines.live.bridging.bridge import dry_run as show
    from pipelines.live.bridging.bridge import run_bridge

    for_s = None if for_text is None else parse_duration(for_text).total_seconds()
    if dry_run:
        return show(bridge, for_s=_DRY_RUN_S if for_s is None else for_s)
    run_long()
    return run_bridge(bridge, for_s=for_s)


def _shown(draft: "Draft", *, as_json: bool) -> Any:
    if as_json:
        return draft
    sys.stdout.write(draft.text)  # not through the console, which would wrap the lines
    return None


def _silence(verbose: bool) -> None:
    """Keep the clients' own logs off the terminal: what they mean is in the counts and the status line."""
    import logging

    if not verbose:
        for name in ("asyncua", "httpx", "httpcore"):
            logging.getLogger(name).setLevel(logging.CRITICAL)
