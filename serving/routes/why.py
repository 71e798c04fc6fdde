"""Why: what was said under a prediction's id, by which model, from what, and what became of it."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import pandas as pd

from data_contracts.ingestion.reported_work import latest_work
from data_contracts.records.answer_records import Answer, find_answers
from data_contracts.records.asset_records import asset_outcomes, find_predictions
from data_contracts.tables import tables
from models.labels.labels import known_rows, reporting_delay
from models.outcomes.outcome_ledger import latest_outcomes
from serving.http.errors import NOT_FOUND, ApiError
from serving.schemas.planning_schemas import WhyAnswer
from serving.schemas.schemas import format_instant, is_name

if TYPE_CHECKING:
    from serving.worker_context import WorkerContext

_HOUR, _HOUR_S = pd.Timedelta(hours=1), 3600.0
NOT_KNOWN_YET = "not_known_yet"
_WORDS = {
    "tp": "The alarm was right: it failed within what was claimed.",
    "tp_prevented": "The alarm was right: mechanics confirmed the defect before it failed.",
    "fp": "The alarm was false: nothing was found, or it did not fail within what was claimed.",
    "unknown": "Someone was sent and did not inspect, so it cannot be known whether the alarm was right.",
    "censored": "It cannot be known whether the alarm was right: someone intervened and told no finding, or the asset "
    "was no longer watched.",
    "pending": "The alarm has not been judged yet.",
    "failed": "It failed within what was claimed, without an alert.",
    "no_failure": "No failure is known within what was claimed.",
}


def tell_why(worker: "WorkerContext", prediction_id: str) -> WhyAnswer:
    """Tell what was said under a prediction's id, and what became of it.

    Parameters
    ----------
    worker
        Records and tables.
    prediction_id
        The id.

    Returns
    -------
    WhyAnswer

    Raises
    ------
    ApiError
        Of status 404 if nothing was said under this id.
    StorageError
        If a store is down.
    """
    engine = worker.answering.log.commit.engine()
    known = is_name(prediction_id)
    rows = find_predictions(engine, [prediction_id]).to_dict("records") if known else []
    answers = find_answers(engine, prediction_id=prediction_id, most=1) if known else []
    if not rows and not answers:
        raise ApiError(
            NOT_FOUND, "prediction_id", "an unknown id", "the id of a stored prediction", "Copy it from an answer"
        )
    said = _said({str(name): value for name, value in rows[0].items()} if rows else {}, *answers)
    said["model_digest"] = said["model_digest"] or _digest(worker, said)
    outcome, evidence, words = _outcome(worker, said)
    shown = {name: format_instant(said[name]) if said[name] is not None else None for name in ("as_of", "made_at")}
    return WhyAnswer(
        **said | shown, outcome=outcome, evidence=evidence, sentences=[*_sentences(said), *_work(worker, said), words]
    )


def _said(row: Mapping[str, Any], answer: Answer | None = None) -> dict[str, Any]:
    """Return what was said as plain values: from the answer as it was given, from the prediction what that lacks."""
    content = {} if answer is None else answer.content
    head: Any = row or vars(answer)
    as_of = head["as_of"]
    return {
        "prediction_id": head["prediction_id"],
        "asset": head["asset"],
        "status": answer.status if answer is not None else "ok",
        "reason": answer.reason if answer is not None else None,
        "as_of": None if pd.isna(as_of) else as_of,
        "made_at": head["made_at"],
        "model_name": head["model_name"],
        "model_version": head["model_version"],
        "model_digest": answer.model_digest if answer is not None else None,
        "horizon_hours": row["horizon_s"] / _HOUR_S if row else None,
        "lead_hours": row["lead_s"] / _HOUR_S if row else None,
        "probability": _none(row.get("probability")),
        "remaining_life_hours": _none(row.get("remaining_life_h")),
        "threshold": _none(row.get("threshold")),
        "alert": bool(row.get("alert", False)),
        "horizons": list(content.get("horizons") or ()),
        "drivers": list(content.get("drivers") or ()),
    }


def _digest(worker: "WorkerContext", said: Mapping[str, Any]) -> str | None:
    """Return the digest of the model if it is the one that answers now."""
    champion = worker.watch.current
    if champion is None or (champion.name, champion.version) != (said["model_name"], said["model_version"]):
        return None
    return champion.artifact.digest


def _outcome(worker: "WorkerContext", said: Mapping[str, Any]) -> tuple[str, list[str], str]:
    """Return what became of it, the ids of what decided that, and the same in words."""
    if said["as_of"] is None or (said["probability"] is None and not said["alert"]):
        return "nothing_claimed", [], "It claimed nothing that could come true."
    opens = said["as_of"] + said["lead_hours"] * _HOUR
    closes = opens + said["horizon_hours"] * _HOUR
    now = worker.answering.clock()
    if said["alert"]:
        row = _episode(worker, said, closes - said["as_of"])
        if row is not None and row["state"] != "pending":
            return row["state"], list(row["evidence"]), _WORDS[row["state"]]
        if row is not None:
            due = f"{_WORDS['pending']} It is due at {_minute(row['matured_at'])}."
            return NOT_KNOWN_YET, [], due
    known = known_rows(tables.read(worker.workspace, "failures", assets=[said["asset"]]), "failure_id", now)
    failed = known[(known["event_time"] > opens) & (known["event_time"] <= closes)].sort_values("event_time")
    if said["alert"]:
        seen = f" A failure at {_minute(failed['event_time'].iloc[0])} is known." if len(failed) else ""
        return NOT_KNOWN_YET, _ids(failed), f"The monitor has not looked at this alarm yet.{seen}"
    if len(failed):
        return "failed", _ids(failed), f"{_WORDS['failed']} It was at {_minute(failed['event_time'].iloc[0])}."
    told_by = closes + reporting_delay(tables.read(worker.workspace, "failures"), known_until=now)
    if now <= told_by:
        ends = f"What it claimed ends at {_minute(closes)}"
        return NOT_KNOWN_YET, [], f"{ends}; by {_minute(told_by)} a failure would most likely have been reported."
    return "no_failure", [], _WORDS["no_failure"]


def _episode(worker: "WorkerContext", said: Mapping[str, Any], claim: pd.Timedelta) -> Mapping[str, Any] | None:
    """Find the alarm episode that an alert belongs to: the last one opened up to then, which lasts a claim at most."""
    engine = worker.answering.log.commit.engine()
    rows = asset_outcomes(engine, said["asset"], since=said["as_of"] - claim - pd.Timedelta(1, "us"))
    own = (rows["unit"] == "episode") & (rows["model_name"] == said["model_name"])
    own &= (rows["model_version"] == said["model_version"]) & (rows["at"] <= said["as_of"])
    found = latest_outcomes(rows[own])
    return None if found.empty else {str(name): value for name, value in found.iloc[-1].items()}


def _ids(failures: pd.DataFrame) -> list[str]:
    return [f"failure:{identity}" for identity in failures["failure_id"]]


def _sentences(said: Mapping[str, Any]) -> Iterator[str]:
    model = f"Version {said['model_version']} of {said['model_name']}"
    if said["reason"] is not None:
        yield f"{model} answered {said['status']} about {said['asset']}: {said['reason']}."
    if said["probability"] is not None and said["as_of"] is not None:
        begins = said["as_of"] + said["lead_hours"] * _HOUR
        ends = begins + said["horizon_hours"] * _HOUR
        yield (
            f"{model} gave {said['asset']} a probability of {said['probability']:.3f} to fail between "
            f"{_minute(begins)} and {_minute(ends)}."
        )
    elif said["remaining_life_hours"] is not None:
        yield f"{model} gave {said['asset']} {said['remaining_life_hours']:.1f} hours of remaining life."
    if said["as_of"] is not None:
        yield f"It used what was known at {_minute(said['as_of'])}, and was made at {_minute(said['made_at'])}."
    if said["threshold"] is not None:
        failure = said["remaining_life_hours"] is None
        rule = f"from {said['threshold']:.3f} on" if failure else f"at {said['threshold']:g} hours and less"
        yield f"It alerts {rule}: this was {'an alert' if said['alert'] else 'no alert'}."
    for driver in said["drivers"]:
        if driver.get("words"):
            yield f"What drove it: {driver['words']}."


def _work(worker: "WorkerContext", said: Mapping[str, Any]) -> Iterator[str]:
    """Tell of the work that was ordered because of it."""
    orders = latest_work(tables.read(worker.workspace, "work_orders", assets=[said["asset"]]))
    if "prediction_id" in orders:  # tables from before it was reported go without
        for row in orders[orders["prediction_id"] == said["prediction_id"]].to_dict("records"):
            found = "no finding yet" if pd.isna(row["finding"]) else row["finding"].replace("_", " ")
            yield f"Work order {row['work_order_id']} of {_minute(row['event_time'])} goes back to it: {found}."


def _minute(time: pd.Timestamp) -> str:
    return f"{time:%Y-%m-%d %H:%M} UTC"


def _none(value: Any) -> Any:
    return None if value is None or pd.isna(value) else value
