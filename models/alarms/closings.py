"""What ends an alarm before its claim is over: failures, repairs, findings, and the end of an asset's service."""

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from models.alarms.alarm import Alarm
from models.labels.labels import CONCLUSIVE_FINDINGS, interventions, known_rows
from models.labels.observation_gaps import retired_spans

Times = tuple[pd.Timestamp, ...]


@dataclass(frozen=True)
class Closings:
    """What was known of assets at a time."""

    renewals: Mapping[str, Times]  # when each failed or was repaired
    findings: Mapping[str, Times]  # when work that an alarm or an audit prompted was conclusive
    retired: Mapping[str, tuple[tuple[pd.Timestamp, pd.Timestamp], ...]]  # from when to when

    def close(self, alarm: Alarm, at: pd.Timestamp) -> bool:
        """Return whether an alarm was closed by a time, whatever it still claims; what is planned closes none."""
        asset, ends = alarm.asset, min(alarm.closes, at)
        return (
            any(alarm.last_alert <= time <= at for time in self.renewals.get(asset, ()))
            or any(alarm.opened < time <= ends for time in self.findings.get(asset, ()))
            or any(begins <= at < ends for begins, ends in self.retired.get(asset, ()))
        )


def closings_known(
    failures: pd.DataFrame, work_orders: pd.DataFrame, records: pd.DataFrame, known_until: pd.Timestamp
) -> Closings:
    """Return what the tables said at a time; `records` are those of assets."""
    failed = known_rows(failures, "failure_id", known_until)
    orders = known_rows(work_orders, "work_order_id", known_until)
    repaired = orders["kind"].eq("corrective") | orders["finding"].eq("defect_confirmed")
    renewed = pd.concat([failed[["asset", "event_time"]], orders.loc[repaired.fillna(False), ["asset", "event_time"]]])
    looked = interventions(orders) if len(orders) else orders
    conclusive = looked[looked["finding"].isin(CONCLUSIVE_FINDINGS)]
    return Closings(_times(renewed), _times(conclusive), _retired(records, known_until))


def _times(rows: pd.DataFrame) -> dict[str, Times]:
    found: dict[str, list[pd.Timestamp]] = {}
    for asset, at in zip(rows["asset"].tolist(), rows["event_time"].tolist(), strict=True):
        found.setdefault(asset, []).append(at)
    return {asset: tuple(times) for asset, times in found.items()}


def _retired(
    records: pd.DataFrame, known_until: pd.Timestamp
) -> dict[str, tuple[tuple[pd.Timestamp, pd.Timestamp], ...]]:
    spans = retired_spans(records, now=known_until)
    ends = spans["ends"].fillna(pd.Timestamp.max.floor("us").tz_localize("UTC"))
    found: dict[str, list[tuple[pd.Timestamp, pd.Timestamp]]] = {}
    for asset, begins, end in zip(spans["asset"].tolist(), spans["begins"].tolist(), ends.tolist(), strict=True):
        found.setdefault(asset, []).append((begins, end))
    return {asset: tuple(own) for asset, own in found.items()}
