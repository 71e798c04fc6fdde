"""The worklist: from the newest prediction of each asset to what is repaired on which day."""

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
from serving.schemas.planning_schemas import LeftOutLine, WorklistAnswer, WorklistLine, WorklistRequest
from serving.schemas.schemas import PredictRequest, format_instant

if TYPE_CHECKING:
    from serving.deployment.champion import Champion
    from serving.worker_context import WorkerContext

_HOUR = pd.Timedelta(hours=1)
_NO_ALERT = "no alert: it can wait for its next prediction"
_FURTHEST = pd.Timedelta(days=366)
# A plan that could save a thousandth more is as good as what goes into it.
_GAP, _SECONDS = 1e-3, 5.0


@dataclass(frozen=True)
class _Foretold:
    """What is foretold of the assets, and why of the others nothing is."""

    told: Mapping[str, Forecast]
    unknown: Mapping[str, LeftOut]


def make_worklist(worker: "WorkerContext", request: WorklistRequest) -> WorklistAnswer:
    """Plan the repairs of a period.

    Parameters
    ----------
    worker
        Predictions, telemetry, and what has happened.
    request
        The period, crews and costs.

    Returns
    -------
    WorklistAnswer

    Raises
    ------
    Refusal
        If the request names an unknown asset, starts too late, or the model tells no probabilities.
    StorageError
        If a store is down.
    """
    champion = worker.champion()
    if champion.artifact.target != "failure":
        raise unprocessable(
            None, "a model of remaining life", "a model that tells how likely failures are", "Serve such a model"
        )
    now = worker.answering.clock()
    start = _start(request, now)
    found = _foretold(worker, champion, request, start, now)
    silent = [asset for asset, told in found.told.items() if request.alerts_only and not told.alert]
    waiting = {asset: LeftOut(asset, "no_alert", _NO_ALERT) for asset in silent}
    jobs = [_job(asset, told, request) for asset, told in found.told.items() if asset not in waiting]
    crews = request.crews
    planned = plan(
        jobs,
        days_from(start, request.days, machines=crews.machines_per_day, hours=crews.hours_per_day),
        start=min(start, now),
        unknown={**found.unknown, **waiting},
        seconds=_SECONDS,
        gap=_GAP,
    )
    return _answer(planned, champion, request, start, found.told)


def _start(request: WorklistRequest, now: pd.Timestamp) -> pd.Timestamp:
    start: pd.Timestamp = now if request.start is None else request.start
    if start > now + _FURTHEST:
        raise unprocessable("start", f"the instant {format_instant(start)}", "a start within a year", "Plan less ahead")
    return start


def _foretold(
    worker: "WorkerContext", champion: "Champion", request: WorklistRequest, start: pd.Timestamp, now: pd.Timestamp
) -> _Foretold:
    records = tables.read(worker.workspace, "assets")
    asked, retired = _assets(worker, champion, request, records, start, now)
    unknown = {asset: LeftOut(asset, "retired", "asset retired") for asset in retired}
    earliest, mended = start - request.max_age_hours * _HOUR, _mended(worker, asked, start)
    told = {
        one.asset: one
        for one in _stored(worker, champion, earliest, start)
        if one.asset in asked and _why_outdated(one, earliest, mended) is None
    }
    # The latest telemetry has a cut-off of its own for each asset; only the past has one for all.
    as_of = start if start < now else None
    for one in _predicted_now(worker, champion, sorted(asked - set(told)), as_of):
        reason = one.reason or _why_outdated(one, earliest, mended)
        if reason is None:
            told[one.asset] = one
        else:
            unknown[one.asset] = LeftOut(one.asset, "abstained", f"abstained: {reason}")
    return _Foretold(told, unknown)


def _why_outdated(one: Forecast, earliest: pd.Timestamp, mended: Mapping[str, pd.Timestamp]) -> str | None:
    """Say why nothing can be planned by a prediction: what counts is the telemetry it goes by, not when it was made."""
    if one.read_at < earliest:
        return f"the latest telemetry is from {one.read_at:%Y-%m-%d %H:%M} UTC"
    if one.asset in mended and one.read_at <= mended[one.asset]:
        return f"mended or failed at {mended[one.asset]:%Y-%m-%d %H:%M} UTC, and no telemetry since"
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
    latest = worker.answering.latest(asset_type)
    named = {f"per_asset.{asset}": asset for asset in request.per_asset}
    named |= {f"assets[{index}]": asset for index, asset in enumerate(request.assets or ())}
    check_known(worker.workspace, latest, named)
    if request.assets is not None:
        asked = set(request.assets)
        if len(asked) < len(request.assets):
            twice = next(index for index, asset in enumerate(request.assets) if asset in request.assets[:index])
            raise unprocessable(f"assets[{twice}]", "an asset again", "each asset once", "Send it once")
    else:
        asked = set(records.loc[records["asset_type"] == asset_type, "asset"]) | set(latest.known_times())
    names = pd.Series(sorted(asked), dtype="str")
    at = pd.Series(start, index=names.index, dtype="datetime64[us, UTC]")
    spans = retired_spans(records, now=max(start, now))
    gone = set(names[overlapping(names, at - pd.Timedelta(1, "us"), at, spans)])
    return asked - gone, gone


