"""Stored telemetry as a request needs it: only the assets asked for, only as far back as the model looks."""

import threading
from collections.abc import Iterator, Mapping, Sequence

import pandas as pd

from data_contracts.errors import did_you_mean
from data_contracts.tables import tables
from data_contracts.tables.history import History
from data_contracts.tables.telemetry import KEY
from data_contracts.tables.watermarks import NO_WATERMARKS, Watermarks, read_watermarks
from data_contracts.workspace import Workspace
from serving.http.errors import NOT_FOUND, ApiError
from serving.prediction.stored_fleet import StoredFleet

# Cut-offs within this time of each other share one read; an asset that has long been silent gets one of its own.
_SHARED_READ = pd.Timedelta(days=31)
_MOST_MEANT = 5


class LatestTelemetry:
    """Know of every asset of a type when its latest telemetry happened, and when it became known.

    The table is asked once for each of its versions: rows may come late and of any time, also of new assets.

    Parameters
    ----------
    workspace
        Where the telemetry is.
    asset_type
        The asset type.
    """

    def __init__(self, workspace: Workspace, asset_type: str) -> None:
        self.asset_type = asset_type
        self._workspace = workspace
        self._lock = threading.Lock()
        self._latest = NO_WATERMARKS

    def times(self) -> Watermarks:
        """Return the latest times of each asset's telemetry, and the version of the table that they are of.

        Returns
        -------
        Watermarks

        Raises
        ------
        StorageError
            If the table cannot be read.
        """
        with self._lock:
            self._latest = read_watermarks(self._workspace, f"telemetry/{self.asset_type}", self._latest)
            return self._latest

    def known_times(self) -> Mapping[str, pd.Timestamp]:
        """Return the latest known time of each asset's telemetry.

        Returns
        -------
        mapping of str to Timestamp
            Only assets that have telemetry.

        Raises
        ------
        StorageError
            If the table cannot be read.
        """
        return self.times().known_times


def check_known(workspace: Workspace, latest: LatestTelemetry, asked: Mapping[str, str]) -> None:
    """Refuse assets that nothing is known of.

    Parameters
    ----------
    workspace
        Where the asset records are.
    latest
        What telemetry there is.
    asked
        Paths of fields to the assets they name.

    Raises
    ------
    ApiError
        For the first unknown asset, with the one that was likely meant.
    """
    records = tables.read(workspace, "assets")
    known = set(records.loc[records["asset_type"] == latest.asset_type, "asset"])
    if known.issuperset(asked.values()):
        return
    known |= set(latest.known_times())
    for field, asset in asked.items():
        if asset not in known:
            hint = did_you_mean(asset, sorted(known)) or "Ingest its record and telemetry first"
            raise ApiError(NOT_FOUND, field, f"the unknown asset {asset!r}", f"a known {latest.asset_type}", hint)


def why_unknown(fleet: StoredFleet, latest: LatestTelemetry, assets: Sequence[str]) -> dict[str, str]:
    """Say which assets nothing can be known of, and why.

    Parameters
    ----------
    fleet
        What is stored of the assets of the type.
    latest
        What telemetry there is.
    assets
        The assets.

    Returns
    -------
    dict of str to str
        The unknown ones, and those of another type, each with the reason.

    Raises
    ------
    StorageError
        If a table cannot be read.
    """
    types = fleet.types()
    strange = [asset for asset in assets if types.get(asset) != fleet.asset_type]
    if not strange:
        return {}
    heard = latest.known_times()
    reasons = {
        asset: f"the asset is of the type {types[asset]}, and the model for {fleet.asset_type}"
        for asset in strange
        if asset in types
    }
    unknown = [asset for asset in strange if asset not in types and asset not in heard]
    known = sorted({name for name, kind in types.items() if kind == fleet.asset_type} | set(heard)) if unknown else []
    for place, asset in enumerate(unknown):
        # To compare a name with all of a fleet takes long, and whoever sends many wrong ones has not mistyped them.
        meant = did_you_mean(asset, known) if place < _MOST_MEANT else ""
        reasons[asset] = f"unknown asset {asset!r}. {meant}".rstrip()
    return reasons


def read_stored(
    workspace: Workspace,
    asset_type: str,
    cut_offs: pd.DataFrame,
    look_back: pd.Timedelta,
    fleet: StoredFleet | None = None,
) -> Iterator[tuple[History, pd.DataFrame]]:
    """Read what is known about assets at cut-offs.

    Parameters
    ----------
    workspace
        Where the tables are.
    asset_type
        The asset type.
    cut_offs
        Columns ``asset`` and ``as_of``.
    look_back
        How far before its cut-off a window begins.
    fleet
        What is stored besides telemetry, if that was read before.

    Yields
    ------
    history : History
        What is known about some of the assets.
    cut_offs : DataFrame
        Their cut-offs.

    Raises
    ------
    StorageError
        If a table cannot be read.
    """
    fleet = fleet or StoredFleet(workspace, asset_type)
    for part in _near_each_other(cut_offs):
        first, last = part["as_of"].min(), part["as_of"].max()
        assets: list[str] = part["asset"].tolist()
        telemetry = tables.read(
            workspace, f"telemetry/{asset_type}", assets=assets, as_of=last, start=first - look_back
        )
        channels = [column for column in telemetry.columns if column not in (*KEY, "known_time")]
        yield fleet.history(assets, channels, telemetry), part


def _near_each_other(cut_offs: pd.DataFrame) -> Iterator[pd.DataFrame]:
    ordered = cut_offs.sort_values(["as_of", "asset"], ignore_index=True)
    while not ordered.empty:
        near = ordered["as_of"] <= ordered["as_of"].iloc[0] + _SHARED_READ
        yield ordered[near].reset_index(drop=True)
        ordered = ordered[~near].reset_index(drop=True)
