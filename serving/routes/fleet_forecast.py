"""The forecasts that a worklist plans by: stored ones that are recent enough, and new ones; who has none, and why."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import pandas as pd

from data_contracts.contract.registered import recorded_type
from models.artifact.absences import ObservationTerms, assets_beyond
from models.planning.worklist import LeftOut
from models.scheduling.forecasts import Forecast, stored_forecasts
from models.scheduling.usable_forecasts import (
    AgeLimit,
    FleetForecast,
    Outdated,
    left_out_for,
    renewal_times,
    retired_at,
)
from serving.http.errors import unprocessable
from serving.routes.forecasts import forecasts_from_answer
from serving.routes.known_assets import check_known
from serving.schemas.planning_requests import WorklistRequest
from serving.schemas.predict_request import PredictRequest

if TYPE_CHECKING:
    from serving.deployment.champion import Champion
    from serving.worker_context import WorkerContext

_HOUR = pd.Timedelta(hours=1)
_NONE_HOLDS = "no prediction that holds; POST /predict or `forewarn score` makes one"


def forecast_fleet(
    worker: "WorkerContext",
    champion: "Champion",
    request: WorklistRequest,
    start: pd.Timestamp,
    now: pd.Timestamp,
    *,
    predict: bool,
) -> FleetForecast:
    """Take stored predictions that are recent enough; predict for the other assets that run, or else leave them out.

    Each prediction that is made is stored, and may open an alarm: what only shows a plan makes none.
    """
    records = worker.predictor.stored.tables.table("assets").frame
    assets, retired = _assets(worker, champion, request, records, start, now)
    left_out = {asset: LeftOut(asset, "retired", "asset retired") for asset in retired}
    states = worker.predictor.stored.asset_states(champion.artifact.recipe.asset_type)
    terms = ObservationTerms.of(champion.artifact)
    absent = states.reasons(dict.fromkeys(sorted(assets), min(start, now)), terms)
    absent |= assets_beyond(worker.workspace, champion.artifact, _at(sorted(assets), min(start, now)))
    left_out |= {asset: left_out_for(asset, reason.code, reason.words) for asset, reason in absent.items()}
    assets -= set(absent)
    outdated = Outdated(
        _age_limit(worker, champion, request, start, now),
        renewal_times(worker.workspace, assets, start=start, breakdown=terms.breakdown),
    )
    stored = stored_forecasts(
        worker.predictor.log.commit.engine(),
        model_name=champion.name,
        model_version=champion.version,
        since=outdated.age.earliest,
        until=start,
    )
    forecasts = {
        forecast.asset: forecast for forecast in stored if forecast.asset in assets and outdated.why(forecast) is None
    }
    if not predict:
        missing = assets - set(forecasts)
        return FleetForecast(forecasts, left_out | {asset: left_out_for(asset, None, _NONE_HOLDS) for asset in missing})
    # The latest telemetry has a cut-off of its own for each asset; only the past has one for all.
    as_of = start if start < now else None
    for forecast in _predicted_now(worker, champion, sorted(assets - set(forecasts)), as_of):
        if forecast.reason is not None:
            left_out[forecast.asset] = left_out_for(forecast.asset, forecast.reason_code, forecast.reason)
        elif (reason := outdated.why(forecast)) is not None:
            left_out[forecast.asset] = reason
        else:
            forecasts[forecast.asset] = forecast
    return FleetForecast(forecasts, left_out)


def _at(assets: Sequence[str], time: pd.Timestamp) -> pd.DataFrame:
    return pd.DataFrame({"asset": list(assets), "as_of": time.as_unit("us")}).astype({"asset": "str"})


def _age_limit(
    worker: "WorkerContext", champion: "Champion", request: WorklistRequest, start: pd.Timestamp, now: pd.Timestamp
) -> AgeLimit:
    if request.max_age_hours is not None:
        return AgeLimit(start - request.max_age_hours * _HOUR, None)
    return AgeLimit.of(worker.predictor.staleness(champion.artifact), min(start, now))


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
    retired = retired_at(records, assets, start=start, now=now)
    return assets - retired, retired


def _predicted_now(
    worker: "WorkerContext", champion: "Champion", assets: Sequence[str], as_of: pd.Timestamp | None
) -> Iterable[Forecast]:
    """Predict for assets without a stored prediction; every prediction is stored."""
    batch_size = worker.settings.max_batch
    for first in range(0, len(assets), batch_size):
        batch = list(assets[first : first + batch_size])
        request = PredictRequest.model_construct(assets=batch, as_of=as_of, windows=None, explain=False)
        yield from forecasts_from_answer(worker.predictor.predict(request, champion))