def _mended(worker: "WorkerContext", assets: set[str], start: pd.Timestamp) -> dict[str, pd.Timestamp]:
    """Tell when assets last failed or were mended: what was foretold before says nothing of them any more."""
    failures, orders = (
        tables.read(worker.workspace, table, assets=sorted(assets), as_of=start)
        for table in ("failures", "work_orders")
    )
    # What was reported last counts, also where it moves the time: so all is read, and cut by time afterwards.
    failures, orders = known_rows(failures, "failure_id", start), latest_work(orders)
    orders = orders[orders["kind"].eq("corrective") | orders["finding"].eq("defect_confirmed")]
    both = pd.concat([failures[["asset", "event_time"]], orders[["asset", "event_time"]]])
    return dict(both[both["event_time"] <= start].groupby("asset")["event_time"].max())


def _stored(
    worker: "WorkerContext", champion: "Champion", earliest: pd.Timestamp, start: pd.Timestamp
) -> Iterable[Forecast]:
    engine = worker.answering.log.commit.engine()
    rows = newest_predictions(
        engine, model_name=champion.name, model_version=champion.version, since=earliest, until=start
    )
    rows = rows[rows["probability"].notna()]
    return forecasts_from_rows(rows, answers_of(engine, rows["prediction_id"].tolist()).values())


def _predicted_now(
    worker: "WorkerContext", champion: "Champion", assets: Sequence[str], as_of: pd.Timestamp | None
) -> Iterable[Forecast]:
    """Predict for assets without a stored prediction; every prediction is stored."""
    most = worker.settings.max_batch
    for first in range(0, len(assets), most):
        some = list(assets[first : first + most])
        asked = PredictRequest.model_construct(assets=some, as_of=as_of, windows=None, explain=False)
        yield from forecasts_from_answer(worker.answering.answer(asked, champion))


def _job(asset: str, told: Forecast, request: WorklistRequest) -> Job:
    own = request.per_asset.get(asset)
    terms = request.costs.model_dump() | ({} if own is None else own.model_dump(exclude_none=True))
    return Job(
        asset=asset,
        repair_hours=terms.pop("repair_hours", request.repair_hours),
        risk=Risk(told.as_of + told.lead, told.hours, told.probabilities),
        costs=Costs(**terms),
        failures_per_hour_after=request.failures_per_hour_after_repair,
    )


def _answer(
    planned: Worklist, champion: "Champion", request: WorklistRequest, start: pd.Timestamp, told: Mapping[str, Forecast]
) -> WorklistAnswer:
    return WorklistAnswer(
        start=format_instant(start),
        counted_from=format_instant(planned.start),
        until=format_instant(planned.until),
        days=request.days,
        model_name=champion.name,
        model_version=champion.version,
        lines=[_line(rank, line, request, told[line.asset]) for rank, line in enumerate(planned.lines, start=1)],
        left_out=[_left_out(left, told.get(left.asset)) for left in planned.left_out],
        expected_cost=planned.cost,
        expected_cost_without=planned.cost_without,
        saves=planned.saves,
        best=planned.proven,
        another_saves_at_most=planned.optimality_gap,
        notes=list(_notes(planned, request, told)),
    )


def _line(rank: int, line: Line, request: WorklistRequest, told: Forecast) -> WorklistLine:
    own = request.per_asset.get(line.asset)
    return WorklistLine(
        rank=rank,
        asset=line.asset,
        day=line.day,
        begins=format_instant(line.begins),
        latest=format_instant(line.latest),
        repair_hours=own.repair_hours if own and own.repair_hours else request.repair_hours,
        saves=line.saves,
        expected_cost=line.cost,
        expected_cost_without=line.cost_without,
        probability_before=line.fails_before,
        probability_without=line.fails,
        prediction_id=told.prediction_id,
        as_of=format_instant(told.as_of),
    )


def _left_out(left: LeftOut, told: Forecast | None) -> LeftOutLine:
    return LeftOutLine(
        asset=left.asset,
        why=left.why,
        reason=left.reason,
        saves=left.saves,
        latest=None if left.latest is None else format_instant(left.latest),
        prediction_id=None if told is None else told.prediction_id,
        as_of=None if told is None else format_instant(told.as_of),
    )


def _notes(planned: Worklist, request: WorklistRequest, told: Mapping[str, Forecast]) -> Iterable[str]:
    yield "A repair begins with its day and takes that day only; the machine runs until then."
    rate = request.failures_per_hour_after_repair
    yield f"After a repair or failure a machine is as new: it fails {rate:g} times an hour."
    yield f"Costs are counted up to {format_instant(planned.until)}; what is left then has no value."
    ends = [one.as_of + one.lead + one.hours[-1] * _HOUR for one in told.values()]
    if ends and min(ends) < planned.until:
        yield (
            f"Predictions reach to {format_instant(min(ends))} at least; beyond its last horizon a machine's last "
            "hazard goes on."
        )
