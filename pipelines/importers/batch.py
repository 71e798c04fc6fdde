"""A batch: what one source hands over, and the door it goes through."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd
from data_contracts.intake import ingest

from data_contracts.contract import Contract, empty_table, load_contract, telemetry_contract
from data_contracts.progress import Report, silent
from data_contracts.tables import read
from data_contracts.workspace import Workspace


@dataclass(frozen=True)
class Batch:
    """Hold everything one source says about assets of one type.

    Parameters
    ----------
    asset_type
        The type of all the assets, such as ``"turbofan"``.
    telemetry
        Readings, one row per asset and event time: ``asset``, ``event_time``, ``known_time``, ``source`` and one column
        per channel, in the channel's unit.
    assets
        The assets, with the time each was put into service as ``event_time``. It may be empty: an asset that the
        workspace does not know yet then counts as put into service at its first reading.
    failures
        What failed, and when.
    work_orders
        What was done to the assets, and when.
    events
        Error codes and other marks in time.
    telemetry_contract
        What the telemetry has to be; the shipped contract of the asset type when None.
    """

    asset_type: str
    telemetry: pd.DataFrame
    assets: pd.DataFrame
    failures: pd.DataFrame
    work_orders: pd.DataFrame
    events: pd.DataFrame
    telemetry_contract: Contract | None = None

    def parts(self) -> tuple[tuple[Contract, pd.DataFrame], ...]:
        """Return the tables that hold rows, each with its contract.

        Returns
        -------
        tuple of (Contract, DataFrame)
            The assets first, so that no reading is stored of an asset nobody knows, and the telemetry last.
        """
        tables = (
            (load_contract("assets"), self.assets),
            (load_contract("failures"), self.failures),
            (load_contract("work_orders"), self.work_orders),
            (load_contract("events"), self.events),
            (self.telemetry_contract or telemetry_contract(self.asset_type), self.telemetry),
        )
        return tuple((contract, table) for contract, table in tables if len(table))


@dataclass(frozen=True)
class TableImport:
    """Count what became of one table of a batch.

    Parameters
    ----------
    rows
        The rows handed over.
    accepted
        The rows that keep their contract, stored now or before.
    quarantined
        The rows set aside with their reasons.
    already
        Whether the very same table had been stored before.
    """

    rows: int
    accepted: int
    quarantined: int
    already: bool


@dataclass(frozen=True)
class ImportResult:
    """Say what an import stored.

    Parameters
    ----------
    asset_type
        The type of the assets.
    assets
        The number of assets.
    tables
        What became of each table, by its name.
    """

    asset_type: str
    assets: int
    tables: Mapping[str, TableImport]

    def to_dict(self) -> dict[str, Any]:
        """Return the counts as plain values, for JSON.

        Returns
        -------
        dict
            ``asset_type``, ``assets`` and ``tables``: name to ``rows``, ``accepted``, ``quarantined`` and ``already``.
        """
        tables = {name: dict(vars(counts)) for name, counts in self.tables.items()}
        return {"asset_type": self.asset_type, "assets": self.assets, "tables": tables}


def import_batch(
    workspace: Workspace, batch: Batch, *, now: pd.Timestamp, progress: Report | None = None
) -> ImportResult:
    """Store a batch, each table through its contract.

    The same batch twice leaves every table as once.

    Parameters
    ----------
    workspace
        Where to store it.
    batch
        What to store; tables without rows are left out.
    now
        The time of the import, in UTC.
    progress
        Called as ``progress("import", tables_done, tables)``.

    Returns
    -------
    ImportResult
        The rows accepted and quarantined, table by table.

    Raises
    ------
    ContractError
        If a table as a whole breaks its contract. The tables before it are stored, and it is in quarantine.
    """
    report = progress or silent
    parts = _with_newcomers(workspace, batch).parts()
    tables = {}
    for done, (contract, table) in enumerate(parts):
        report("import", done, len(parts))
        intake = ingest(workspace, table, contract, now=now)
        tables[contract.table] = TableImport(len(table), intake.accepted, intake.quarantined, intake.already)
    report("import", len(parts), len(parts))
    return ImportResult(batch.asset_type, int(batch.telemetry["asset"].nunique()), tables)


def _with_newcomers(workspace: Workspace, batch: Batch) -> Batch:
    """Add the assets that neither the batch nor the workspace knows: an asset nobody described is still one."""
    if len(batch.assets):
        return batch
    first = batch.telemetry.groupby("asset")["event_time"].min().reset_index()
    new = first[~first["asset"].isin(read(workspace, "assets")["asset"])]
    described = empty_table("assets").assign(
        asset=new["asset"], event_time=new["event_time"], known_time=new["event_time"]
    )
    return replace(batch, assets=described.assign(asset_type=batch.asset_type))
