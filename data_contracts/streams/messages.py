"""What a stream consists of: messages, each with some rows of one asset, and whether their columns are a contract's."""

import functools
from collections.abc import Sequence
from typing import Protocol

import pandas as pd
import pyarrow as pa

from data_contracts.contract.contract_types import Contract, is_quality_column
from data_contracts.validation.conform import conform

EVENT_TIME = "event_time"


class StreamMessage(Protocol):
    """Some rows of one asset, and their place in its stream; `pipelines.live.payloads` decodes to it."""

    @property
    def asset(self) -> str:
        """The asset."""

    @property
    def epoch(self) -> int:
        """The edge session: microseconds since 1970 at its start."""

    @property
    def sequence(self) -> int:
        """The message's number in its session, from 0."""

    @property
    def sent(self) -> int:
        """The edge's clock when it was sent, in microseconds since 1970."""

    @property
    def asset_type(self) -> str:
        """The asset's type."""

    @property
    def rows(self) -> pa.RecordBatch:
        """`event_time`, a column of floats for each channel, and perhaps columns of qualities."""

    @property
    def historical(self) -> bool:
        """Whether it fills in what is past."""


def schema_texts(messages: Sequence[StreamMessage]) -> list[str]:
    """Return the schema of each message as a text, the same for the same columns."""
    texts, last = list[str](), None
    for message in messages:
        schema = message.rows.schema
        # Most messages have the columns of the one before; that they do is known sooner than their text.
        if last is None or not schema.equals(last):
            last, text = schema, str(schema)
        texts.append(text)
    return texts


def shape_breaches(messages: Sequence[StreamMessage], contract: Contract) -> list[tuple[str, ...]]:
    """Return why no row of each message can be stored, in the words of a batch's check; empty if its columns fit."""
    texts = schema_texts(messages)
    one_each = dict(zip(texts, messages, strict=True))
    found = {text: _breaches(message.rows.schema, contract) for text, message in one_each.items()}
    return [found[text] for text in texts]


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
