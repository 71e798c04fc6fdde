"""The alarms of a model as people see them: an asset's alerts that belong together, without those held back."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from data_contracts.records.draw_records import announced_alerts
from data_contracts.records.outbox.alarm_events import AlarmTerms
from models.artifact.announcement import USUAL_GAP, announcement_terms
from models.outcomes.episodes import Terms, number_alerts

if TYPE_CHECKING:
    from serving.worker_context import WorkerContext

_NO_TIME = pd.Timedelta(0).as_unit("us")
_SECOND_US = 1_000_000
# So long before the alarms that are shown alerts are read, for when an alarm began depends on those before it.
_BEFORE = pd.Timedelta(days=30)


@dataclass(frozen=True)
class Alarm:
    """Alerts of an asset that are one alarm."""

    prediction_id: str  # of the alert that opened it, which stands for it
    model_name: str
    asset: str
    opened: pd.Timestamp
    last: pd.Timestamp  # the cut-off of its last alert
    closes: pd.Timestamp  # the end of what that one claims
    alerts: int
    probability: float | None  # by its last alert, as is what follows
    remaining_life_h: float | None


def alarms(worker: "WorkerContext", *, since: pd.Timestamp, asset: str | None = None) -> list[Alarm]:
    """Return the alarms whose claim ends at `since` or later, the latest first; of one asset if it is named."""
    rows = announced_alerts(
        worker.predictor.log.commit.engine(),
        model_name=worker.watch.name,
        since=since - _BEFORE,
        until=worker.predictor.clock(),
        asset=asset,
    )
    if rows.empty:
        return []
    numbered = number_alerts(rows, _terms(worker, rows)).set_index(["asset", "as_of"])["episode"]
    keys = pd.MultiIndex.from_frame(rows[["asset", "as_of"]])
    groups = rows.assign(episode=numbered.reindex(keys).to_numpy()).groupby("episode")
    found = [_alarm(alerts) for _, alerts in groups]
    return sorted((each for each in found if each.closes >= since), key=lambda each: (each.opened, each.asset))[::-1]


def _terms(worker: "WorkerContext", rows: pd.DataFrame) -> Terms:
    champion = worker.watch.current
    terms = None if champion is None else announcement_terms(champion.artifact)
    if terms is None:
        last = rows.iloc[-1]
        claim = pd.Timedelta(seconds=last["lead_s"] + last["horizon_s"]).as_unit("us")
        terms = AlarmTerms(USUAL_GAP, claim or USUAL_GAP)
    claim, gap = terms.claim.as_unit("us"), terms.gap.as_unit("us")
    return Terms(lead=_NO_TIME, horizon=claim, gap=gap, reporting_delay=_NO_TIME)


def _alarm(alerts: pd.DataFrame) -> Alarm:
    first, last = alerts.iloc[0], alerts.iloc[-1]
    claim = pd.Timedelta(round(_SECOND_US * (last["lead_s"] + last["horizon_s"])), "us")
    return Alarm(
        prediction_id=first["prediction_id"],
        model_name=first["model_name"],
        asset=first["asset"],
        opened=first["as_of"],
        last=last["as_of"],
        closes=last["as_of"] + claim,
        alerts=len(alerts),
        probability=_number(last["probability"]),
        remaining_life_h=_number(last["remaining_life_h"]),
    )


def _number(value: Any) -> float | None:
    return None if pd.isna(value) else float(value)
