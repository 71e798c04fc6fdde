"""`POST /work-orders`: work that mechanics report, checked and stored once."""

import re
from typing import TYPE_CHECKING

import pandas as pd

from data_contracts.ingestion.reported_work import breaches, report_work_orders
from data_contracts.records.asset_records import find_predictions
from serving.http.errors import NOT_FOUND, UNPROCESSABLE, ApiError, unprocessable
from serving.http.json_bodies import show
from serving.routes.known_assets import check_known
from serving.schemas.answers import StoredWork, WorkOrdersAnswer
from serving.schemas.instants import format_instant
from serving.schemas.planning_requests import WorkOrdersRequest

if TYPE_CHECKING:
    from serving.worker_context import WorkerContext

_TIMES = ("event_time", "known_time")


def store_work_orders(worker: "WorkerContext", request: WorkOrdersRequest) -> WorkOrdersAnswer:
    """Store all reports or, if one breaks a rule (ApiError 422; 404 for what is unknown) or a store is down, none."""
    now = worker.predictor.clock()
    frame = _frame(request, worker.settings.clock_skew_seconds, now)
    known_times = frame["event_time"].where(frame["event_time"] > now, now)
    for breach in breaches(frame.fillna({"known_time": known_times}), now=now):
        value = getattr(request.work_orders[breach.row], breach.column)
        found = format_instant(value) if breach.column in _TIMES else show(value)
        raise unprocessable(f"work_orders[{breach.row}].{breach.column}", found, breach.expected)
    _check_assets(worker, request)
    _check_components(worker, request)
    _check_predictions(worker, request)
    results = report_work_orders(worker.workspace, frame, now=now)
    return WorkOrdersAnswer(
        work_orders=[
            StoredWork(
                work_order_id=order.work_order_id,
                asset=order.asset,
                state=result.state,
                known_time=format_instant(result.known_time),
            )
            for order, result in zip(request.work_orders, results, strict=True)
        ]
    )


def _frame(request: WorkOrdersRequest, skew_seconds: float, now: pd.Timestamp) -> pd.DataFrame:
    frame = pd.DataFrame([order.model_dump() for order in request.work_orders])
    frame = frame.assign(**{name: pd.to_datetime(frame[name], utc=True) for name in _TIMES})
    latest = now + pd.Timedelta(seconds=skew_seconds)
    for name in _TIMES:
        for row in (frame[name] > latest).to_numpy().nonzero()[0]:
            raise unprocessable(
                f"work_orders[{row}].{name}",
                f"the future instant {format_instant(frame[name].iloc[row])}",
                f"an instant up to now, {format_instant(now)}",
                "Report work when it is done; if it is done, set the clock right",
            )
    return frame.astype(dict.fromkeys(_TIMES, "datetime64[us, UTC]"))


def _check_assets(worker: "WorkerContext", request: WorkOrdersRequest) -> None:
    fields = {f"work_orders[{row}].asset": order.asset for row, order in enumerate(request.work_orders)}
    check_known(worker, fields)


def _check_components(worker: "WorkerContext", request: WorkOrdersRequest) -> None:
    """Refuse a component that is written otherwise than in the failures and work orders known already.

    It would count as another one, in features too. A component of another name may be new, and is stored.
    """
    reported = {order.component for order in request.work_orders} - {None}
    if not reported:
        return
    known = worker.predictor.stored.tables.components()
    spelt = {_letters(component): component for component in sorted(known)}
    for row, order in enumerate(request.work_orders):
        if order.component is None or order.component in known or _letters(order.component) not in spelt:
            continue
        meant = spelt[_letters(order.component)]
        raise unprocessable(
            f"work_orders[{row}].component",
            show(order.component),
            "a component as it was written before, or a new one",
            f"Did you mean {meant!r}?",
        )


def _letters(component: str) -> str:
    """Return what is left of a name whatever its capitals, spaces, hyphens and underscores."""
    return re.sub(r"[\s_-]", "", component).casefold()


def _check_predictions(worker: "WorkerContext", request: WorkOrdersRequest) -> None:
    ids = {order.prediction_id for order in request.work_orders if order.prediction_id is not None}
    if not ids:
        return
    predictions = find_predictions(worker.predictor.log.commit.engine(), sorted(ids))
    owner = dict(zip(predictions["prediction_id"], predictions["asset"], strict=True))
    for row, order in enumerate(request.work_orders):
        if order.prediction_id is None or owner.get(order.prediction_id) == order.asset:
            continue
        # What is not there is 404, as anywhere; what contradicts the rest of the report is 422.
        is_known = order.prediction_id in owner
        raise ApiError(
            UNPROCESSABLE if is_known else NOT_FOUND,
            f"work_orders[{row}].prediction_id",
            f"a prediction of {owner[order.prediction_id]}" if is_known else "an unknown id",
            f"the id of a prediction of {order.asset}",
            "Leave it out if no prediction prompted the work",
        )
