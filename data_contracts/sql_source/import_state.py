"""Up to where an import has come: kept in the records, and written before and after each chunk."""

from dataclasses import dataclass
from typing import Any

import pandas as pd
import sqlalchemy as sa

from data_contracts.records.record_types import SqlImport
from data_contracts.records.records import insert_records, storage_errors
from data_contracts.sql_source.watermarks import from_json, to_json


@dataclass(frozen=True)
class ImportState:
    """Where an import stands."""

    watermark: Any = None  # the last one imported; None before the first
    pending: Any = None  # the last one of the chunk that was being stored; None if there is none


def read_state(engine: sa.Engine, name: str) -> ImportState:
    """Read where an import stands; one that is new stands before its first row."""
    table = SqlImport.table.c
    query = sa.select(table.watermark, table.pending).where(table.name == name)
    with storage_errors(engine), engine.connect() as connection:
        row = connection.execute(query).first()
    return ImportState() if row is None else ImportState(from_json(row.watermark), from_json(row.pending))


def write_state(engine: sa.Engine, name: str, state: ImportState, *, at: pd.Timestamp) -> None:
    """Write where an import stands; only who holds its lease does."""
    table = SqlImport.table
    row = SqlImport(name, to_json(state.watermark), to_json(state.pending), at)
    with storage_errors(engine), engine.begin() as connection:
        connection.execute(sa.delete(table).where(table.c.name == name))
        insert_records(connection, [row])
