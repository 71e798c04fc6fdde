"""`POST /worklist`: from each asset's newest prediction to a plan of repairs by day."""

from typing import TYPE_CHECKING, cast

import pandas as pd

from models.planning.worklist import Costs
from models.scheduling.fleet_plan import FleetPlan, PlanTerms, RepairTerms, held_back_assets, plan_fleet
from serving.http import request_context
from serving.http.errors import unprocessable
from serving.routes.fleet_forecast import forecast_fleet
from serving.schemas.answers import WorklistAnswer
from serving.schemas.instants import format_instant
from serving.schemas.planning_requests import WorklistRequest

if TYPE_CHECKING:
    from serving.worker_context import WorkerContext

_OTHER_TARGETS = {
    "remaining_life": "a model of remaining life",
    "condition": "a model of a condition's value",
    "anomaly": "a model of anomalies",
}
_FURTHEST = pd.Timedelta(days=366)


def plan_worklist(worker: "WorkerContext", request: WorklistRequest) -> WorklistAnswer:
    """Plan the repairs of a period, as `fleet_plan` does, for a program."""
    return cast("WorklistAnswer", fleet_plan(worker, request, predict=True).to_dict())


def fleet_plan(worker: "WorkerContext", request: WorklistRequest, *, predict: bool) -> FleetPlan:
    """Plan the repairs of a period; ApiError 404 for an unknown asset, 422 for a late start or a model of life.

    `predict` says whether assets without a prediction that holds get one, which is stored, or are left out.
    """
    champion = worker.champion()
    if champion.artifact.target != "failure":
        raise unprocessable(
            None,
            _OTHER_TARGETS[champion.artifact.target],
            "a model that predicts failure probabilities",
            "Serve such one",
        )
    if champion.artifact.clock.cycle is not None:
        found = f"a model of {champion.artifact.recipe.asset_type}, whose times count cycles"
        remedy = "Rank the assets by what /predict answers; nobody knows how many cycles a day has"
        raise unprocessable(None, found, "a model in time, as repairs are planned by days and hours", remedy)
    now = worker.predictor.clock()
    start = _start(request, now)
    fleet = forecast_fleet(worker, champion, request, start, now, predict=predict)
    request_context.stop_if_late()
    engine = worker.predictor.log.commit.engine()
    hold_back = worker.predictor.policy.hold_back
    return plan_fleet(
        fleet,
        _terms(request),
        model=(champion.name, champion.version),
        start=start,
        now=now,
        held_back=held_back_assets(engine, model_name=champion.name, at=start) if hold_back else {},
    )


def _start(request: WorklistRequest, now: pd.Timestamp) -> pd.Timestamp:
    start: pd.Timestamp = now if request.start is None else request.start
    if start > now + _FURTHEST:
        raise unprocessable("start", f"the instant {format_instant(start)}", "a start within a year", "Plan less ahead")
    return start


def _terms(request: WorklistRequest) -> PlanTerms:
    usual = {"repair_hours": request.repair_hours, **request.costs.model_dump()}
    own = {asset: usual | terms.model_dump(exclude_none=True) for asset, terms in request.per_asset.items()}
    return PlanTerms(
        days=request.days,
        machines_per_day=request.crews.machines_per_day,
        hours_per_day=request.crews.hours_per_day,
        repair=_repair(usual),
        per_asset={asset: _repair(terms) for asset, terms in own.items()},
        alerts_only=request.alerts_only,
        failures_per_hour_after_repair=request.failures_per_hour_after_repair,
    )


def _repair(terms: dict[str, float]) -> RepairTerms:
    costs = {name: value for name, value in terms.items() if name != "repair_hours"}
    return RepairTerms(terms["repair_hours"], Costs(**costs))
