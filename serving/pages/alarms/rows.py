"""What a page shows of an alarm: what was found, who has seen it, whether it is silenced, and what became of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from data_contracts.ingestion.reported_work import latest_work
from data_contracts.records.alarm_marks.mark_records import ACKNOWLEDGE, SILENCE, AlarmMark
from data_contracts.records.alarm_marks.marks import marks_of
from data_contracts.records.outcome_records import outcome_rows
from models.labels.labels import CONCLUSIVE_FINDINGS, interventions
from models.outcomes.outcome_ledger import latest_outcomes
from serving.pages.alarms.episodes import Alarm, alarms

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
    acknowledged: AlarmMark | None
    silenced: AlarmMark | None
    outcome: str | None  # by the ledger, once it has matured
    is_open: bool  # its claim runs on, and nothing conclusive was found
    components: tuple[str, ...]  # that are known of the plant, to choose from


def work_order_id(alarm: Alarm) -> str:
    """Return the id of the work order under which the finding on an alarm is entered here."""
    return f"finding-{alarm.prediction_id}"


def alarm_rows(worker: "WorkerContext", *, since: pd.Timestamp, asset: str | None = None) -> list[AlarmRow]:
    """Return the alarms whose claim ends at `since` or later, the latest first; of one asset if it is named."""
    found = alarms(worker, since=since, asset=asset)
    if not found:
        return []
    assets = sorted({each.asset for each in found})
    now, components = worker.predictor.clock(), tuple(sorted(worker.predictor.stored.tables.components()))
    work, outcomes = _work(worker, assets), _outcomes(worker, min(each.opened for each in found))
    marks = [mark for mark in marks_of(worker.predictor.log.commit.engine(), assets) if mark.holds(now)]
    rows = []
    for each in found:
        done = _about(each, work.get(each.asset, ()))
        conclusive = done is not None and done.finding in CONCLUSIVE_FINDINGS
        rows.append(
            AlarmRow(
                alarm=each,
                work=done,
                acknowledged=_mark(each, ACKNOWLEDGE, marks),
                silenced=_mark(each, SILENCE, marks),
                outcome=outcomes.get((each.asset, each.opened)),
                is_open=now <= each.closes and not conclusive,
                components=components,
            )
        )
    return rows


def _work(worker: "WorkerContext", assets: Sequence[str]) -> dict[str, list[dict[str, Any]]]:
    orders = latest_work(worker.predictor.stored.tables.table("work_orders").rows_of(assets))
    work: dict[str, list[dict[str, Any]]] = {}
    for order in interventions(orders).to_dict("records"):
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


def _outcomes(worker: "WorkerContext", since: pd.Timestamp) -> dict[tuple[str, pd.Timestamp], str]:
    engine, now = worker.predictor.log.commit.engine(), worker.predictor.clock()
    rows = outcome_rows(engine, model_name=worker.watch.name, known=now, since=since)
    rows = latest_outcomes(rows[rows["unit"] == "episode"])
    rows = rows[rows["state"] != _PENDING]
    return dict(zip(zip(rows["asset"], rows["at"], strict=True), rows["state"], strict=True))


def _mark(alarm: Alarm, kind: str, marks: Sequence[AlarmMark]) -> AlarmMark | None:
    """Return the mark that holds for an alarm: its own, or a silence that began with an earlier one."""
    own = [mark for mark in marks if (mark.asset, mark.model_name, mark.kind) == (alarm.asset, alarm.model_name, kind)]
    holding = [mark for mark in own if mark.began == alarm.opened or (kind == SILENCE and mark.began <= alarm.opened)]
    return holding[-1] if holding else None


def _none(value: Any) -> Any:
    return None if pd.isna(value) else value
