"""`POST /worklist`: from each asset's newest prediction to a plan of repairs by day."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import pandas as pd

from data_contracts.records.draw_records import held_back_until
from models.planning.worklist import Costs, Job, LeftOut, Line, Risk, Worklist, days_from, plan
from serving.http import request_context
from serving.http.errors import unprocessable
from serving.routes.fleet_forecast import forecast_fleet
from serving.routes.forecasts import Forecast
from serving.schemas.answers import LeftOutLine, WorklistAnswer, WorklistLine
from serving.schemas.instants import format_instant
from serving.schemas.planning_requests import WorklistRequest

if TYPE_CHECKING:
    from serving.deployment.champion import Champion
    from serving.worker_context import WorkerContext

_HOUR = pd.Timedelta(hours=1)
_EVER = pd.Timestamp(0, tz="UTC")
_NO_ALERT = "no alert: it can wait for its next prediction"
_OTHER_TARGETS = {
    "remaining_life": "a model of remaining life",
    "condition": "a model of a condition's value",
    "anomaly": "a model of anomalies",
}
_FURTHEST = pd.Timedelta(days=366)
# A plan that could save a thousandth more is as good as the numbers that go into it.
_GAP, _SECONDS = 1e-3, 5.0


def plan_worklist(worker: "WorkerContext", request: WorklistRequest) -> WorklistAnswer:
    """Plan the repairs of a period; ApiError 404 for an unknown asset, 422 for a late start or a model of life."""
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
    fleet = forecast_fleet(worker, champion, request, start, now)
    request_context.stop_if_late()
    silent = [asset for asset, forecast in fleet.forecasts.items() if request.alerts_only and not forecast.alert]
    waiting = {asset: LeftOut(asset, "no_alert", _NO_ALERT) for asset in silent}
    waiting |= _held_back(worker, champion, fleet.forecasts, start)
    jobs = [_job(asset, forecast, request) for asset, forecast in fleet.forecasts.items() if asset not in waiting]
    crews = request.crews
    worklist = plan(
        jobs,
        days_from(start, request.days, machines=crews.machines_per_day, hours=crews.hours_per_day),
        start=min(start, now),
        unknown={**fleet.left_out, **waiting},
        seconds=_SECONDS,
        gap=_GAP,
    )
    return _answer(worklist, champion, request, start, fleet.forecasts)


def _held_back(
    worker: "WorkerContext", champion: "Champion", forecasts: Mapping[str, Forecast], start: pd.Timestamp
) -> dict[str, LeftOut]:
    """Return the assets whose alarm is held back: nobody is to act on them, whatever their probability."""
    if not worker.predictor.policy.hold_back:
        return {}
    held = held_back_until(worker.predictor.log.commit.engine(), model_name=champion.name, at=start)
    return {
        asset: LeftOut(asset, "held_back", f"its alarm is held back at random until {until:%Y-%m-%d %H:%M} UTC")
        for asset, until in held.items()
        if asset in forecasts
    }


def _start(request: WorklistRequest, now: pd.Timestamp) -> pd.Timestamp:
    start: pd.Timestamp = now if request.start is None else request.start
    if start > now + _FURTHEST:
        raise unprocessable("start", f"the instant {format_instant(start)}", "a start within a year", "Plan less ahead")
    return start


def _job(asset: str, forecast: Forecast, request: WorklistRequest) -> Job:
    own = request.per_asset.get(asset)
    terms = request.costs.model_dump() | ({} if own is None else own.model_dump(exclude_none=True))
    return Job(
        asset=asset,
        repair_hours=terms.pop("repair_hours", request.repair_hours),
        risk=Risk(forecast.as_of + forecast.lead, forecast.hours, forecast.probabilities),
        costs=Costs(**terms),
        failures_per_hour_after=request.failures_per_hour_after_repair,
    )


def _answer(
    worklist: Worklist,
    champion: "Champion",
    request: WorklistRequest,
    start: pd.Timestamp,
    forecasts: Mapping[str, Forecast],
) -> WorklistAnswer:
    return WorklistAnswer(
        start=format_instant(start),
        counted_from=format_instant(worklist.start),
        until=format_instant(worklist.until),
        days=request.days,
        model_name=champion.name,
        model_version=champion.version,
        lines=[_line(rank, line, request, forecasts[line.asset]) for rank, line in enumerate(worklist.lines, start=1)],
        left_out=[_left_out(left, forecasts.get(left.asset)) for left in worklist.left_out],
        expected_cost=worklist.cost,
        expected_cost_without=worklist.cost_without,
        saves=worklist.saves,
        best=worklist.proven,
        another_saves_at_most=worklist.optimality_gap,
        notes=list(_notes(worklist, request, forecasts)),
    )


def _line(rank: int, line: Line, request: WorklistRequest, forecast: Forecast) -> WorklistLine:
    own = request.per_asset.get(line.asset)
    return WorklistLine(
        rank=rank,
        asset=line.asset,
        action="repair",
        day=line.day,
        begins=format_instant(line.begins),
        latest=format_instant(line.latest),
        repair_hours=own.repair_hours if own and own.repair_hours else request.repair_hours,
        saves=line.saves,
        expected_cost=line.cost,
        expected_cost_without=line.cost_without,
        probability_before=line.fails_before,
        probability_without=line.fails,
        prediction_id=forecast.prediction_id,
        as_of=format_instant(forecast.as_of),
    )


def _left_out(left: LeftOut, forecast: Forecast | None) -> LeftOutLine:
    return LeftOutLine(
        asset=left.asset,
        why=left.why,
        reason=left.reason,
        saves=left.saves,
        latest=None if left.latest is None else format_instant(left.latest),
        prediction_id=None if forecast is None else forecast.prediction_id,
        as_of=None if forecast is None else format_instant(forecast.as_of),
    )


def _notes(worklist: Worklist, request: WorklistRequest, forecasts: Mapping[str, Forecast]) -> Iterable[str]:
    yield "A repair begins with its day and takes that day only; the machine runs until then."
    rate = request.failures_per_hour_after_repair
    yield f"After a repair or failure a machine is as new: it fails {rate:g} times an hour."
    yield f"Costs are counted up to {format_instant(worklist.until)}; remaining life has no value after it."
    ends = [forecast.as_of + forecast.lead + forecast.hours[-1] * _HOUR for forecast in forecasts.values()]
    if ends and min(ends) < worklist.until:
        yield (
            f"Predictions reach to {format_instant(min(ends))} at least; beyond its last horizon a machine's last "
            "hazard rate continues."
        )
