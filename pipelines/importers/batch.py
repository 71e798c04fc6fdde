"""A batch: what one source hands over, and the door it goes through."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import pandas as pd
from rich.table import Table

from data_contracts.contract.contract import Contract, empty_table, load_contract, telemetry_contract
from data_contracts.ingestion.ingest import ingest
from data_contracts.progress import ProgressCallback, silent
from data_contracts.tables.tables import read
from data_contracts.workspace import Workspace
from pipelines.terminal.tables import rows


class Delivery(Protocol):
    """Whatever holds the tables of a `Batch`, such as what the simulated fleet hands over."""

    @property
    def asset_type(self) -> str: ...  # noqa: D102 - see Batch
    @property
    def telemetry(self) -> pd.DataFrame: ...  # noqa: D102
    @property
    def assets(self) -> pd.DataFrame: ...  # noqa: D102
    @property
    def failures(self) -> pd.DataFrame: ...  # noqa: D102
    @property
    def work_orders(self) -> pd.DataFrame: ...  # noqa: D102
    @property
    def events(self) -> pd.DataFrame: ...  # noqa: D102


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

    def __rich__(self) -> Table:
        """Draw a row a table."""
        counts = [{"table": name} | dict(vars(table)) for name, table in self.tables.items()]
        return rows(counts, title=f"{self.assets:,} assets of type {self.asset_type}")


def import_batch(
    workspace: Workspace, batch: Delivery, *, now: pd.Timestamp, progress: ProgressCallback | None = None
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
    parts = _parts(batch, batch.assets if len(batch.assets) else _newcomers(workspace, batch))
    tables = {}
    for done, (contract, table) in enumerate(parts):
        report("import", done, len(parts))
        intake = ingest(workspace, table, contract, now=now)
        tables[contract.table] = TableImport(len(table), intake.accepted, intake.quarantined, intake.already)
    report("import", len(parts), len(parts))
    return ImportResult(batch.asset_type, int(batch.telemetry["asset"].nunique()), tables)


def _parts(batch: Delivery, assets: pd.DataFrame) -> list[tuple[Contract, pd.DataFrame]]:
    """Return the tables that hold rows: assets first, so that no reading is stored of an asset nobody knows."""
    own = batch.telemetry_contract if isinstance(batch, Batch) else None
    tables = [
        (load_contract("assets"), assets),
        (load_contract("failures"), batch.failures),
        (load_contract("work_orders"), batch.work_orders),
        (load_contract("events"), batch.events),
        (own or telemetry_contract(batch.asset_type), batch.telemetry),
    ]
    return [(contract, table) for contract, table in tables if len(table)]


def _newcomers(workspace: Workspace, batch: Delivery) -> pd.DataFrame:
    """Return the assets that the workspace does not know: an asset nobody described is still one."""
    if not len(batch.telemetry):
        return empty_table("assets")
    first = batch.telemetry.groupby("asset")["event_time"].min().reset_index()
    new = first[~first["asset"].isin(read(workspace, "assets")["asset"])]
    described = empty_table("assets").assign(
        asset=new["asset"], event_time=new["event_time"], known_time=new["event_time"]
    )
    return described.assign(asset_type=batch.asset_type)
