"""Stored telemetry as a request needs it: only the assets requested, only as far back as the model looks."""

import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import pandas as pd

from data_contracts.errors import did_you_mean
from data_contracts.overrides.accepted import overridden
from data_contracts.tables import tables
from data_contracts.tables.history import FRAMES, History
from data_contracts.tables.telemetry import channels_among
from data_contracts.tables.watermarks import NO_WATERMARKS, Watermarks, read_watermarks
from data_contracts.workspace import Workspace
from models.artifact.reasons import Reason
from serving.prediction.stored_fleet import StoredFleet

# Cut-offs within this time of each other share one read; an asset that has long been silent gets one of its own.
_SHARED_READ = pd.Timedelta(days=31)
_MAX_SUGGESTIONS = 5


class LatestTelemetry:
    """When the latest telemetry of each asset of a type happened and became known.

    The table is read once per version: rows may arrive late and out of order, also of new assets.
    """

    def __init__(self, workspace: Workspace, asset_type: str) -> None:
        self.asset_type = asset_type
        self._workspace = workspace
        self._lock = threading.Lock()
        self._latest = NO_WATERMARKS

    def times(self) -> Watermarks:
        """Return the latest times of each asset, and the version of the table they are from."""
        with self._lock:
            self._latest = read_watermarks(self._workspace, f"telemetry/{self.asset_type}", self._latest)
            return self._latest

    def known_times(self) -> Mapping[str, pd.Timestamp]:
        """Return the latest known time of each asset that has telemetry."""
        return self.times().known_times


def unknown_assets(fleet: StoredFleet, latest: LatestTelemetry, assets: Sequence[str]) -> dict[str, Reason]:
    """Return the unknown assets, and those of another type, with the reasons."""
    types = fleet.types()
    unrecorded = [asset for asset in assets if types.get(asset) != fleet.recorded_type]
    if not unrecorded:
        return {}
    with_telemetry = latest.known_times()
    reasons = {
        asset: Reason("asset_type", f"the asset is of type {types[asset]}, and the model is for {fleet.recorded_type}")
        for asset in unrecorded
        if asset in types
    }
    unknown = [asset for asset in unrecorded if asset not in types and asset not in with_telemetry]
    known: list[str] = []
    if unknown:
        known = sorted({asset for asset, kind in types.items() if kind == fleet.recorded_type} | set(with_telemetry))
    for index, asset in enumerate(unknown):
        # Comparing a name with those of a whole fleet takes long, and a caller that sends many has not mistyped them.
        hint = did_you_mean(asset, known) if index < _MAX_SUGGESTIONS else ""
        reasons[asset] = Reason("unknown_asset", f"unknown asset {asset!r}. {hint}".rstrip())
    return reasons


def read_stored(
    workspace: Workspace,
    asset_type: str,
    cut_offs: pd.DataFrame,
    look_back: pd.Timedelta,
    fleet: StoredFleet | None = None,
) -> Iterator[tuple[History, pd.DataFrame]]:
    """Read what was known about assets at cut-offs (columns ``asset`` and ``as_of``), telemetry from `look_back` on.

    Yields histories of some of the assets, each with their cut-offs.
    """
    fleet = fleet or StoredFleet(workspace, asset_type)
    for group in _group_by_time(cut_offs):
        first, last = group["as_of"].min(), group["as_of"].max()
        assets: list[str] = group["asset"].tolist()
        stored = tables.read(workspace, f"telemetry/{asset_type}", assets=assets, as_of=last, start=first - look_back)
        telemetry = overridden(workspace, stored, assets=assets, as_of=last)
        yield fleet.history(assets, channels_among(telemetry.columns), telemetry), group


def join_histories(histories: Sequence[History]) -> History:
    """Make one history of those of some assets each."""
    first, *others = histories
    if not others:
        return first
    frames = {name: pd.concat([getattr(each, name) for each in histories], ignore_index=True) for name in FRAMES}
    return replace(first, **frames)


def _group_by_time(cut_offs: pd.DataFrame) -> Iterator[pd.DataFrame]:
    remaining = cut_offs.sort_values(["as_of", "asset"], ignore_index=True)
    while not remaining.empty:
        near = remaining["as_of"] <= remaining["as_of"].iloc[0] + _SHARED_READ
        yield remaining[near].reset_index(drop=True)
        remaining = remaining[~near].reset_index(drop=True)
