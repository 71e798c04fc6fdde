"""What a page shows of an alarm: what was found, who has seen it, whether it is silenced, and what became of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from data_contracts.ingestion.reported_work import latest_work
from data_contracts.records.outcome_records import outcome_rows
from models.alarms import Alarm
from models.labels.labels import CONCLUSIVE_FINDINGS, interventions
from models.outcomes.outcome_ledger import latest_outcomes
from serving.pages.fleet_state.shown_time import ShownTime

if TYPE_CHECKING:
    from serving.worker_context import WorkerContext

_PENDING = "pending"


@dataclass(frozen=True)
class FoundWork:
    """What a work order says of an alarm."""

    work_order_id: str
    at: pd.Timestamp
    kind: str
    finding: str | None  # None until it is reported
    component: str | None
    note: str | None
    entered_here: bool  # then it can be taken back here


@dataclass(frozen=True)
class AlarmRow:
    """An alarm, and what people have done about it."""

    alarm: Alarm
    work: FoundWork | None
    outcome: str | None  # by the ledger, once it has matured
    components: tuple[str, ...]  # that are known of the plant, to choose from


def work_order_id(alarm: Alarm) -> str:
    """Return the id of the work order under which the finding on an alarm is entered here."""
    return f"finding-{alarm.prediction_id}"


def alarm_rows(worker: "WorkerContext", alarms: Sequence[Alarm], shown: ShownTime) -> tuple[AlarmRow, ...]:
    """Return alarms with what was known by a time of what came of them."""
    if not alarms:
        return ()
    components = tuple(sorted(worker.predictor.stored.tables.components()))
    work = _work(worker, sorted({each.asset for each in alarms}), shown)
    outcomes = _outcomes(worker, alarms, shown)
    return tuple(
        AlarmRow(
            alarm=each,
            work=_about(each, work.get(each.asset, ())),
            outcome=outcomes.get((each.model, each.asset, each.opened)),
            components=components,
        )
        for each in alarms
    )


def _work(worker: "WorkerContext", assets: Sequence[str], shown: ShownTime) -> dict[str, list[dict[str, Any]]]:
    orders = worker.predictor.stored.tables.table("work_orders").rows_of(assets)
    if shown.known_by is not None:
        orders = orders[orders["known_time"] <= shown.known_by]
    work: dict[str, list[dict[str, Any]]] = {}
    for order in interventions(latest_work(orders)).to_dict("records"):
        work.setdefault(order["asset"], []).append({str(name): value for name, value in order.items()})
    return work


def _about(alarm: Alarm, orders: Sequence[Mapping[str, Any]]) -> FoundWork | None:
    """Return the work within what an alarm claims, as outcomes count it: what is conclusive first, then the latest."""
    within = [order for order in orders if alarm.opened < order["event_time"] <= alarm.closes]
    if not within:
        return None
    order = max(within, key=lambda each: (each["finding"] in CONCLUSIVE_FINDINGS, each["event_time"]))
    return FoundWork(
        work_order_id=order["work_order_id"],
        at=order["event_time"],
        kind=order["kind"],
        finding=_none(order["finding"]),
        component=_none(order.get("component")),
        note=_none(order.get("note")),
        entered_here=order["work_order_id"] == work_order_id(alarm),
    )


def _outcomes(
    worker: "WorkerContext", alarms: Sequence[Alarm], shown: ShownTime
) -> dict[tuple[str, str, pd.Timestamp], str]:
    engine, found = worker.predictor.log.commit.engine(), dict[tuple[str, str, pd.Timestamp], str]()
    for model in {each.model for each in alarms}:
        since = min(each.opened for each in alarms if each.model == model)
        rows = outcome_rows(engine, model_name=model, known=shown.at, since=since)
        rows = latest_outcomes(rows[rows["unit"] == "episode"])
        rows = rows[rows["state"] != _PENDING]
        found |= {
            (model, asset, at): state for asset, at, state in zip(rows["asset"], rows["at"], rows["state"], strict=True)
        }
    return found


def _none(value: Any) -> Any:
    return None if pd.isna(value) else value
