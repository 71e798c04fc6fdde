"""`GET /why/{prediction_id}`: what was predicted, by which model, from which data, and what the outcome was."""

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, cast

import pandas as pd

from data_contracts.ingestion.reported_work import latest_work
from data_contracts.records.answer_records import Answer, find_answers
from data_contracts.records.asset_records import asset_outcomes, find_predictions
from data_contracts.records.draw_records import draws_of
from data_contracts.tables import tables
from data_contracts.tables.readings import read_channel
from data_contracts.tables.telemetry import reconcile
from features.clock import Clock, asset_clock
from models.hold_back.sentences import draw_sentence
from models.labels.condition import Threshold
from models.labels.labels import NO_TIME, known_rows, reporting_delay
from models.outcomes.outcome_ledger import latest_outcomes
from models.outcomes.prediction_sentences import (
    alert_sentence,
    claim_sentence,
    claimed_period,
    to_the_minute,
    with_unit,
)
from serving.http.errors import NOT_FOUND, ApiError
from serving.schemas.answers import WhyAnswer
from serving.schemas.answers.predictions import DriverAnswer
from serving.schemas.instants import format_instant
from serving.schemas.request_bodies import is_name

if TYPE_CHECKING:
    from serving.schemas.answers import Status
    from serving.worker_context import WorkerContext

_HOUR_S = 3600.0
_NOT_KNOWN_YET = "not_known_yet"
_ALERT_OUTCOMES = {
    "tp": "The alarm was right: the asset failed within the claimed period.",
    "tp_prevented": "The alarm was right: mechanics confirmed the defect before it failed.",
    "fp": "The alarm was false: nothing was found, or the asset did not fail within the claimed period.",
    "unknown": "A mechanic was sent and did not inspect, so it cannot be known whether the alarm was right.",
    "censored": "It cannot be known whether the alarm was right: a mechanic intervened and reported no finding, or the "
    "asset was no longer observed.",
}


def explain_prediction(worker: "WorkerContext", prediction_id: str) -> WhyAnswer:
    """Explain a stored prediction or abstention; ApiError 404 for an unknown id."""
    engine = worker.predictor.log.commit.engine()
    is_known = is_name(prediction_id)
    rows = find_predictions(engine, [prediction_id]).to_dict("records") if is_known else []
    answers = find_answers(engine, prediction_id=prediction_id, limit=1) if is_known else []
    if not rows and not answers:
        raise ApiError(
            NOT_FOUND, "prediction_id", "an unknown id", "the id of a stored prediction", "Copy it from an answer"
        )
    prediction = {str(name): value for name, value in rows[0].items()} if rows else {}
    answer = answers[0] if answers else None
    # An abstention has an answer and no prediction; a scheduled scoring's prediction may have no answer.
    head = prediction or vars(answer)
    content = {} if answer is None else answer.content
    draw = draws_of(engine, [prediction_id]).get(prediction_id) if rows else None
    # Earlier versions stored drivers without words, which say nothing here.
    drivers = [each for each in content.get("drivers") or () if each.keys() >= DriverAnswer.__required_keys__]
    clock = asset_clock(worker.workspace, head["asset"])
    condition = content.get("condition")
    state, evidence, outcome = (
        _measured(worker, prediction, clock, condition)
        if condition is not None and condition["value"] is not None
        else _outcome(worker, prediction, clock, condition)
    )
    why = WhyAnswer(
        prediction_id=head["prediction_id"],
        asset=head["asset"],
        status="ok" if answer is None else cast("Status", answer.status),
        reason=None if answer is None else answer.reason,
        reason_code=content.get("reason_code"),
        as_of=None if pd.isna(head["as_of"]) else format_instant(head["as_of"]),
        made_at=format_instant(head["made_at"]),
        model_name=head["model_name"],
        model_version=head["model_version"],
        model_digest=(answer.model_digest if answer else None) or _champion_digest(worker, head),
        horizon_hours=_hours("horizon", content, prediction),
        lead_hours=_hours("lead", content, prediction),
        probability=_none(prediction.get("probability")),
        horizons=list(content.get("horizons") or ()),
        remaining_life_hours=_none(prediction.get("remaining_life_h")),
        remaining_life_interval=content.get("remaining_life_interval"),
        threshold=_none(prediction.get("threshold")),
        alert=bool(prediction["alert"]) and not (draw is not None and draw.held_back) if prediction else None,
        drivers=drivers,
        outcome=state,
        evidence=evidence,
        sentences=[
            *_sentences(prediction, answer, clock, condition),
            *([] if draw is None else [draw_sentence(draw, clock)]),
            *_interval_sentence(content.get("remaining_life_interval"), clock),
            *_driver_sentences(drivers),
            *_work(worker, head, clock),
            outcome,
        ],
    )
    if draw is not None:
        why["held_back"] = draw.held_back
    return why


