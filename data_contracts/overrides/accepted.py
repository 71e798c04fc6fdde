"""Accepted overrides, read from the log of twins for whoever reads telemetry."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import pandas as pd
import sqlalchemy as sa

from data_contracts.overrides.override_rows import with_overrides
from data_contracts.records.database.database_url import parse_url
from data_contracts.records.database.value_lists import of_few_lengths
from data_contracts.records.group_commit import BUSY_SECONDS
from data_contracts.records.records import storage_errors
from data_contracts.records.records_handle import RecordsHandle
from data_contracts.records.twin_records import TwinEntry
from data_contracts.workspace import Workspace

_SOURCE = "manual_override"
_NAMES = [column.name for column in TwinEntry.table.columns if column.name != "id"]
_MOST_NAMED = 500  # databases limit the values of a statement


def overridden(
    workspace: Workspace, telemetry: pd.DataFrame, *, assets: Sequence[str] | None, as_of: pd.Timestamp | None
) -> pd.DataFrame:
    """Add what a workspace's overrides, known by a time, make of the telemetry of some assets; see `with_overrides`."""
    if telemetry.empty:
        return telemetry
    records = _records(workspace.records_url)
    # Reading a history makes no database where there is none.
    if records.file is not None and not records.file.exists():
        return telemetry
    return with_overrides(telemetry, accepted_overrides(records.handle.engine(), assets=assets, as_of=as_of))


def overridden_assets(workspace: Workspace, *, as_of: pd.Timestamp | None) -> frozenset[str]:
    """Return the assets of which a workspace has accepted overrides known by a time."""
    records = _records(workspace.records_url)
    if records.file is not None and not records.file.exists():
        return frozenset()
    return frozenset(entry.asset for entry in accepted_overrides(records.handle.engine(), assets=None, as_of=as_of))


@dataclass(frozen=True)
class _Records:
    """The records of a workspace, and the file that they are in, if they are in one."""

    handle: RecordsHandle
    file: Path | None


@lru_cache(maxsize=8)
def _records(url: str) -> _Records:
    parsed = parse_url(url)
    in_file = parsed.get_backend_name() == "sqlite" and parsed.database not in (None, "", ":memory:")
    return _Records(RecordsHandle(url, BUSY_SECONDS), Path(str(parsed.database)) if in_file else None)


def accepted_overrides(
    engine: sa.Engine, *, assets: Sequence[str] | None, as_of: pd.Timestamp | None
) -> list[TwinEntry]:
    """Read the accepted overrides, releases and roll-backs of some assets, or all, known by a time, log by log."""
    table = TwinEntry.table.c
    statement = sa.select(*(TwinEntry.table.c[name] for name in _NAMES))
    statement = statement.where(table.source == _SOURCE, table.rejection.is_(None))
    if as_of is not None:
        statement = statement.where(table.known_time <= as_of)
    if assets is not None and len(assets) <= _MOST_NAMED:
        statement = statement.where(table.asset.in_(of_few_lengths(assets)))
    with storage_errors(engine), engine.connect() as connection:
        rows = connection.execute(statement.order_by(table.asset, table.number)).all()
    entries = [TwinEntry(**dict(zip(_NAMES, row, strict=True))) for row in rows]
    named = None if assets is None else set(assets)
    return [entry for entry in entries if named is None or entry.asset in named]
