"""What a stream consists of: messages, each with some rows of one asset."""

from typing import Protocol

import pyarrow as pa

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
