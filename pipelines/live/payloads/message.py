"""What every payload is decoded to: some rows of one asset, with their place in its stream."""

from dataclasses import dataclass

import pyarrow as pa

from data_contracts.contract.contract_types import KEY_COLUMNS, STORED_VERSION, is_quality_column

EVENT_TIME = "event_time"
TIME_TYPE = pa.timestamp("us", "UTC")
CHANNEL_TYPES = (pa.float64(), pa.float32())
QUALITY_TYPE = pa.string()


@dataclass(frozen=True)
class TelemetryMessage:
    """Some rows of one asset, and where they belong in its stream.

    Parameters
    ----------
    asset
        The asset that the rows are of.
    epoch
        The edge session: the edge's clock when it began, in microseconds since 1970.
    sequence
        The message's number in its session: 0, 1, 2, ...
    sent
        The edge's clock when the message was made, in microseconds since 1970.
    asset_type
        The type of the asset.
    rows
        ``event_time`` (timestamp[us, UTC]), a column of float64 or float32 for each channel, null where the machine
        said no number, and columns of strings with the qualities of readings, named by `quality_column`.
    historical
        Whether the rows are filled in later.
    """

    asset: str
    epoch: int
    sequence: int
    sent: int
    asset_type: str
    rows: pa.RecordBatch
    historical: bool = False

    @property
    def channels(self) -> tuple[str, ...]:
        """Return the names of the channels, in order."""
        return tuple(name for name in self.rows.schema.names if name != EVENT_TIME and not is_quality_column(name))


def column_problem(name: str) -> str | None:
    """Return why a channel cannot have a name; None if it can."""
    if name in KEY_COLUMNS or name == STORED_VERSION:
        return f"a channel named like the column {name} of every table"
    if is_quality_column(name):
        return "a channel named like the qualities of one"
    return None if name else "a channel without a name"
