"""The event that an alarm was opened: one for each episode of alerts, written with the alert that opens it.

Alerts of an asset no further apart than the gap are one alarm, which is opened anew each time it outlasts the claim of
its alerts, as `models.outcomes.episodes` counts them. An alert that is held back, that belongs to an alarm announced
already, or whose claim was over when it was made, tells nobody anything.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
import sqlalchemy as sa

from data_contracts.records.outbox.event_kinds import ALARM_OPENED, event_id
from data_contracts.records.outbox.outbox import add_events
from data_contracts.records.outbox.outbox_records import OutboxEvent
from data_contracts.records.record_types import Prediction

_HOUR_S = 3600.0
_MOST_MODELS = 50
"""So many models at most raise alarms about one asset."""


@dataclass(frozen=True)
class AlarmTerms:
    """When alerts are one alarm."""

    gap: pd.Timedelta  # alerts no further apart are one
    claim: pd.Timedelta  # how long an alert claims; more than zero


def add_alarm_events(
    connection: sa.Connection, predictions: Sequence[Prediction], terms: AlarmTerms, *, held_back: Collection[str]
) -> None:
    """Write the events of the alarms that predictions open, after these, within the caller's transaction.

    `held_back` are the ids of alerts that nobody is to act on.
    """
    alerts = sorted((each for each in predictions if each.alert), key=lambda each: each.as_of)
    by_asset: dict[str, list[str]] = {}
    for alert in alerts:
        by_asset.setdefault(alert.asset, []).append(alert.prediction_id)
    for alert in alerts:
        following = by_asset[alert.asset]
        following.remove(alert.prediction_id)
        if alert.prediction_id not in held_back and alert.as_of + terms.claim > alert.made_at:
            began = _began(connection, alert, terms, following)
            if began is not None:
                add_events(connection, [_event(alert, began, terms)])


def _began(
    connection: sa.Connection, alert: Prediction, terms: AlarmTerms, following: Sequence[str]
) -> pd.Timestamp | None:
    """Return when the alerts began that an alert continues, itself if none; None if its alarm is announced already.

    Alerts stored with it, `following` by id, are not there yet for this.
    """
    if _any_alert(connection, alert, alert.as_of, alert.as_of + terms.gap, following):
        return None
    last, before = _announced(connection, alert), alert.as_of - terms.gap - pd.Timedelta(1, "us")
    if last is None or not _any_alert(connection, alert, before, alert.as_of, following):
        return alert.as_of
    began, opened = pd.Timestamp(last["began"]), pd.Timestamp(last["as_of"])
    same = (opened - began) // terms.claim == (alert.as_of - began) // terms.claim
    return None if same else began


def _any_alert(
    connection: sa.Connection, alert: Prediction, after: pd.Timestamp, until: pd.Timestamp, without: Sequence[str]
) -> bool:
    """Return whether there is an alert of the same asset and model with ``after < as_of <= until``, but not its own."""
    table = Prediction.table.c
    query = sa.select(table.as_of).where(
        table.asset == alert.asset,
        table.model_name == alert.model_name,
        table.alert,
        table.as_of > after,
        table.as_of <= until,
        table.as_of != alert.as_of,
        table.prediction_id.not_in(without),
    )
    return connection.execute(query.limit(1)).first() is not None


def _announced(connection: sa.Connection, alert: Prediction) -> dict[str, Any] | None:
    """Return the data of the latest event of an alarm of the same asset and model."""
    table = OutboxEvent.table.c
    query = sa.select(table.data).where(table.subject == alert.asset, table.kind == ALARM_OPENED)
    for (data,) in connection.execute(query.order_by(table.id.desc()).limit(_MOST_MODELS)):
        if data["model"] == alert.model_name:
            latest: dict[str, Any] = data
            return latest
    return None


def _event(alert: Prediction, began: pd.Timestamp, terms: AlarmTerms) -> OutboxEvent:
    data = {
        "asset": alert.asset,
        "model": alert.model_name,
        "model_version": alert.model_version,
        "prediction_id": alert.prediction_id,
        "as_of": alert.as_of.isoformat(),
        "began": began.isoformat(),
        "claim_ends": (alert.as_of + terms.claim).isoformat(),
        "lead_hours": alert.lead_s / _HOUR_S,
        "horizon_hours": alert.horizon_s / _HOUR_S,
        "probability": alert.probability,
        "remaining_life_hours": alert.remaining_life_h,
        "threshold": alert.threshold,
    }
    identifier = event_id(ALARM_OPENED, alert.model_name, alert.asset, alert.as_of.isoformat())
    return OutboxEvent(identifier, ALARM_OPENED, alert.asset, alert.made_at, data)
