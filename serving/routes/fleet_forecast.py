"""The forecasts that a worklist plans by: stored ones that are recent enough, and new ones; who has none, and why."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd

from data_contracts.contract.registered import recorded_type
from data_contracts.ingestion.reported_work import latest_work
from data_contracts.records.asset_records import answers_of, newest_predictions
from data_contracts.tables import tables
from models.artifact.absences import ObservationTerms, assets_beyond
from models.artifact.staleness import Staleness
from models.labels.labels import known_breakdowns
from models.labels.observation_gaps import overlapping, retired_spans
from models.planning.worklist import LeftOut
from serving.http.errors import unprocessable
from serving.routes.forecasts import Forecast, forecasts_from_answer, forecasts_from_rows
from serving.routes.known_assets import check_known
from serving.schemas.planning_requests import WorklistRequest
from serving.schemas.predict_request import PredictRequest

if TYPE_CHECKING:
    from serving.deployment.champion import Champion
    from serving.worker_context import WorkerContext

_HOUR = pd.Timedelta(hours=1)
_EVER = pd.Timestamp(0, tz="UTC")


@dataclass(frozen=True)
class FleetForecast:
    """The forecasts of a fleet."""

    forecasts: Mapping[str, Forecast]  # by asset
    left_out: Mapping[str, LeftOut]  # the assets without a forecast to plan by


def forecast_fleet(
    worker: "WorkerContext", champion: "Champion", request: WorklistRequest, start: pd.Timestamp, now: pd.Timestamp
) -> FleetForecast:
    """Take stored predictions that are recent enough, and predict for the other assets that run."""
    records = worker.predictor.stored.tables.table("assets").frame
    assets, retired = _assets(worker, champion, request, records, start, now)
    left_out = {asset: LeftOut(asset, "retired", "asset retired") for asset in retired}
    states = worker.predictor.stored.asset_states(champion.artifact.recipe.asset_type)
    terms = ObservationTerms.of(champion.artifact)
    absent = states.reasons(dict.fromkeys(sorted(assets), min(start, now)), terms)
    absent |= assets_beyond(worker.workspace, champion.artifact, _at(sorted(assets), min(start, now)))
    left_out |= {asset: _left_out_for(asset, reason.code, reason.words) for asset, reason in absent.items()}
    assets -= set(absent)
    outdated = _Outdated(
        _age_limit(worker, champion, request, start, now), _renewal_times(worker, assets, start, terms.breakdown)
    )
    forecasts = {
        forecast.asset: forecast
        for forecast in _stored(worker, champion, outdated.age.earliest, start)
        if forecast.asset in assets and outdated.why(forecast) is None
    }
    # The latest telemetry has a cut-off of its own for each asset; only the past has one for all.
    as_of = start if start < now else None
    for forecast in _predicted_now(worker, champion, sorted(assets - set(forecasts)), as_of):
        if forecast.reason is not None:
            left_out[forecast.asset] = _left_out_for(forecast.asset, forecast.reason_code, forecast.reason)
        elif (reason := outdated.why(forecast)) is not None:
            left_out[forecast.asset] = reason
        else:
            forecasts[forecast.asset] = forecast
    return FleetForecast(forecasts, left_out)


def _at(assets: Sequence[str], time: pd.Timestamp) -> pd.DataFrame:
    return pd.DataFrame({"asset": list(assets), "as_of": time.as_unit("us")}).astype({"asset": "str"})


@dataclass(frozen=True)
class _AgeLimit:
    """How old the latest reading behind a prediction may be."""

    earliest: pd.Timestamp
    staleness: Staleness | None  # None where the request says it


@dataclass(frozen=True)
class _Outdated:
    """What makes a forecast one that cannot be planned by."""

    age: _AgeLimit
    renewed_at: Mapping[str, pd.Timestamp]

    def why(self, forecast: Forecast) -> LeftOut | None:
        """Say why a forecast is outdated; the age of its telemetry counts, not when it was made."""
        asset = forecast.asset
        if forecast.read_at < self.age.earliest:
            words = f"the latest telemetry is from {forecast.read_at:%Y-%m-%d %H:%M} UTC"
            limit = "" if self.age.staleness is None else f", and {self.age.staleness.describe()}"
            return LeftOut(asset, "stale", f"stale: {words}{limit}")
        if asset in self.renewed_at and forecast.read_at <= self.renewed_at[asset]:
            renewed = f"repaired or failed at {self.renewed_at[asset]:%Y-%m-%d %H:%M} UTC, and no telemetry since"
            return LeftOut(asset, "abstained", f"abstained: {renewed}")
        return None


def _age_limit(
    worker: "WorkerContext", champion: "Champion", request: WorklistRequest, start: pd.Timestamp, now: pd.Timestamp
) -> _AgeLimit:
    if request.max_age_hours is not None:
        return _AgeLimit(start - request.max_age_hours * _HOUR, None)
    staleness, at = worker.predictor.staleness(champion.artifact), min(start, now)
    return _AgeLimit(_EVER if staleness.limit is None else at - staleness.limit, staleness)


def _left_out_for(asset: str, code: str | None, reason: str) -> LeftOut:
    if code == "failed":
        return LeftOut(asset, "failed", reason)
    return (
        LeftOut(asset, "retired", reason) if code == "retired" else LeftOut(asset, "abstained", f"abstained: {reason}")
    )


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
    latest = worker.predictor.stored.latest_telemetry(asset_type)
    fields = {f"per_asset.{asset}": asset for asset in request.per_asset}
    fields |= {f"assets[{index}]": asset for index, asset in enumerate(request.assets or ())}
    check_known(worker, fields, asset_type=asset_type)
    if request.assets is not None:
        assets = set(request.assets)
        repeated = pd.Index(request.assets).duplicated()
        if repeated.any():
            raise unprocessable(f"assets[{repeated.argmax()}]", "an asset again", "each asset once", "Send it once")
    else:
        assets = set(
            records.loc[records["asset_type"] == recorded_type(worker.workspace.contracts, asset_type), "asset"]
        ) | set(latest.known_times())
    names = pd.Series(sorted(assets), dtype="str")
    at = pd.Series(start, index=names.index, dtype="datetime64[us, UTC]")
    spans = retired_spans(records, now=max(start, now))
    retired = set(names[overlapping(names, at - pd.Timedelta(1, "us"), at, spans)])
    return assets - retired, retired


def _renewal_times(
    worker: "WorkerContext", assets: set[str], start: pd.Timestamp, breakdown: pd.Timedelta
) -> dict[str, pd.Timestamp]:
    """Find when assets last failed or were repaired: predictions from earlier telemetry no longer hold."""
    failures, orders = (
        tables.read(worker.workspace, table, assets=sorted(assets), as_of=start)
        for table in ("failures", "work_orders")
    )
    # A later report may move the time of an earlier one: so all are read, and cut by time afterwards.
    failures, orders = known_breakdowns(failures, start, breakdown), latest_work(orders)
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
