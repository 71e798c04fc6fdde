"""The rows of a flush's messages of one asset type, as arrays; and back as a frame or an Arrow table."""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from data_contracts.contract.contract_types import DTYPES, Contract, is_quality_column
from data_contracts.streams.messages import EVENT_TIME, StreamMessage, schema_texts

SOURCE = "physical"
"""The source of everything that machines send themselves."""
Numbers = npt.NDArray[np.float64]
Times = npt.NDArray[np.int64]


@dataclass(frozen=True)
class FlushRows:
    """Rows of several messages, message by message; every array has a value for each row."""

    assets: tuple[str, ...]  # by code, sorted
    codes: npt.NDArray[np.int64]  # of the row's asset
    messages: npt.NDArray[np.int64]  # the row's message, by its place in the sequence that the rows were made of
    numbers: npt.NDArray[np.int64]  # the row's place in its message
    event_us: Times  # microseconds since 1970
    known_us: Times
    channels: Mapping[str, Numbers]  # NaN without a value
    qualities: Mapping[str, pa.Array]  # by column, as they came: strings, null where nothing was said

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.codes)

    @functools.cached_property
    def in_order(self) -> "tuple[npt.NDArray[np.int64], bool]":
        """Return the rows in order of asset, event time and known time, and whether any share all three."""
        # Messages are mostly in order already, and then a stable sort of the assets alone is twenty times as fast.
        order = np.argsort(self.codes.astype(np.uint16 if len(self.assets) < 2**16 else np.int64), kind="stable")
        for last in (False, True):
            same = np.diff(self.codes[order]) == 0
            event, known = np.diff(self.event_us[order]), np.diff(self.known_us[order])
            if last or not (same & ((event < 0) | ((event == 0) & (known < 0)))).any():
                break
            order = np.lexsort((self.known_us, self.event_us, self.codes))
        return order, bool((same & (event == 0) & (known == 0)).any())


def collect_rows(messages: Sequence[StreamMessage], known_us: Sequence[int]) -> FlushRows:
    """Put the rows of messages one below the other; `known_us` is when each message became known."""
    schemas = schema_texts(messages)
    order = sorted(range(len(messages)), key=schemas.__getitem__)
    tables, places = [], []
    start = 0
    for end in range(1, len(order) + 1):
        # Messages with the same columns are put together by Arrow at once.
        if end == len(order) or schemas[order[end]] != schemas[order[start]]:
            tables.append(pa.Table.from_batches([messages[place].rows for place in order[start:end]]).combine_chunks())
            places += order[start:end]
            start = end
    lengths = np.array([messages[place].rows.num_rows for place in places], dtype=np.int64)
    assets = tuple(sorted({messages[place].asset for place in places}))
    code_of = {asset: code for code, asset in enumerate(assets)}
    names = dict.fromkeys(name for table in tables for name in table.column_names if name != EVENT_TIME)
    return FlushRows(
        assets=assets,
        codes=np.repeat(np.array([code_of[messages[place].asset] for place in places], dtype=np.int64), lengths),
        messages=np.repeat(np.array(places, dtype=np.int64), lengths),
        numbers=_places_within(lengths),
        event_us=_together([_microseconds(table[EVENT_TIME]) for table in tables], np.int64),
        known_us=np.repeat(np.array([known_us[place] for place in places], dtype=np.int64), lengths),
        channels={
            name: _together([_numbers(table, name) for table in tables], np.float64)
            for name in names
            if not is_quality_column(name)
        },
        qualities={
            name: pa.concat_arrays([_texts(table, name) for table in tables])
            for name in names
            if is_quality_column(name)
        },
    )


