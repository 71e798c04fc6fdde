"""`POST /worklist`: from each asset's newest prediction to a plan of repairs by day."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd

from data_contracts.ingestion.reported_work import latest_work
from data_contracts.records.asset_records import answers_of, newest_predictions
from data_contracts.tables import tables
from models.labels.labels import known_rows
from models.labels.observation_gaps import overlapping, retired_spans
from models.planning.worklist import Costs, Job, LeftOut, Line, Risk, Worklist, days_from, plan
from serving.http.errors import unprocessable
from serving.prediction.stored_telemetry import check_known
from serving.routes.forecasts import Forecast, forecasts_from_answer, forecasts_from_rows
from serving.schemas.answers import LeftOutLine, WorklistAnswer, WorklistLine
from serving.schemas.instants import format_instant
from serving.schemas.planning_requests import WorklistRequest
from serving.schemas.predict_request import PredictRequest

if TYPE_CHECKING:
    from serving.deployment.champion import Champion
    from serving.worker_context import WorkerContext

_HOUR = pd.Timedelta(hours=1)
_NO_ALERT = "no alert: it can wait for its next prediction"
_FURTHEST = pd.Timedelta(days=366)
# A plan that could save a thousandth more is as good as the numbers that go into it.
_GAP, _SECONDS = 1e-3, 5.0


@dataclass(frozen=True)
class _FleetForecast:
    forecasts: Mapping[str, Forecast]  # by asset
    left_out: Mapping[str, LeftOut]  # the assets without a forecast


def plan_worklist(worker: "WorkerContext", request: WorklistRequest) -> WorklistAnswer:
    """Plan the repairs of a period; ApiError 404 for an unknown asset, 422 for a late start or a model of life."""
    champion = worker.champion()
    if champion.artifact.target != "failure":
        raise unprocessable(
            None, "a model of remaining life", "a model that predicts failure probabilities", "Serve such a model"
        )
    now = worker.predictor.clock()
    start = _start(request, now)
    fleet = _forecast(worker, champion, request, start, now)
    silent = [asset for asset, forecast in fleet.forecasts.items() if request.alerts_only and not forecast.alert]
    waiting = {asset: LeftOut(asset, "no_alert", _NO_ALERT) for asset in silent}
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


def _start(request: WorklistRequest, now: pd.Timestamp) -> pd.Timestamp:
    start: pd.Timestamp = now if request.start is None else request.start
    if start > now + _FURTHEST:
        raise unprocessable("start", f"the instant {format_instant(start)}", "a start within a year", "Plan less ahead")
    return start


def _forecast(
    worker: "WorkerContext", champion: "Champion", request: WorklistRequest, start: pd.Timestamp, now: pd.Timestamp
) -> _FleetForecast:
    """Take stored predictions that are recent enough, and predict for the other assets."""
    records = tables.read(worker.workspace, "assets")
    assets, retired = _assets(worker, champion, request, records, start, now)
    left_out = {asset: LeftOut(asset, "retired", "asset retired") for asset in retired}
    earliest, renewed_at = start - request.max_age_hours * _HOUR, _renewal_times(worker, assets, start)
    forecasts = {
        forecast.asset: forecast
        for forecast in _stored(worker, champion, earliest, start)
        if forecast.asset in assets and _why_outdated(forecast, earliest, renewed_at) is None
    }
    # The latest telemetry has a cut-off of its own for each asset; only the past has one for all.
    as_of = start if start < now else None
    for forecast in _predicted_now(worker, champion, sorted(assets - set(forecasts)), as_of):
        reason = forecast.reason or _why_outdated(forecast, earliest, renewed_at)
        if reason is None:
            forecasts[forecast.asset] = forecast
        else:
            left_out[forecast.asset] = LeftOut(forecast.asset, "abstained", f"abstained: {reason}")
    return _FleetForecast(forecasts, left_out)


def _why_outdated(forecast: Forecast, earliest: pd.Timestamp, renewed_at: Mapping[str, pd.Timestamp]) -> str | None:
    """Say why a forecast cannot be planned by: the age of its telemetry counts, not when it was made."""
    if forecast.read_at < earliest:
        return f"the latest telemetry is from {forecast.read_at:%Y-%m-%d %H:%M} UTC"
    if forecast.asset in renewed_at and forecast.read_at <= renewed_at[forecast.asset]:
        return f"repaired or failed at {renewed_at[forecast.asset]:%Y-%m-%d %H:%M} UTC, and no telemetry since"
    return None


def _assets(
    worker: "WorkerContext",
    champion: "Champion",
    request: WorklistRequest,
    records: pd.DataFrame,
    start: pd.Timestamp,
    now: pd.Timestamp,
) -> tuple[set[str], set[str]]:
    """Return the assets to plan for, those in service and those retired."""
    asset_type = champion.artifact.recipe.asset_type
    latest = worker.predictor.latest_telemetry(asset_type)
    fields = {f"per_asset.{asset}": asset for asset in request.per_asset}
    fields |= {f"assets[{index}]": asset for index, asset in enumerate(request.assets or ())}
    check_known(worker.workspace, latest, fields)
    if request.assets is not None:
        assets = set(request.assets)
        if len(assets) < len(request.assets):
            twice = next(index for index, asset in enumerate(request.assets) if asset in request.assets[:index])
            raise unprocessable(f"assets[{twice}]", "an asset again", "each asset once", "Send it once")
    else:
        assets = set(records.loc[records["asset_type"] == asset_type, "asset"]) | set(latest.known_times())
    names = pd.Series(sorted(assets), dtype="str")
    at = pd.Series(start, index=names.index, dtype="datetime64[us, UTC]")
    spans = retired_spans(records, now=max(start, now))
    retired = set(names[overlapping(names, at - pd.Timedelta(1, "us"), at, spans)])
    return assets - retired, retired


def _renewal_times(worker: "WorkerContext", assets: set[str], start: pd.Timestamp) -> dict[str, pd.Timestamp]:
    """Find when assets last failed or were repaired: predictions from earlier telemetry no longer hold."""
    failures, orders = (
        tables.read(worker.workspace, table, assets=sorted(assets), as_of=start)
        for table in ("failures", "work_orders")
    )
    # A later report may move the time of an earlier one: so all are read, and cut by time afterwards.
    failures, orders = known_rows(failures, "failure_id", start), latest_work(orders)
    orders = orders[orders["kind"].eq("corrective") | orders["finding"].eq("defect_confirmed")]
    both = pd.concat([failures[["asset", "event_time"]], orders[["asset", "event_time"]]])
    return dict(both[both["event_time"] <= start].groupby("asset")["event_time"].max())


def _stored(
    worker: "WorkerContext", champion: "Champion", earliest: pd.Timestamp, start: pd.Timestamp
) -> Iterable[Forecast]:
    engine = worker.predictor.log.commit.engine()
    rows = newest_predictions(
        engine, model_name=champion.name, model_version=champion.version, since=earliest, until=start
    )
    rows = rows[rows["probability"].notna()]
    return forecasts_from_rows(rows, answers_of(engine, rows["prediction_id"].tolist()).values())


def _predicted_now(
    worker: "WorkerContext", champion: "Champion", assets: Sequence[str], as_of: pd.Timestamp | None
) -> Iterable[Forecast]:
    """Predict for assets without a stored prediction; every prediction is stored."""
    batch_size = worker.settings.max_batch
    for first in range(0, len(assets), batch_size):
        batch = list(assets[first : first + batch_size])
        request = PredictRequest.model_construct(assets=batch, as_of=as_of, windows=None, explain=False)
        yield from forecasts_from_answer(worker.predictor.predict(request, champion))


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
