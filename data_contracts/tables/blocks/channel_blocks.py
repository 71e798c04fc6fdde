"""Some columns of a telemetry table, some assets at a time."""

from collections.abc import Collection, Iterator, Sequence

import pandas as pd

from data_contracts.tables import tables
from data_contracts.tables.blocks.stored_telemetry import StoredTelemetry, TelemetryQuery
from data_contracts.tables.telemetry import KEY
from data_contracts.workspace import Workspace


def channel_blocks(
    workspace: Workspace,
    table: str,
    columns: Sequence[str],
    *,
    assets: Collection[str] | None = None,
    as_of: pd.Timestamp | None = None,
) -> Iterator[pd.DataFrame]:
    """Yield columns of channels and qualities, all rows of some assets at a time, with keys and known times.

    Every correction is there, and no override of a twin. Nothing without a table, else at least one frame.
    """
    version = tables.latest_version(workspace, table)
    if version is not None:
        asked = TelemetryQuery(workspace, table, version, as_of=as_of, overrides=False, channels=tuple(columns))
        yield from StoredTelemetry.open(asked, (*KEY, "known_time", *columns), assets=assets).blocks()
