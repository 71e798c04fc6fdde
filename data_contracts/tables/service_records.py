"""Records of assets that nobody recorded: in service since their earliest reading, whatever the order of arrival.

They are the only rows of any table that change: a reading from before moves the record back, and a record of the asset
itself replaces it. Each is one atomic commit; earlier versions of the table keep what they had.
"""

from dataclasses import dataclass

import pandas as pd
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError

from data_contracts.contract.contract import empty_table
from data_contracts.contract.contract_types import STORED_VERSION, TELEMETRY, Contract
from data_contracts.tables import tables
from data_contracts.tables.arrow_frames import to_arrow, with_stored_version
from data_contracts.tables.table_access import location, storage
from data_contracts.tables.table_handles import open_table
from data_contracts.workspace import Workspace

ASSETS = "assets"
BY_READING = "since_first_reading"
"""The column that marks these records; null in those that somebody made."""
RETIRED = "retired"
_ATTEMPTS = 10


@dataclass(frozen=True)
class ServiceChanges:
    """How the records of assets follow from readings."""

    new: int = 0  # assets that had no record
    earlier: int = 0  # assets that turn out to be in service for longer


UNCHANGED = ServiceChanges()


def derived_records(records: pd.DataFrame) -> "pd.Series[bool]":
    """Mark the records of assets that follow from readings."""
    if BY_READING not in records.columns:
        return pd.Series(False, index=records.index, dtype=bool)
    return records[BY_READING].fillna(False).astype(bool)


def before_storing(workspace: Workspace, contract: Contract, rows: pd.DataFrame) -> ServiceChanges:
    """Let the records of assets follow from rows that are about to be stored, if they are telemetry."""
    if contract.kind != TELEMETRY or contract.derived_from is not None or rows.empty:
        return UNCHANGED
    return follow_readings(workspace, str(contract.asset_type), rows)


def after_storing(workspace: Workspace, contract: Contract) -> None:
    """Let records of assets that were just stored replace those that follow from readings."""
    if contract.table == ASSETS:
        drop_superseded(workspace)


def follow_readings(workspace: Workspace, asset_type: str, readings: pd.DataFrame) -> ServiceChanges:
    """Record the assets of some readings that have no record, and move records back to an earlier first reading."""
    first = readings.groupby("asset")["event_time"].min()
    records = tables.read(workspace, ASSETS)
    own = records[derived_records(records)].set_index("asset")["event_time"]
    new = first[~first.index.isin(records["asset"])]
    known = own.reindex(first.index)
    earlier = first[known.notna() & (first < known)]
    changed = pd.concat([new, earlier])
    if changed.empty:
        return UNCHANGED
    rows = empty_table(ASSETS).assign(asset=changed.index.astype("str"), event_time=changed.to_numpy())
    rows["event_time"] = changed.array
    rows = rows.assign(known_time=rows["event_time"], asset_type=asset_type, **{BY_READING: True})
    _merge(workspace, rows, "store")
    return ServiceChanges(len(new), len(earlier))


def drop_superseded(workspace: Workspace) -> int:
    """Remove the records that follow from readings of assets that have one of their own by now; return how many."""
    records = tables.read(workspace, ASSETS)
    derived = derived_records(records)
    # That an asset was retired does not say since when it was in service.
    retired = records["status"].eq(RETIRED).fillna(False) if "status" in records.columns else False
    stated = set(records.loc[~derived & ~retired, "asset"])
    superseded = records[derived & records["asset"].isin(stated)]
    if len(superseded):
        _merge(workspace, superseded, "remove")
    return len(superseded)


def _merge(workspace: Workspace, rows: pd.DataFrame, what: str) -> None:
    with storage(workspace, ASSETS):
        for attempt in range(_ATTEMPTS):
            delta = open_table(location(workspace, ASSETS))
            if delta is None:
                tables.append(workspace, ASSETS, rows.iloc[:0], f"created for {BY_READING}")
                continue
            try:
                _commit(delta, rows, what)
                return
            except DeltaError:
                latest = open_table(location(workspace, ASSETS))
                if attempt == _ATTEMPTS - 1 or latest is None or latest.version() == delta.version():
                    raise


def _commit(delta: DeltaTable, rows: pd.DataFrame, what: str) -> None:
    source = with_stored_version(to_arrow(rows), delta.version() + 1)
    columns = {field.name for field in delta.schema().fields}
    merge = delta.merge(
        source,
        "target.asset = source.asset",
        source_alias="source",
        target_alias="target",
        merge_schema=not columns.issuperset(source.column_names),
    )
    if what == "remove":
        merge.when_matched_delete(f"target.{BY_READING}").execute()
        return
    merge = merge.when_not_matched_insert({name: f"source.{name}" for name in source.column_names})
    if BY_READING in columns:
        moved = {name: f"source.{name}" for name in ("event_time", "known_time", STORED_VERSION)}
        merge = merge.when_matched_update(moved, f"target.{BY_READING} AND source.event_time < target.event_time")
    merge.execute()
