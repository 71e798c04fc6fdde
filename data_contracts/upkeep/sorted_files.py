"""Data files for years: sorted by asset and event time, so that a read of one asset's window skips the rest."""

import json
import uuid
from datetime import datetime
from typing import Final

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.fs as pafs
import pyarrow.parquet as pq
from deltalake.transaction import AddAction

from data_contracts.contract.contract_types import STORED_VERSION

_ORDER: Final = ("asset", "event_time", "known_time", "source", STORED_VERSION)
# A read of ten minutes of an asset at 100 Hz is four row groups.
_ROW_GROUP: Final = 16_384


def write_sorted(folder: pafs.FileSystem, rows: pa.Table, *, data_change: bool) -> AddAction:
    """Write rows into a new file of a table's folder; return the action that makes it part of the table."""
    ordered = rows.sort_by([(name, "ascending") for name in _ORDER if name in rows.column_names])
    path = f"sorted-{uuid.uuid4()}.parquet"
    floats = [field.name for field in rows.schema if pa.types.is_floating(field.type)]
    counts = [field.name for field in rows.schema if _is_count(field.type)]
    texts = [field.name for field in rows.schema if not (_is_count(field.type) or pa.types.is_floating(field.type))]
    with folder.open_output_stream(path) as file:
        pq.write_table(
            ordered,
            file,
            row_group_size=_ROW_GROUP,
            write_page_index=True,
            compression="zstd",
            compression_level=1,
            # Of noise and of instants these take a third less room than a dictionary, and half the time.
            use_dictionary=texts,
            column_encoding=dict.fromkeys(floats, "BYTE_STREAM_SPLIT") | dict.fromkeys(counts, "DELTA_BINARY_PACKED"),
        )
    now = int(pd.Timestamp.now("UTC").timestamp() * 1000)
    return AddAction(path, folder.get_file_info(path).size, {}, now, data_change, _statistics(ordered))


def _is_count(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_timestamp(kind))


def _statistics(rows: pa.Table) -> str:
    """Return what the log says of a file: counts, and the limits of the columns that reads choose by."""
    limits = {name: pc.min_max(rows[name]).as_py() for name in _ORDER if name in rows.column_names}
    known = {name: both for name, both in limits.items() if both["min"] is not None}
    return json.dumps(
        {
            "numRecords": len(rows),
            "minValues": {name: _written(both["min"]) for name, both in known.items()},
            "maxValues": {name: _written(both["max"]) for name, both in known.items()},
            "nullCount": {name: rows[name].null_count for name in rows.column_names},
        }
    )


def _written(value: object) -> object:
    return value.strftime("%Y-%m-%dT%H:%M:%S.%fZ") if isinstance(value, datetime) else value
