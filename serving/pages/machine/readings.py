"""A machine's readings over a span: one asset's and no more than a chart can hold, as predictions see them."""

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import pandas as pd
from pandas.api.types import is_numeric_dtype

from data_contracts.contract.contract_types import Contract
from data_contracts.contract.registered import find_telemetry_contract
from data_contracts.overrides.accepted import overridden
from data_contracts.tables import tables
from data_contracts.tables.telemetry import channels_among, reconcile
from data_contracts.workspace import Workspace
from serving.pages.fleet_state.shown_time import ShownTime
from serving.pages.fleet_state.statuses import Status, telemetry_type

if TYPE_CHECKING:
    from serving.worker_context import WorkerContext

_MOST = 200_000
_HOUR, _SECOND = pd.Timedelta(hours=1), pd.Timedelta(seconds=1)
_STEPS = 24


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
    stored = _stored(worker.workspace, table, asset, (start, end), known, live=shown.live)
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


def _stored(
    workspace: Workspace,
    table: str,
    asset: str,
    span: tuple[pd.Timestamp, pd.Timestamp],
    known: pd.Timestamp | None,
    *,
    live: bool,
) -> pd.DataFrame:
    """Read as `tables.read` does, from memory what the last requests read: a page asks for the same every minute."""
    start, end = span
    # From a time that stays the same for a while; of the present up to the last row, of the past up to its end.
    step = max((end - start) // _STEPS, _SECOND).floor("s")
    version = tables.latest_version(workspace, table)
    rows = _kept(workspace, table, version, asset, start.floor(step), None if live else end)
    shown = (rows["event_time"] > start) & (rows["event_time"] <= end)
    if known is not None:
        shown &= rows["known_time"] <= known
    return rows[shown].reset_index(drop=True)


@lru_cache(maxsize=4)
def _kept(
    workspace: Workspace,
    table: str,
    _version: int | None,
    asset: str,
    since: pd.Timestamp,
    until: pd.Timestamp | None,
) -> pd.DataFrame:
    return tables.read(workspace, table, assets=[asset], start=since, end=until)