def _hours(span: str, content: Mapping[str, Any], prediction: Mapping[str, Any]) -> float | None:
    """Return the hours of a span as answered; without an answer, as stored with the prediction."""
    if f"{span}_hours" in content:
        return cast("float | None", content[f"{span}_hours"])
    return prediction[f"{span}_s"] / _HOUR_S if prediction else None


def _champion_digest(worker: "WorkerContext", head: Mapping[str, Any]) -> str | None:
    """Return the digest of the model if it is the champion now."""
    champion = worker.watch.current
    if champion is None or (champion.name, champion.version) != (head["model_name"], head["model_version"]):
        return None
    return champion.artifact.digest


def _measured(
    worker: "WorkerContext", prediction: Mapping[str, Any], clock: Clock, condition: Mapping[str, Any]
) -> tuple[str, list[str], str]:
    """Return what was measured at the time that a value was predicted for, or last before it."""
    at = pd.Timestamp(condition["at"])
    readings = _condition_readings(worker, prediction["asset"], condition["channel"])
    since = readings[(readings["event_time"] > prediction["as_of"]) | (readings["event_time"] == at)]
    due = since[since["event_time"] <= at] if len(readings) else since
    if due.empty:
        return _NOT_KNOWN_YET, [], f"No {condition['channel']} measured up to {clock.moment(at)} is known yet."
    last = due.iloc[-1]
    value = with_unit(last[condition["channel"]], condition)
    return "measured", [], f"Measured up to then: {value} at {clock.moment(last['event_time'])}."


def _condition_readings(worker: "WorkerContext", asset: str, channel: str) -> pd.DataFrame:
    types = tables.read(worker.workspace, "assets", assets=[asset])["asset_type"].dropna()
    champion = worker.watch.current
    asset_type = types.iloc[-1] if len(types) else "" if champion is None else champion.artifact.recipe.asset_type
    rows = read_channel(
        worker.workspace, f"telemetry/{asset_type}", channel, as_of=worker.predictor.clock(), assets=[asset]
    )
    return reconcile(rows, [channel]).dropna(subset=[channel]) if channel in rows else rows.head(0)


def _failures(
    worker: "WorkerContext", asset: str, condition: Mapping[str, Any] | None, now: pd.Timestamp
) -> pd.DataFrame:
    """Return what counts as failures of an asset: those booked, or the crossings of the condition."""
    if condition is None or condition["threshold"] is None:
        return known_rows(tables.read(worker.workspace, "failures", assets=[asset]), "failure_id", now)
    rule = Threshold(condition["channel"], condition["threshold"], condition["direction"])
    readings = _condition_readings(worker, asset, rule.channel)
    return rule.crossings(readings.assign(source="physical"))


