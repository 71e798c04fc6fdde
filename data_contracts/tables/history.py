"""The history of the assets of one type: everything known about them, now or as of an earlier time."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import pandas as pd

from data_contracts.contract.contract import Contract
from data_contracts.contract.registered import empty_table, find_telemetry_contract, recorded_type
from data_contracts.errors import NotFoundError, did_you_mean
from data_contracts.overrides.accepted import overridden
from data_contracts.tables import tables
from data_contracts.tables.corrections import latest_records
from data_contracts.tables.telemetry import channels_among
from data_contracts.workspace import Workspace

FRAMES = ("telemetry", "assets", "failures", "work_orders", "events")  # the frames of a history


@dataclass(frozen=True)
class History:
    """Everything known about the assets of one type.

    Parameters
    ----------
    asset_type
        The asset type.
    channels
        The telemetry channels, in order.
    telemetry
        Telemetry, not reconciled, with the overrides of twins as rows: asset, event_time, known_time, source and the
        channels. As in the other frames, a
        column stored_version has the table version that stored each row; rows that were never stored go without.
    assets, failures, work_orders, events
        The rows of the tables of those names.
    versions
        The versions of the tables it was read from.
    contract
        The contract of the telemetry: the workspace's, or else the shipped one; None without either.
    crossings
        What counts as failures in place of those booked, with their columns, where a model is judged that predicts when
        a measured condition crosses a threshold; None for other models.
    """

    asset_type: str
    channels: tuple[str, ...]
    telemetry: pd.DataFrame
    assets: pd.DataFrame
    failures: pd.DataFrame
    work_orders: pd.DataFrame
    events: pd.DataFrame
    versions: Mapping[str, int] = field(default_factory=dict)
    contract: Contract | None = None
    crossings: pd.DataFrame | None = None

    @property
    def predicted_failures(self) -> pd.DataFrame:
        """Return what a model is judged by: the crossings of its condition, or the failures that were booked."""
        return self.failures if self.crossings is None else self.crossings

    def as_of(self, time: pd.Timestamp) -> "History":
        """Return the history as it was known at a time: the rows whose known time is not later."""
        frames = {name: getattr(self, name) for name in FRAMES}
        if self.crossings is not None:
            frames["crossings"] = self.crossings
        known = {name: frame[frame["known_time"] <= time].reset_index(drop=True) for name, frame in frames.items()}
        return replace(self, **known)


def read_history(
    workspace: Workspace,
    asset_type: str,
    *,
    plant: str | None = None,
    assets: Sequence[str] | None = None,
    as_of: pd.Timestamp | None = None,
    versions: Mapping[str, int] | None = None,
    start: pd.Timestamp | None = None,
) -> History:
    """Read everything known about the assets of one type.

    Parameters
    ----------
    workspace
        Where the tables are.
    asset_type
        The asset type.
    plant
        Only the assets whose latest record places them in this plant.
    assets
        Only these assets.
    as_of
        Leave out rows that became known later.
    versions
        The versions of the tables to read, where a table that is missing counts as empty; the latest if None.
    start
        Leave out telemetry with an event time up to this one.

    Returns
    -------
    History
        What is known about them.

    Raises
    ------
    NotFoundError
        If one of `assets` is unknown, or `plant` has no assets of the type.
    StorageError
        If a table is corrupt.
    """
    used: dict[str, int] = {}

    def read(table: str, names: Sequence[str] | None, since: pd.Timestamp | None = None) -> pd.DataFrame:
        if versions is not None and table not in versions:
            return empty_table(workspace.contracts, table)
        at = None if versions is None else versions[table]
        frame, version = tables.read_versioned(workspace, table, as_of=as_of, version=at, assets=names, start=since)
        if version is not None:
            used[table] = version
        return frame

    def assets_with_telemetry() -> set[str]:
        table = f"telemetry/{asset_type}"
        if versions is not None and table not in versions:
            return set()
        at = None if versions is None else versions[table]
        return set(tables.asset_watermarks(workspace, table, as_of=as_of, version=at, assets=assets)[0])

    recorded = recorded_type(workspace.contracts, asset_type)
    registered = _latest_matching(read("assets", assets), recorded, plant)
    # An asset may have telemetry before it has a record, but only records place it in a plant.
    chosen = sorted(set(registered["asset"])) if plant is not None else assets
    telemetry = overridden(workspace, read(f"telemetry/{asset_type}", chosen, start), assets=chosen, as_of=as_of)
    known = set(registered["asset"]) | set(telemetry["asset"])
    if start is not None and plant is None and (assets is None or not known.issuperset(assets)):
        # An asset without a record is known by its telemetry alone, even if all of that is before `start`: its failures
        # count nevertheless.
        known |= assets_with_telemetry()
    for asset in assets or ():
        if asset not in known:
            raise _unknown_asset(asset, recorded, plant, read("assets", None)["asset"])
    if plant is not None and not known:
        raise _unknown_plant(plant, recorded, read("assets", None))
    names = sorted(known)
    return History(
        asset_type=asset_type,
        channels=channels_among(telemetry.columns),
        telemetry=telemetry,
        assets=registered,
        failures=read("failures", names),
        work_orders=read("work_orders", names),
        events=read("events", names),
        versions=dict(sorted(used.items())),
        contract=find_telemetry_contract(workspace.contracts, asset_type),
    )


def _latest_matching(assets: pd.DataFrame, asset_type: str, plant: str | None) -> pd.DataFrame:
    """Keep all records of those assets whose latest record is of the type and plant."""
    latest = latest_records(assets)
    matching = latest["asset_type"] == asset_type
    if plant is not None:
        matching &= latest["plant"] == plant
    return assets[assets["asset"].isin(latest.loc[matching, "asset"])].reset_index(drop=True)


def _unknown_asset(asset: str, asset_type: str, plant: str | None, known: Iterable[str]) -> NotFoundError:
    where = f"{asset_type} of plant {plant!r}" if plant is not None else asset_type
    hint = did_you_mean(asset, sorted(set(known))) or "List the known assets, or ingest this one's data first"
    return NotFoundError(f"unknown asset {asset!r}", f"a {where} with a record or telemetry known by then", hint)


def _unknown_plant(plant: str, asset_type: str, assets: pd.DataFrame) -> NotFoundError:
    plants = sorted(assets.loc[assets["asset_type"] == asset_type, "plant"].dropna().unique())
    if not plants:
        remedy = "Add them with `forewarn import`, `simulate` or `ingest`"
        return NotFoundError(f"no {asset_type} in plant {plant!r}, nor in any other", "assets of that type", remedy)
    hint = did_you_mean(plant, plants) or "Ingest its assets first"
    return NotFoundError(f"no {asset_type} in plant {plant!r}", f"one of {', '.join(plants)}", hint)
