"""A batch of tables from one source, and its import through the contracts."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from data_contracts.contract.contract import Contract, empty_table, load_contract, telemetry_contract
from data_contracts.ingestion.ingest import ingest
from data_contracts.progress import ProgressCallback, silent
from data_contracts.tables.tables import read
from data_contracts.workspace import Workspace
from pipelines.file_reading.notes import ReadingNotes


@dataclass(frozen=True)
class Batch:
    """The tables of one source about assets of one type, with the columns of the contracts."""

    asset_type: str  # such as "turbofan"
    telemetry: pd.DataFrame
    # With the time each was put into service as event_time. May be empty: an asset that the workspace does not know
    # yet then counts as put into service at its first reading.
    assets: pd.DataFrame
    failures: pd.DataFrame
    work_orders: pd.DataFrame
    events: pd.DataFrame
    telemetry_contract: Contract | None = None  # the shipped contract of the asset type when None
    reading: Mapping[str, ReadingNotes] = field(default_factory=dict)  # of a user's own files, by table


@dataclass(frozen=True)
class TableImport:
    """What became of one table of a batch."""

    rows: int  # of the batch
    accepted: int  # rows that keep their contract, stored now or before
    quarantined: int
    already: bool  # the very same table was stored before


@dataclass(frozen=True)
class ImportResult:
    """What an import stored."""

    asset_type: str
    assets: int
    tables: Mapping[str, TableImport]
    reading: Mapping[str, ReadingNotes] = field(default_factory=dict)  # of a user's own files, by table

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values."""
        tables = {name: dict(vars(counts)) for name, counts in self.tables.items()}
        return {"asset_type": self.asset_type, "assets": self.assets, "tables": tables} | (
            {"reading": {name: notes.to_dict() for name, notes in self.reading.items()}} if self.reading else {}
        )


def import_batch(
    workspace: Workspace, batch: Batch, *, now: pd.Timestamp, progress: ProgressCallback = silent
) -> ImportResult:
    """Store a batch, each table with rows through its contract; the same batch again changes nothing.

    If a table as a whole breaks its contract (`ContractError`), it is in quarantine, and the tables before it are
    stored.
    """
    tables = _tables_with_rows(batch, batch.assets if len(batch.assets) else _new_assets(workspace, batch))
    imports = {}
    for done, (contract, table) in enumerate(tables):
        progress("import", done, len(tables))
        result = ingest(workspace, table, contract, now=now)
        imports[contract.table] = TableImport(len(table), result.accepted, result.quarantined, result.already)
    progress("import", len(tables), len(tables))
    return ImportResult(batch.asset_type, int(batch.telemetry["asset"].nunique()), imports, batch.reading)


def _tables_with_rows(batch: Batch, assets: pd.DataFrame) -> list[tuple[Contract, pd.DataFrame]]:
    """Return the tables that hold rows: assets first, so that no reading is stored of an unknown asset."""
    tables = [
        (load_contract("assets"), assets),
        (load_contract("failures"), batch.failures),
        (load_contract("work_orders"), batch.work_orders),
        (load_contract("events"), batch.events),
        (batch.telemetry_contract or telemetry_contract(batch.asset_type), batch.telemetry),
    ]
    return [(contract, table) for contract, table in tables if len(table)]


def _new_assets(workspace: Workspace, batch: Batch) -> pd.DataFrame:
    """Return the assets of the telemetry that the workspace does not know, put into service at their first reading."""
    if not len(batch.telemetry):
        return empty_table("assets")
    first = batch.telemetry.groupby("asset")["event_time"].min().reset_index()
    new = first[~first["asset"].isin(read(workspace, "assets")["asset"])]
    assets = empty_table("assets").assign(
        asset=new["asset"], event_time=new["event_time"], known_time=new["event_time"]
    )
    return assets.assign(asset_type=batch.asset_type)