def _outcome(
    worker: "WorkerContext", prediction: Mapping[str, Any], clock: Clock, condition: Mapping[str, Any] | None
) -> tuple[str, list[str], str]:
    """Return the outcome's state, the ids of its evidence, and a sentence."""
    if not prediction or (pd.isna(prediction["probability"]) and not prediction["alert"]):
        return "nothing_claimed", [], "It claimed nothing that could come true."
    opens, closes = claimed_period(prediction)
    if prediction["alert"]:
        episode = _episode(worker, prediction, closes - prediction["as_of"])
        if episode is not None and episode["state"] != "pending":
            return episode["state"], list(episode["evidence"]), _ALERT_OUTCOMES[episode["state"]]
        if episode is not None:
            due = f"The outcome of the alarm is due at {clock.moment(episode['matured_at'])}."
            return _NOT_KNOWN_YET, [], due
    now = worker.predictor.clock()
    failures = _failures(worker, prediction["asset"], condition, now)
    failures = failures[(failures["event_time"] > opens) & (failures["event_time"] <= closes)].sort_values("event_time")
    evidence = [f"failure:{identifier}" for identifier in failures["failure_id"]]
    failed_at = clock.moment(failures["event_time"].iloc[0]) if evidence else None
    if prediction["alert"]:
        known = f" A failure at {failed_at} is known." if failed_at else ""
        return _NOT_KNOWN_YET, evidence, f"The monitor has not looked at this alarm yet.{known}"
    if failed_at:
        return "failed", evidence, f"It failed within the claimed period, without an alert, at {failed_at}."
    crossing = condition is not None and condition["threshold"] is not None
    booked = worker.predictor.stored.tables.table("failures").frame
    delay = NO_TIME if crossing else reporting_delay(booked, known_until=now)
    reported_by = closes + delay
    if now <= reported_by:
        ends = f"The claimed period ends at {clock.moment(closes)}"
        return _NOT_KNOWN_YET, [], f"{ends}; a failure would most likely be reported by {clock.moment(reported_by)}."
    return "no_failure", [], "No failure is known within the claimed period."


def _episode(worker: "WorkerContext", alert: Mapping[str, Any], claim: pd.Timedelta) -> Mapping[str, Any] | None:
    """Find an alert's alarm episode: the last one opened by then, which lasts a claim at most."""
    engine = worker.predictor.log.commit.engine()
    rows = asset_outcomes(engine, alert["asset"], since=alert["as_of"] - claim - pd.Timedelta(1, "us"))
    own = (rows["unit"] == "episode") & (rows["model_name"] == alert["model_name"])
    own &= (rows["model_version"] == alert["model_version"]) & (rows["at"] <= alert["as_of"])
    episodes = latest_outcomes(rows[own])
    return None if episodes.empty else {str(name): value for name, value in episodes.iloc[-1].items()}


def _sentences(
    prediction: Mapping[str, Any], answer: Answer | None, clock: Clock, condition: Mapping[str, Any] | None
) -> Iterator[str]:
    if answer is not None and answer.reason is not None:
        model = f"Version {answer.model_version} of {answer.model_name}"
        yield f"{model} answered {answer.status} about {answer.asset}: {answer.reason}."
    if prediction:
        yield claim_sentence(prediction, clock, condition)
    head = prediction or vars(answer)
    if not pd.isna(head["as_of"]):
        as_of, made_at = clock.moment(head["as_of"]), to_the_minute(head["made_at"])
        yield f"It used what was known at {as_of}, and was made at {made_at}."
    if prediction and not pd.isna(prediction["threshold"]):
        yield alert_sentence(prediction, clock)


def _interval_sentence(interval: Mapping[str, float] | None, clock: Clock) -> Iterator[str]:
    if interval is not None:
        low, high = (clock.amount(interval[end], ".3g") for end in ("low", "high"))
        yield f"Its {interval['level']:.0%} interval is {low} to {high}."


def _driver_sentences(drivers: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    return (f"What drove it: {driver['words']}." for driver in drivers if driver["words"])


def _work(worker: "WorkerContext", head: Mapping[str, Any], clock: Clock) -> Iterator[str]:
    """Name the work orders that the prediction prompted."""
    orders = latest_work(tables.read(worker.workspace, "work_orders", assets=[head["asset"]]))
    if "prediction_id" in orders:  # tables from before it was reported go without
        for order in orders[orders["prediction_id"] == head["prediction_id"]].to_dict("records"):
            finding = "no finding yet" if pd.isna(order["finding"]) else order["finding"].replace("_", " ")
            when = clock.moment(order["event_time"])
            yield f"Work order {order['work_order_id']} of {when} was prompted by it: {finding}."


def _none(value: Any) -> Any:
    return None if value is None or pd.isna(value) else value
