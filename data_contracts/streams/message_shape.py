"""Whether a message has its contract's columns; the same for all messages of one schema."""

import functools

import pandas as pd
import pyarrow as pa

from data_contracts.contract.contract_types import Contract, is_quality_column
from data_contracts.streams.messages import EVENT_TIME, StreamMessage
from data_contracts.validation.conform import conform


def shape_breaches(message: StreamMessage, contract: Contract) -> tuple[str, ...]:
    """Return why no row of a message can be stored, in the words of a batch's check; empty if its columns fit."""
    return _breaches(message.rows.schema, contract)


@functools.lru_cache(maxsize=1024)
def _breaches(schema: pa.Schema, contract: Contract) -> tuple[str, ...]:
    instant = pd.Series(pd.to_datetime(["2000-01-01"], utc=True)).astype("datetime64[us, UTC]")
    row = {"asset": pd.Series(["a"], dtype="str"), EVENT_TIME: instant, "known_time": instant}
    row["source"] = pd.Series(["physical"], dtype="str")
    for name in schema.names:
        if name != EVENT_TIME:
            row[name] = pd.Series(["good"], dtype="str") if is_quality_column(name) else pd.Series([0.0])
    batch = conform(pd.DataFrame(row), contract, by_cell=True)
    failed = [result for result in batch.results if not result.passed and result.level == "batch"]
    return tuple(f"{result.check} {result.column}".strip() + f": {result.detail}" for result in failed)
