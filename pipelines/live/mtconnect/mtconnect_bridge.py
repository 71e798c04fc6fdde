"""The bridge of an MTConnect mapping."""

from collections.abc import Mapping
from pathlib import Path

from pipelines.live.bridging.assembly import Assembler, OnHole
from pipelines.live.bridging.bridge import Bridge, BridgedAsset
from pipelines.live.mtconnect.mtconnect_settings import MtconnectMapping
from pipelines.live.mtconnect.mtconnect_source import MtconnectSource
from pipelines.live.mtconnect.position import PositionFile

_TOLERANCE = 2_000_000
_PATIENCES = 3  # after so many, whatever was read is in the spool


def mtconnect_bridge(mapping: MtconnectMapping) -> Bridge:
    """Return the bridge."""

    def make_source(
        assembler: Assembler, on_hole: OnHole, folder: Path | None, last_times: Mapping[str, int]
    ) -> MtconnectSource:
        delay_s = _PATIENCES * mapping.rows.patience.total_seconds()
        return MtconnectSource(mapping, assembler, PositionFile(folder, delay_s), on_hole, last_times)

    return Bridge(
        plant=mapping.plant,
        protocol="MTConnect",
        assets=[
            BridgedAsset(asset, group.asset_type, tuple(group.data_items))
            for group in mapping.machines
            for asset in group.assets
        ],
        broker=mapping.broker,
        spool=mapping.spool,
        sending=mapping.sending,
        rows=mapping.rows,
        tolerance=_TOLERANCE,
        make_source=make_source,
    )
