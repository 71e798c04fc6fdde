"""Rows of a query as a file in the reader's own terms, so that every option of files holds for them too."""

import tempfile
from collections.abc import Sequence
from datetime import date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet

from data_contracts.contract.contract import Contract
from data_contracts.contract.file_layout import FileLayout
from data_contracts.errors import ForewarnError
from data_contracts.sql_source.source_query import Rows
from pipelines.file_reading.read import FileTable, read_table

_NAME = "the query's rows"


def read_rows(rows: Rows, contract: Contract, layout: FileLayout) -> FileTable:
    """Read rows under a contract as those of a file; errors name the query in place of a file."""
    with tempfile.TemporaryDirectory(prefix="forewarn-sql-") as folder:
        file = Path(folder) / "rows.parquet"
        pa.parquet.write_table(as_table(rows), file, compression="none")
        try:
            return read_table(file, contract, layout, strict=False)
        except ForewarnError as error:
            # The class of an error decides on the exit status, and may take more than three texts.
            error.found, error.remedy = (text.replace(str(file), _NAME) for text in (error.found, error.remedy))
            raise


def as_table(rows: Rows) -> pa.Table:
    """Return rows as columns of one type each; of mixed types as texts."""
    columns = zip(*rows.rows, strict=True) if rows.rows else [()] * len(rows.names)
    return pa.table([_column(list(values)) for values in columns], names=list(rows.names))


def _column(values: Sequence[Any]) -> pa.Array:
    plain = [_plain(value) for value in values]
    kinds = {type(value) for value in plain if value is not None}
    if kinds == {datetime}:
        zones = {value.tzinfo is None for value in plain if value is not None}
        if len(zones) == 1:
            return pa.array(plain, pa.timestamp("us", None if zones.pop() else "UTC"))
    elif kinds <= {int, float} and kinds != {int}:
        return pa.array([None if value is None else float(value) for value in plain], pa.float64() if kinds else None)
    elif kinds in ({int}, {str}, {bool}, {date}) and not any(kinds == {int} and _is_long(value) for value in plain):
        return pa.array(plain, pa.large_string() if kinds == {str} else None)
    return pa.array([_written(value) for value in plain], pa.large_string())


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        # A NUMERIC without decimals may be an identifier; one with them is a reading.
        return int(value) if _has_no_places(value) else float(value)
    return str(value) if value is not None and not isinstance(value, bool | int | float | str | date | time) else value


def _is_long(value: int | None) -> bool:
    return value is not None and not -(2**63) <= value < 2**63


def _has_no_places(value: Decimal) -> bool:
    exponent = value.as_tuple().exponent  # a letter for what is not finite
    return isinstance(exponent, int) and exponent >= 0


def _written(value: Any) -> str | None:
    if value is None:
        return None
    return value.isoformat() if isinstance(value, date | time) else str(value)
