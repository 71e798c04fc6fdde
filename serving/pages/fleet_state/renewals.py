"""When machines last failed or were repaired: alarms from before say nothing of them any more."""

from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING

import pandas as pd

from data_contracts.ingestion.reported_work import latest_work
from models.labels.labels import known_rows
from serving.pages.fleet_state.shown_time import ShownTime
from serving.prediction.stored_fleet import StoredTables

if TYPE_CHECKING:
    from serving.worker_context import WorkerContext


def renewal_times(worker: "WorkerContext", shown: ShownTime) -> Mapping[str, pd.Timestamp]:
    """Return each machine's last failure or repair that was known by a time; others have none."""
    stored = worker.predictor.stored.tables
    versions = stored.table("failures").version, stored.table("work_orders").version
    times = _times(stored, versions, None if shown.live else shown.at)
    # What is planned for later has not happened yet.
    return {asset: at for asset, at in times.items() if at <= shown.at} if shown.live else times


@lru_cache(maxsize=4)
def _times(
    stored: StoredTables,
    _versions: tuple[int | None, int | None],
    as_of: pd.Timestamp | None,
) -> Mapping[str, pd.Timestamp]:
    failures, orders = stored.table("failures").frame, stored.table("work_orders").frame
    latest = max((frame["known_time"].max() for frame in (failures, orders) if len(frame)), default=as_of)
    if latest is None:
        return {}
    failures = known_rows(failures, "failure_id", as_of or latest)
    orders = latest_work(orders if as_of is None else orders[orders["known_time"] <= as_of])
    repaired = orders["kind"].eq("corrective") | orders["finding"].eq("defect_confirmed")
    both = pd.concat([failures[["asset", "event_time"]], orders.loc[repaired.fillna(False), ["asset", "event_time"]]])
    if as_of is not None:
        both = both[both["event_time"] <= as_of]
    return dict(both.groupby("asset")["event_time"].max())
