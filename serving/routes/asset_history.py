"""The history of an asset: what was foretold, what became of it, what happened and what was done."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import pandas as pd

from data_contracts.errors import did_you_mean
from data_contracts.ingestion.reported_work import latest_work
from data_contracts.records.asset_records import asset_outcomes, asset_predictions
from data_contracts.tables import tables
from models.labels.labels import known_rows
from models.outcomes.outcome_ledger import latest_outcomes
from serving.http.errors import NOT_FOUND, ApiError, unprocessable
from serving.schemas.planning_schemas import FailureRecord, HistoryAnswer, OutcomeRecord, PredictionRecord, WorkRecord
from serving.schemas.schemas import format_instant, is_name, parse_instant, show

if TYPE_CHECKING:
    from serving.worker_context import WorkerContext

_HOUR_S = 3600.0
_LIMIT, _MOST = 100, 1_000


def tell_history(worker: "WorkerContext", asset: str, query: Mapping[str, str]) -> HistoryAnswer:
    """Tell the history of an asset.

    Parameters
    ----------
    worker
        Records and tables.
    asset
        The asset.
    query
        ``since`` and ``limit``, as texts.

    Returns
    -------
    HistoryAnswer

    Raises
    ------
    ApiError
        Of status 404 if nothing at all is known of the asset, 422 for a query that cannot be understood.
    StorageError
        If a store is down.
    """
    since, limit = _query(query)
    engine = worker.answering.log.commit.engine()
    if not is_name(asset):
        raise ApiError(NOT_FOUND, "asset", "a text that is no asset's name", "a known asset", "Correct it")
    told = asset_predictions(engine, asset, since=since, most=limit)
    _check_asset(worker, asset, known=len(told) > 0)
    # What was reported last counts, also where it moves the time: so all is read, and cut by time afterwards.
    orders = _since(since, latest_work(tables.read(worker.workspace, "work_orders", assets=[asset])))
    failures = tables.read(worker.workspace, "failures", assets=[asset])
    failures = _since(since, known_rows(failures, "failure_id", worker.answering.clock()))
    failures = failures.sort_values(["event_time", "failure_id"], ascending=[False, True])
    became = _outcomes(asset_outcomes(engine, asset, since=since))
    return HistoryAnswer(
        asset=asset,
        since=None if since is None else format_instant(since),
        limit=limit,
        predictions=_each(told, _prediction, limit),
        episodes=_each(became[became["unit"] == "episode"], tell_outcome, limit),
        failures=_each(failures, _failure, limit),
        failure_outcomes=_each(became[became["unit"] == "failure"], tell_outcome, limit),
        work_orders=_each(orders, _work, limit),
    )


def tell_outcome(row: Mapping[str, Any]) -> OutcomeRecord:
    """Tell what is believed of an alarm episode or failure.

    Parameters
    ----------
    row
        Of the ledger of outcomes.

    Returns
    -------
    OutcomeRecord
    """
    times = {name: format_instant(row[name]) for name in ("at", "known_at", "matured_at")}
    return OutcomeRecord(
        **times,
        state=row["state"],
        evidence=list(row["evidence"]),
        model_name=row["model_name"],
        model_version=row["model_version"],
    )


def _outcomes(rows: pd.DataFrame) -> pd.DataFrame:
    last = [latest_outcomes(own).assign(model_name=name) for name, own in rows.groupby("model_name")]
    found = pd.concat(last) if last else rows
    return found.sort_values(["at", "model_name", "model_version"], ascending=[False, True, False])


def _query(query: Mapping[str, str]) -> tuple[pd.Timestamp | None, int]:
    for name in query:
        if name not in ("since", "limit"):
            raise unprocessable(name[:80], "an unknown parameter", "only since, limit", "Remove it")
    limit = query.get("limit", str(_LIMIT))
    if not (limit.isascii() and limit.isdecimal() and len(limit) <= len(str(_MOST)) and 0 < int(limit) <= _MOST):
        raise unprocessable("limit", show(limit), f"a whole number from 1 to {_MOST}")
    if "since" not in query:
        return None, int(limit)
    try:
        return pd.Timestamp(parse_instant(query["since"])), int(limit)
    except ValueError as error:
        # A plus sign in a query that was not escaped is a space.
        raise unprocessable("since", show(query["since"]), str(error), "Correct it, and write + as %2B") from error


def _since(since: pd.Timestamp | None, rows: pd.DataFrame) -> pd.DataFrame:
    return rows if since is None else rows[rows["event_time"] > since]


def _check_asset(worker: "WorkerContext", asset: str, *, known: bool) -> None:
    if known:
        return
    assets = set(tables.read(worker.workspace, "assets")["asset"])
    champion = worker.watch.current
    if asset not in assets and champion is not None:
        assets |= set(worker.answering.latest(champion.artifact.recipe.asset_type).known_times())
    if asset not in assets:
        hint = did_you_mean(asset, sorted(assets)) or "Ingest its record and telemetry first"
        raise ApiError(NOT_FOUND, "asset", f"the unknown asset {asset[:255]!r}", "a known asset", hint)


def _each(rows: pd.DataFrame, tell: Callable[[Mapping[str, Any]], Any], limit: int) -> list[Any]:
    return [tell({str(name): value for name, value in row.items()}) for row in rows.head(limit).to_dict("records")]


def _prediction(row: Mapping[str, Any]) -> PredictionRecord:
    return PredictionRecord(
        prediction_id=row["prediction_id"],
        as_of=format_instant(row["as_of"]),
        made_at=format_instant(row["made_at"]),
        probability=_none(row["probability"]),
        remaining_life_hours=_none(row["remaining_life_h"]),
        threshold=_none(row["threshold"]),
        alert=row["alert"],
        horizon_hours=row["horizon_s"] / _HOUR_S,
        lead_hours=row["lead_s"] / _HOUR_S,
        model_name=row["model_name"],
        model_version=row["model_version"],
        origin=row["origin"],
    )


def _failure(row: Mapping[str, Any]) -> FailureRecord:
    times = {name: format_instant(row[name]) for name in ("event_time", "known_time")}
    return FailureRecord(failure_id=row["failure_id"], mode=_none(row.get("mode")), **times)


def _work(row: Mapping[str, Any]) -> WorkRecord:
    times = {name: format_instant(row[name]) for name in ("event_time", "known_time")}
    texts = {name: _none(row.get(name)) for name in ("component", "finding", "prompted_by", "prediction_id")}
    return WorkRecord(work_order_id=row["work_order_id"], kind=row["kind"], **times, **texts)


def _none(value: Any) -> Any:
    return None if pd.isna(value) else value
