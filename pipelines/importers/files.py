"""Read a user's own tables from files, telemetry under its contract and the others under the shipped ones."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from data_contracts.contract.contract import Contract, empty_table
from data_contracts.contract.file_layout import PLAIN, FileLayout, override_layout
from data_contracts.contract.registered import find_contract
from data_contracts.errors import UsageError
from pipelines.file_reading.chunked.asset_chunks import AssetChunks
from pipelines.file_reading.chunked.file_chunks import FileChunks
from pipelines.file_reading.chunked.open_chunks import open_chunks as open_in_chunks
from pipelines.file_reading.find_files import SUFFIXES
from pipelines.file_reading.notes import ReadingNotes
from pipelines.file_reading.read import for_other_tables
from pipelines.file_reading.read import read_table as read
from pipelines.importers.batch import Batch

__all__ = ["SUFFIXES", "read_files", "read_table"]


def read_files(
    contract: Contract,
    *,
    telemetry: Path | Sequence[Path],
    assets: Path | None = None,
    failures: Path | None = None,
    work_orders: Path | None = None,
    events: Path | None = None,
    layout: FileLayout | None = None,
    time_zone: str | None = None,
    contracts: Path | None = None,
    chunk_rows: int | None = None,
) -> Batch:
    """Read a user's own tables: telemetry under `contract`, the others under the contracts of their names.

    The telemetry's files are one table. A table that is not given has no rows. The layout is the contract's by default;
    `time_zone` is that of times that name none. `contracts` is the folder of a workspace's contracts. Large files of
    telemetry are read when they are stored, chunk by chunk, of `chunk_rows` rows where that is given.
    """
    if contract.kind != "telemetry":
        found = f"the contract {contract.name!r} is about {contract.kind}"
        raise UsageError(found, "a contract for telemetry", "Name the contract of the telemetry file")
    layout = _in_zone(layout or contract.file_layout or PLAIN, time_zone)
    others = {"assets": assets, "failures": failures, "work_orders": work_orders, "events": events}
    chunks = open_in_chunks(telemetry, contract, layout, chunk_rows=chunk_rows)
    readings = None if chunks is not None else read(telemetry, contract, layout)
    tables, notes = {}, {} if readings is None else {contract.table: readings.notes}
    for name, path in others.items():
        tables[name], of_table = _other(name, path, layout, contracts)
        notes |= {} if of_table is None else {name: of_table}
    return Batch(
        asset_type=str(contract.asset_type),
        telemetry=contract.empty() if readings is None else readings.frame,
        chunks=chunks,
        telemetry_contract=contract,
        reading=notes,
        layout=layout,
        **tables,
    )


def read_table(
    path: Path | Sequence[Path], contract: Contract, *, time_zone: str | None = None, strict: bool = True
) -> pd.DataFrame:
    """Read files in the layout of their contract; see `pipelines.file_reading.read.read_table`."""
    layout = _in_zone(contract.file_layout or PLAIN, time_zone)
    return read(path, contract, layout, strict=strict).frame


def open_chunks(
    path: Path, contract: Contract, *, time_zone: str | None = None, strict: bool = True
) -> FileChunks | AssetChunks | None:
    """Open a large file in the layout of its contract; see `pipelines.file_reading.chunked.open_chunks.open_chunks`."""
    return open_in_chunks(path, contract, _in_zone(contract.file_layout or PLAIN, time_zone), strict=strict)


def _other(
    name: str, path: Path | None, layout: FileLayout, contracts: Path | None
) -> tuple[pd.DataFrame, ReadingNotes | None]:
    if path is None:
        return empty_table(name), None
    table = read(path, find_contract(contracts, name), for_other_tables(layout))
    return table.frame, table.notes


def _in_zone(layout: FileLayout, time_zone: str | None) -> FileLayout:
    if time_zone is None:
        return layout
    return override_layout(layout, {"time_zone": time_zone}, {"time_zone": "--time-zone"})