def to_frame(rows: FlushRows, contract: Contract, chosen: npt.NDArray[Any]) -> pd.DataFrame:
    """Return some rows as they would come in a file, with their places as index; columns in the contract's order."""
    columns: dict[str, pd.Series[Any]] = {
        "asset": pd.Series(np.array(rows.assets, dtype=object)[rows.codes[chosen]], dtype="str"),
        "event_time": _times(rows.event_us[chosen]),
        "known_time": _times(rows.known_us[chosen]),
        "source": pd.Series(SOURCE, index=range(len(chosen)), dtype="str"),
    }
    columns |= {name: pd.Series(values[chosen]) for name, values in rows.channels.items()}
    columns |= {
        name: pd.Series(values.take(pa.array(chosen)).to_pandas(), dtype="str")
        for name, values in rows.qualities.items()
    }
    named = [column.name for column in contract.columns if column.name in columns]
    return pd.DataFrame({name: columns[name] for name in [*named, *columns]}).set_axis(chosen, axis="index")


def to_stored(
    rows: FlushRows,
    contract: Contract,
    good: npt.NDArray[np.bool_],
    channels: Mapping[str, Numbers],
    noted: Mapping[str, npt.NDArray[np.int8]],
) -> pa.Table:
    """Return the good rows as `tables.append` stores a batch of them: order, columns and types are the same."""
    # By event time, asset and known time: the codes of assets are in the order of their names.
    chosen = rows.in_order[0][good[rows.in_order[0]]]
    chosen = chosen[np.argsort(rows.event_us[chosen], kind="stable")]
    arrays: dict[str, pa.Array] = {}
    for column in contract.stored_columns:
        if column.name == "asset":
            codes = pa.array(rows.codes[chosen].astype(np.int32))
            arrays["asset"] = pa.DictionaryArray.from_arrays(codes, pa.array(rows.assets, pa.string())).cast(
                pa.string()
            )
        elif column.name in ("event_time", "known_time"):
            times = rows.event_us if column.name == "event_time" else rows.known_us
            arrays[column.name] = pa.array(times[chosen]).cast(pa.timestamp("us", tz="UTC"))
        elif column.name == "source":
            arrays["source"] = pa.repeat(SOURCE, len(chosen)).cast(pa.string())
        elif column.name in channels:
            arrays[column.name] = pa.array(channels[column.name][chosen], from_pandas=True)
        else:
            arrays[column.name] = pa.nulls(len(chosen), pa.float64())
    for name, codes in noted.items():
        here = codes[chosen]
        if here.any():
            words = pa.array([None, "uncertain", "bad"], pa.string())
            arrays[name] = words.take(pa.array(here))
    return pa.table(arrays)


def empty_rows(contract: Contract) -> pa.Table:
    """Return a table of no rows with the contract's columns, to create a table or to record transactions alone."""
    types = {"str": pa.string(), "float64": pa.float64(), "Int64": pa.int64(), "boolean": pa.bool_()}
    fields = [
        pa.field(column.name, types.get(DTYPES[column.type], pa.timestamp("us", tz="UTC")))
        for column in contract.stored_columns
    ]
    return pa.schema(fields).empty_table()


def _together(parts: list[npt.NDArray[Any]], kind: type) -> npt.NDArray[Any]:
    return parts[0] if len(parts) == 1 else np.concatenate([*parts, np.empty(0, dtype=kind)])


def _places_within(lengths: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    starts = np.repeat(np.cumsum(lengths) - lengths, lengths)
    return np.arange(int(lengths.sum()), dtype=np.int64) - starts


def _microseconds(column: pa.ChunkedArray) -> Times:
    values: Times = column.cast(pa.int64()).to_numpy()
    return values


def _numbers(table: pa.Table, name: str) -> Numbers:
    if name not in table.column_names:
        return np.full(len(table), np.nan)
    values: Numbers = table[name].to_numpy().astype(np.float64, copy=False)
    return values


def _texts(table: pa.Table, name: str) -> pa.Array:
    if name not in table.column_names:
        return pa.nulls(len(table), pa.string())
    return pc.cast(table[name], pa.string()).combine_chunks()


def _times(microseconds: Times) -> "pd.Series[Any]":
    instants = pd.Series(microseconds.astype("datetime64[us]"))
    return instants.dt.tz_localize("UTC")
