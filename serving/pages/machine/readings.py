"""A machine's readings over a span: one asset's and no more than a chart can hold, as predictions see them."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd
from pandas.api.types import is_numeric_dtype

from data_contracts.contract.contract_types import Contract
from data_contracts.contract.registered import find_telemetry_contract
from data_contracts.overrides.accepted import overridden
from data_contracts.tables import tables
from data_contracts.tables.telemetry import channels_among, reconcile
from serving.pages.fleet_state.shown_time import ShownTime
from serving.pages.fleet_state.statuses import Status, telemetry_type

if TYPE_CHECKING:
    from serving.worker_context import WorkerContext

_MOST = 200_000
_HOUR = pd.Timedelta(hours=1)


@dataclass(frozen=True)
class Readings:
    """Telemetry of one machine, a row an instant: event_time and the channels that are numbers."""

    frame: pd.DataFrame
    channels: tuple[str, ...]
    contract: Contract | None
    start: pd.Timestamp
    end: pd.Timestamp
    shortened: bool  # whether there are so many that less is shown than was wished

    def unit(self, channel: str) -> str | None:
        """Return the unit of a channel."""
        column = None if self.contract is None else self.contract.column(channel)
        return None if column is None else column.unit


def read_readings(
    worker: "WorkerContext", asset: str, recorded_type: str | None, status: Status, span: pd.Timedelta, shown: ShownTime
) -> Readings:
    """Read what was known of a span that ends with the page's time, or where times count cycles with the last one."""
    end = status.at
    if recorded_type is None:
        return Readings(pd.DataFrame({"event_time": []}), (), None, end - span, end, shortened=False)
    asset_type = telemetry_type(worker, recorded_type)
    table, contract = f"telemetry/{asset_type}", find_telemetry_contract(worker.workspace.contracts, asset_type)
    start = end - span
    # At a hundred readings a second the last half hour is as much as a year at every ten minutes.
    latest = status.last_reading or end
    hourly = tables.count_rows(worker.workspace, table, start=latest - _HOUR, end=latest, assets=[asset])
    if hourly * (span / _HOUR) > _MOST:
        start = max(start, min(end, latest) - _MOST / hourly * _HOUR)
    known = None if shown.live or status.clock.cycle is not None else shown.at
    stored = tables.read(worker.workspace, table, as_of=known, assets=[asset], start=start, end=end)
    rows = overridden(worker.workspace, stored, assets=[asset], as_of=known)
    channels = tuple(name for name in channels_among(rows.columns) if is_numeric_dtype(rows[name].dtype))
    return Readings(
        reconcile(rows, channels).drop(columns=["asset", "known_time"]) if len(rows) else rows,
        channels,
        contract,
        start,
        end,
        shortened=start > end - span,
    )
