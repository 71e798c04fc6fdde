"""The bridge of an OPC-UA mapping."""

from pipelines.live.bridging.bridge import Bridge, BridgedAsset
from pipelines.live.opcua.opcua_client import asyncua_modules
from pipelines.live.opcua.opcua_settings import OpcuaMapping
from pipelines.live.opcua.opcua_source import OpcuaSource

_MICROSECONDS = 1_000_000
_FEWEST_SAMPLES = 3


def opcua_bridge(mapping: OpcuaMapping) -> Bridge:
    """Return the bridge; `UsageError` if asyncua is not installed."""
    asyncua_modules()
    types = mapping.asset_types
    slowest = max(group.sampling_interval.total_seconds() for group in mapping.machines)
    return Bridge(
        plant=mapping.plant,
        protocol="OPC-UA",
        assets=[BridgedAsset(asset, types[asset], channels) for asset, channels in mapping.channels.items()],
        broker=mapping.broker,
        spool=mapping.spool,
        sending=mapping.sending,
        rows=mapping.rows,
        tolerance=int(max(1.0, _FEWEST_SAMPLES * slowest) * _MICROSECONDS),
        make_source=lambda assembler, *_: OpcuaSource(mapping, assembler),
    )
