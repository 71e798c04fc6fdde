"""What people do about an alarm by button: enter a finding and take it back, acknowledge, silence."""

import json
from typing import TYPE_CHECKING

import pandas as pd

from data_contracts.ingestion.reported_work import latest_work
from data_contracts.records.alarm_marks import marks
from data_contracts.records.asset_records import find_predictions
from models.alarms import Alarm
from serving.http.callers.page_paths import own_page
from serving.http.errors import NOT_FOUND, ApiError, unprocessable
from serving.pages.alarms.rows import work_order_id
from serving.pages.fleet_state.alarms import alarms_since
from serving.pages.fleet_state.shown_time import ShownTime
from serving.pages.frame.forms import Form
from serving.pages.frame.local_times import read_local
from serving.pages.frame.page_request import PageRequest
from serving.pages.frame.show import Done
from serving.routes.work_orders import store_work_orders
from serving.schemas.instants import format_instant
from serving.schemas.planning_requests import WorkOrdersRequest
from serving.schemas.request_bodies import parse_body

if TYPE_CHECKING:
    from serving.worker_context import WorkerContext

FINDINGS = ("defect_confirmed", "no_fault_found", "not_inspected")
HOURS = ("8", "24", "72", "168")
_KINDS = ("inspection", "corrective")
_PAGE = "/ui/alarms"
_LONGEST_NOTE, _LONGEST_NAME = 2_000, 255


def enter_finding(worker: "WorkerContext", asked: PageRequest, form: Form) -> Done:
    """Store what was found as a work order that the alarm prompted, as `POST /work-orders` does; later ones correct."""
    alarm, finding = _alarm(worker, form), form.choice("finding", FINDINGS)
    at = _done_at(worker, asked, form, alarm)
    report = {
        "kind": form.choice("kind", _KINDS) if "kind" in form.fields else "inspection",
        "finding": finding,
        "prompted_by": "alarm",
        "prediction_id": alarm.prediction_id,
        "component": form.optional("component", most=_LONGEST_NAME),
        "note": form.optional("note", most=_LONGEST_NOTE),
    }
    _store(worker, alarm, at, {name: value for name, value in report.items() if value is not None})
    return Done(_back(form), "alarms.stored" if at <= alarm.closes else "alarms.stored_outside")


def undo_finding(worker: "WorkerContext", _asked: PageRequest, form: Form) -> Done:
    """Take back what was entered here, by a correction: the work order becomes one that says nothing of the alarm.

    The report itself stays stored. Routine work without a finding neither confirms nor censors anything.
    """
    alarm = _alarm(worker, form)
    at = _entered_at(worker, alarm)
    if at is None:
        raise ApiError(NOT_FOUND, "prediction_id", "an alarm without a finding", "one entered here", "Look at it again")
    _store(worker, alarm, at, {"kind": "routine"})
    return Done(_back(form), "alarms.undone")


def acknowledge(worker: "WorkerContext", asked: PageRequest, form: Form) -> Done:
    """Note that the viewer has seen the alarm."""
    alarm = _alarm(worker, form)
    marks.acknowledge(
        worker.predictor.log.commit.engine(),
        model_name=alarm.model,
        asset=alarm.asset,
        began=alarm.opened,
        actor=asked.viewer.name,
        at=worker.predictor.clock(),
        reason=form.optional("reason", most=marks.LONGEST_REASON),
    )
    return Done(_back(form), "alarms.acknowledged")


def silence(worker: "WorkerContext", asked: PageRequest, form: Form) -> Done:
    """Have the asset's alarms send no messages for so many hours, for a reason."""
    alarm, now = _alarm(worker, form), worker.predictor.clock()
    marks.silence(
        worker.predictor.log.commit.engine(),
        model_name=alarm.model,
        asset=alarm.asset,
        began=alarm.opened,
        actor=asked.viewer.name,
        reason=form.text("reason", most=marks.LONGEST_REASON),
        at=now,
        expires_at=now + pd.Timedelta(hours=int(form.choice("hours", HOURS))),
    )
    return Done(_back(form), "alarms.silenced")


def withdraw(worker: "WorkerContext", asked: PageRequest, form: Form) -> Done:
    """Withdraw an acknowledgement or a silence."""
    engine, mark_id = worker.predictor.log.commit.engine(), form.text("mark_id", most=_LONGEST_NAME)
    marks.withdraw(engine, mark_id, actor=asked.viewer.name, at=worker.predictor.clock())
    return Done(_back(form), "alarms.withdrawn")


def _alarm(worker: "WorkerContext", form: Form) -> Alarm:
    """Find the alarm that an alert opened; ApiError 404 if there is none, or it is held back."""
    identifier = form.text("prediction_id", most=_LONGEST_NAME)
    rows = find_predictions(worker.predictor.log.commit.engine(), [identifier])
    if len(rows):
        row = rows.iloc[0]
        shown = ShownTime(worker.predictor.clock(), live=True)
        for alarm in alarms_since(worker, row["as_of"], shown, asset=row["asset"]):
            if alarm.prediction_id == identifier:
                return alarm
    raise ApiError(
        NOT_FOUND, "prediction_id", "no alarm of this id", "the alert that opened one", "Open the page again"
    )


def _done_at(worker: "WorkerContext", asked: PageRequest, form: Form, alarm: Alarm) -> pd.Timestamp:
    """Return when the work was done: by the form in the plant's time, else as entered before, else by now.

    What is entered after the alarm's claim is over was done by its end, unless the form says otherwise.
    """
    text = form.optional("done_at", most=_LONGEST_NAME)
    if text is None:
        entered = _entered_at(worker, alarm)
        return min(worker.predictor.clock(), alarm.closes) if entered is None else entered
    at = read_local("done_at", text, asked.formats.zone)
    if at <= alarm.opened:
        raise unprocessable("done_at", format_instant(at), f"a time after the alarm, {format_instant(alarm.opened)}")
    return at


def _entered_at(worker: "WorkerContext", alarm: Alarm) -> pd.Timestamp | None:
    """Return when the work was done by the finding entered here; None if there is none."""
    orders = latest_work(worker.predictor.stored.tables.table("work_orders").rows_of([alarm.asset]))
    own = orders[orders["work_order_id"] == work_order_id(alarm)]
    return None if own.empty else pd.Timestamp(own["event_time"].iloc[0])


def _store(worker: "WorkerContext", alarm: Alarm, at: pd.Timestamp, report: dict[str, str]) -> None:
    order = {"work_order_id": work_order_id(alarm), "asset": alarm.asset, "event_time": format_instant(at), **report}
    # By the very rules of reports that programs send.
    store_work_orders(worker, parse_body(json.dumps({"work_orders": [order]}).encode(), WorkOrdersRequest))


def _back(form: Form) -> str:
    """Return the page of ours that the form was on."""
    return own_page(form.fields.get("back"), otherwise=_PAGE)
