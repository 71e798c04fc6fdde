"""`GET /assets/{asset}/history`: an asset's predictions, their outcomes, its failures and its work orders."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import pandas as pd

from data_contracts.ingestion.reported_work import latest_work
from data_contracts.records.asset_records import asset_predictions, latest_asset_outcomes
from data_contracts.records.draw_records import AlarmDraw, draws_of
from data_contracts.tables import tables
from models.labels.labels import known_rows
from serving.http.errors import NOT_FOUND, ApiError, unprocessable
from serving.http.json_bodies import show
from serving.routes.known_assets import check_known
from serving.schemas.answers import FailureRecord, HistoryAnswer, OutcomeRecord, PredictionRecord, WorkRecord
from serving.schemas.instants import format_instant
from serving.schemas.query_parameters import instant_parameter
from serving.schemas.request_bodies import is_name

if TYPE_CHECKING:
    from serving.worker_context import WorkerContext

_HOUR_S = 3600.0
_LIMIT, _MOST = 100, 1_000


def asset_history(worker: "WorkerContext", asset: str, query: Mapping[str, str]) -> HistoryAnswer:
    """Collect an asset's history; ApiError 404 for an unknown asset, 422 for a bad ``since`` or ``limit``."""
    since, limit = _parse_query(query)
    engine = worker.predictor.log.commit.engine()
    if not is_name(asset):
        raise ApiError(NOT_FOUND, "asset", "a text that cannot be an asset's name", "a known asset", "Correct it")
    predictions = asset_predictions(engine, asset, since=since, limit=limit)
    if predictions.empty:
        check_known(worker, {"asset": asset})
    # A later report may move the time of an earlier one: so all are read, and cut by time afterwards.
    orders = _later_than(since, latest_work(tables.read(worker.workspace, "work_orders", assets=[asset])))
    failures = tables.read(worker.workspace, "failures", assets=[asset])
    failures = _later_than(since, known_rows(failures, "failure_id", worker.predictor.clock()))
    failures = failures.sort_values(["event_time", "failure_id"], ascending=[False, True])
    draws = draws_of(engine, predictions["prediction_id"].tolist())
    episodes = latest_asset_outcomes(engine, asset, unit="episode", since=since, limit=limit)
    failed = latest_asset_outcomes(engine, asset, unit="failure", since=since, limit=limit)
    return HistoryAnswer(
        asset=asset,
        since=None if since is None else format_instant(since),
        limit=limit,
        predictions=_records(predictions, lambda row: _prediction(row, draws.get(row["prediction_id"])), limit),
        episodes=_records(episodes, _outcome, limit),
        failures=_records(failures, _failure, limit),
        failure_outcomes=_records(failed, _outcome, limit),
        work_orders=_records(orders, _work, limit),
    )


def _parse_query(query: Mapping[str, str]) -> tuple[pd.Timestamp | None, int]:
    for name in query:
        if name not in ("since", "limit"):
            raise unprocessable(name[:80], "an unknown parameter", "only since, limit", "Remove it")
    limit = query.get("limit", str(_LIMIT))
    if not (limit.isascii() and limit.isdecimal() and len(limit) <= len(str(_MOST)) and 0 < int(limit) <= _MOST):
        raise unprocessable("limit", show(limit), f"a whole number from 1 to {_MOST}")
    return (instant_parameter(query, "since") if "since" in query else None), int(limit)


def _later_than(since: pd.Timestamp | None, rows: pd.DataFrame) -> pd.DataFrame:
    return rows if since is None else rows[rows["event_time"] > since]


def _records(rows: pd.DataFrame, convert: Callable[[Mapping[str, Any]], Any], limit: int) -> list[Any]:
    return [convert({str(name): value for name, value in row.items()}) for row in rows.head(limit).to_dict("records")]


def _prediction(row: Mapping[str, Any], draw: AlarmDraw | None) -> PredictionRecord:
    record = PredictionRecord(
        prediction_id=row["prediction_id"],
        as_of=format_instant(row["as_of"]),
        made_at=format_instant(row["made_at"]),
        probability=_none(row["probability"]),
        remaining_life_hours=_none(row["remaining_life_h"]),
        threshold=_none(row["threshold"]),
        alert=row["alert"] and not (draw is not None and draw.held_back),
        horizon_hours=row["horizon_s"] / _HOUR_S,
        lead_hours=row["lead_s"] / _HOUR_S,
        model_name=row["model_name"],
        model_version=row["model_version"],
        origin=row["origin"],
    )
    if draw is not None:
        record["held_back"] = draw.held_back
    return record


def _outcome(row: Mapping[str, Any]) -> OutcomeRecord:
    return OutcomeRecord(
        at=format_instant(row["at"]),
        state=row["state"],
        known_at=format_instant(row["known_at"]),
        matured_at=format_instant(row["matured_at"]),
        evidence=list(row["evidence"]),
        model_name=row["model_name"],
        model_version=row["model_version"],
    )


def _failure(row: Mapping[str, Any]) -> FailureRecord:
    return FailureRecord(
        failure_id=row["failure_id"],
        event_time=format_instant(row["event_time"]),
        known_time=format_instant(row["known_time"]),
        mode=_none(row.get("mode")),
    )


def _work(row: Mapping[str, Any]) -> WorkRecord:
    return WorkRecord(
        work_order_id=row["work_order_id"],
        event_time=format_instant(row["event_time"]),
        known_time=format_instant(row["known_time"]),
        kind=row["kind"],
        component=_none(row.get("component")),
        finding=_none(row.get("finding")),
        prompted_by=_none(row.get("prompted_by")),
        prediction_id=_none(row.get("prediction_id")),
        note=_none(row.get("note")),
    )


def _none(value: Any) -> Any:
    return None if pd.isna(value) else value
