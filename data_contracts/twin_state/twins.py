"""Which assets are twins, and the state of one at a time: its log folded over the latest readings."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd
import sqlalchemy as sa

from data_contracts.contract.contract_types import Contract
from data_contracts.contract.registered import find_telemetry_contract
from data_contracts.errors import NotFoundError, did_you_mean
from data_contracts.records.records import storage_errors
from data_contracts.tables import tables
from data_contracts.tables.corrections import latest_records
from data_contracts.tables.table_access import location
from data_contracts.twin_state.commands import latest_commands
from data_contracts.twin_state.current_readings import read_current
from data_contracts.twin_state.fold import fold
from data_contracts.twin_state.latest_readings import latest_readings
from data_contracts.twin_state.log import LogView, read_view, revisions
from data_contracts.twin_state.state_types import Reading, Twin, TwinState
from data_contracts.workspace import Workspace

_REMOTE = "://"
_NOTHING_BEFORE = pd.Timestamp(0, tz="UTC").as_unit("us")


@dataclass(frozen=True)
class ListedTwin:
    """A twin in a list."""

    twin: Twin
    revision: int


def find_twin(workspace: Workspace, asset: str) -> Twin:
    """Return the twin of an asset, by its latest record; `NotFoundError` without one."""
    records = latest_records(tables.read(workspace, "assets", assets=[asset]))
    if records.empty:
        known = sorted(set(tables.read(workspace, "assets")["asset"]))
        hint = did_you_mean(asset, known) or "List them with `forewarn twins list`"
        raise NotFoundError(f"unknown asset {asset[:255]!r}", "an asset with a record or telemetry", hint)
    asset_type = str(records["asset_type"].iloc[0])
    contracts = {asset_type: find_telemetry_contract(workspace.contracts, asset_type)}
    return _twin({str(name): value for name, value in records.iloc[0].items()}, contracts)


def list_twins(workspace: Workspace, engine: sa.Engine, *, asset_type: str | None = None) -> list[ListedTwin]:
    """List the assets with their revisions, by name."""
    records, written = latest_records(tables.read(workspace, "assets")), revisions(engine)
    if asset_type is not None:
        records = records[records["asset_type"] == asset_type]
    # Looking for a contract looks into a folder: once a type, not once an asset.
    contracts = {name: find_telemetry_contract(workspace.contracts, name) for name in records["asset_type"].unique()}
    twins = [_twin({str(name): value for name, value in row.items()}, contracts) for row in records.to_dict("records")]
    return [ListedTwin(twin, written.get(twin.asset, 0)) for twin in twins]


def state_of(
    workspace: Workspace, engine: sa.Engine, twin: Twin, *, now: pd.Timestamp, as_of: pd.Timestamp | None = None
) -> TwinState:
    """Return the state of a twin by what was known at a time, now by default.

    Where times count cycles, now is the latest cycle, and any other time the cycle that it stands for.
    """
    at = now if as_of is None else as_of
    with storage_errors(engine), engine.connect() as connection:
        view = read_view(connection, twin.asset, at)
    channels = () if twin.contract is None else twin.contract.channels
    current = _current(workspace, engine, twin, now) if as_of is None else None
    if current is not None:
        state = _folded(twin, view, current, at, None)
    else:
        until = _latest_cycle(workspace, twin, as_of) if twin.counts_cycles else at
        known = as_of if twin.counts_cycles else at
        found = latest_readings(workspace, twin.telemetry, [twin.asset], channels, known, until=until)
        state = _folded(twin, view, found.readings[twin.asset], at, found.looked_back_to.get(twin.asset))
    return state if as_of is not None else replace(state, commands=latest_commands(engine, twin.asset, now))


def _folded(
    twin: Twin, view: LogView, readings: list[Reading], at: pd.Timestamp, looked_back_to: pd.Timestamp | None
) -> TwinState:
    channels = () if twin.contract is None else twin.contract.channels
    return TwinState(
        twin=twin,
        as_of=at,
        revision=view.head.revision,
        properties=fold(view.newest.values(), readings, channels, at, by_time=not twin.counts_cycles),
        looked_back_to=looked_back_to,
    )


def _latest_cycle(workspace: Workspace, twin: Twin, as_of: pd.Timestamp | None) -> pd.Timestamp:
    """Return the event time of an asset's latest cycle, up to a time if one is given."""
    latest, _ = tables.asset_watermarks(
        workspace, twin.telemetry, as_of=as_of, assets=[twin.asset], column="event_time"
    )
    last = latest.get(twin.asset, _NOTHING_BEFORE)
    return last if as_of is None else min(last, as_of)


def _current(workspace: Workspace, engine: sa.Engine, twin: Twin, now: pd.Timestamp) -> list[Reading] | None:
    """Return the readings that the live path keeps, if they are those of all that is stored; else None."""
    kept = read_current(engine, twin.telemetry, twin.asset)
    if kept is None or not _is_latest(workspace, twin.telemetry, kept[0]):
        return None
    # Clocks that are ahead: what comes before those readings is in the table only.
    are_past = twin.counts_cycles or all(max(each.event_time, each.known_time) <= now for each in kept[1])
    return kept[1] if are_past else None


def _is_latest(workspace: Workspace, table: str, version: int) -> bool:
    where = location(workspace, table)
    if _REMOTE in where:
        return tables.latest_version(workspace, table) == version
    # Versions are consecutive, so that looking for the next commit is enough.
    log = Path(where, "_delta_log")
    return log.is_dir() and not (log / f"{version + 1:020}.json").exists()


def _twin(record: Mapping[str, object], contracts: Mapping[str, Contract | None]) -> Twin:
    def text(name: str) -> str | None:
        value = record.get(name)
        return value if isinstance(value, str) else None

    asset_type = text("asset_type") or ""
    return Twin(str(record["asset"]), asset_type, text("plant"), text("line"), contracts.get(asset_type))
