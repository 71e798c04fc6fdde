"""Explain a retraining, promotion or alarm in plain sentences, from the records alone; nothing is computed anew."""

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import pandas as pd

from data_contracts.errors import NotFoundError
from data_contracts.records.asset_records import answers_of, find_predictions, latest_predictions
from data_contracts.records.draw_records import AlarmDraw, draws_of
from data_contracts.records.records import decisions, open_records, promotions
from data_contracts.workspace import Workspace
from features.clock import Clock, asset_clock
from models.hold_back.sentences import draw_sentence
from models.outcomes.prediction_sentences import alert_sentence, claim_sentence
from models.registry.ledger import refit_in
from models.registry.promises import PROMISE_ACCEPTED
from models.registry.promotion import Records

Topic = Literal["retraining", "promotion", "alarm"]

# How values of the stored evidence are worded.
_PASSED = {True: "passed", False: "not passed", None: "not judged"}
_RATES = {"fn": "misses", "fp": "false alarms"}


@dataclass(frozen=True)
class Explanation:
    """Why something was decided; the tuples hold plain sentences."""

    question: str
    at: pd.Timestamp
    decision: str
    seen: tuple[str, ...]
    tests: tuple[str, ...] = ()  # which test decided, and how strong its evidence is
    held: tuple[str, ...] = ()  # the gates that blocked the decision
    change: tuple[str, ...] = ()  # what would change the decision

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values."""
        lists = {name: list(getattr(self, name)) for name in ("seen", "tests", "held", "change")}
        return {"question": self.question, "at": self.at.isoformat(), "decision": self.decision, **lists}


def explain_decision(workspace: Workspace, topic: Topic, model_name: str, which: str | None = None) -> Explanation:
    """Explain a decision, a promotion or an alarm.

    `which` is the number of the decision, the version promoted or the prediction's id; the latest if None.
    `NotFoundError` if there is none.
    """
    records = open_records(workspace.records_url)
    if topic == "retraining":
        decided = decisions(records, model_name=model_name)
        decided = decided if which is not None else decided[decided["decision"] != PROMISE_ACCEPTED]
        row = _select_row(decided, "id", which, f"decision about {model_name}")
        return _explain_retraining(row)
    if topic == "promotion":
        row = _select_row(promotions(records, model_name=model_name), "to_version", which, f"promotion of {model_name}")
        return _explain_promotion(row)
    row = _select_row(_candidates(records, model_name, which), "prediction_id", which, f"alarm of {model_name}")
    answer = json.loads(answers_of(records, [row["prediction_id"]]).get(row["prediction_id"], "{}"))
    draw = draws_of(records, [row["prediction_id"]]).get(row["prediction_id"])
    return _explain_alarm(row, asset_clock(workspace, row["asset"]), answer.get("condition"), draw)


def _candidates(records: Records, model_name: str, which: str | None) -> pd.DataFrame:
    """Return the prediction that is asked for, or the latest ones where there is none of that id."""
    if which is None:
        return latest_predictions(records, model_name=model_name, limit=1, alerts_only=True)
    rows = find_predictions(records, [which])
    rows = rows[rows["model_name"] == model_name]
    return rows if len(rows) else latest_predictions(records, model_name=model_name, limit=5)


def _select_row(rows: pd.DataFrame, key: str, which: str | None, what: str) -> Mapping[str, Any]:
    matching = rows if which is None else rows[rows[key].astype(str) == which]
    if matching.empty:
        latest = ", ".join(rows[key].astype(str).tail(5))
        raise NotFoundError(
            f"no {what}" + (f" with the {key.replace('_', ' ')} {which}" if which is not None else ""),
            f"one of those stored, such as {latest}" if latest else "one that was stored",
            "Leave the number out for the latest" if latest else "Nothing of the kind has happened yet",
        )
    row: Mapping[str, Any] = {str(name): value for name, value in matching.iloc[-1].items()}
    return row


def _explain_retraining(row: Mapping[str, Any]) -> Explanation:
    evidence = row["evidence"]
    gates, drift = evidence.get("held", []), evidence.get("drift", {})
    return Explanation(
        question=f"Why was {row['decision']!r} decided? Decision {row['id']} about version {row['model_version']}.",
        at=row["at"],
        decision=row["decision"],
        seen=(
            *row["reasons"],
            *evidence.get("promise", {}).get("sentences", ()),
            *(one["sentence"] for one in drift.get("strata", ())),
            *(f"Noticed: {finding['sentence']}" for finding in evidence.get("diagnosis", {}).get("findings", ())),
            *(f"Noticed: {sentence}" for sentence in evidence.get("warnings", ())),
            *(evidence.get("hold_back") or {}).get("sentences", ()),
            *(f"On probation: {sentence}" for sentence in (evidence.get("probation") or {}).get("reasons", ())),
        ),
        tests=tuple(_describe_tests(drift)),
        held=tuple(f"{gate['gate']}: {gate['reason']}" for gate in gates),
        change=tuple(_what_would_change(row["decision"], gates, drift)),
    )


def _describe_tests(drift: Mapping[str, Any]) -> Iterator[str]:
    for test in drift.get("evidence", ()):
        values = test["log_e_values"]
        state = f"decided on {test['rejected_at'][:10]}" if test["rejected_at"] else "has not decided"
        yield (
            f"{_RATES[test['rate']]}, {test['test']}: log evidence {values[-1] if values else 0.0:.2f} of "
            f"{test['threshold']:.2f} after {len(values)} looks; up to {test['promised']:.3g} keeps the promise, "
            f"{test['harmful']:.3g} harms{_at_last_mix(test)}. It {state}."
        )


def _at_last_mix(test: Mapping[str, Any]) -> str:
    mixes = test.get("mixes")
    return f", {mixes[-1]:.2f} times as much at the last look's mix of {test['strata']}s" if mixes else ""


def _what_would_change(decision: str, gates: list[dict[str, str]], drift: Mapping[str, Any]) -> Iterator[str]:
    yield from (gate["change"] for gate in gates)
    if decision == "hold" and not drift.get("drifted"):
        undecided = [test for test in drift.get("evidence", ()) if test["log_e_values"] and not test["rejected"]]
        if undecided:
            nearest = min(undecided, key=lambda test: test["threshold"] - test["log_e_values"][-1])
            missing = nearest["threshold"] - nearest["log_e_values"][-1]
            yield (
                f"Evidence of {_RATES[nearest['rate']]} ({nearest['test']}) growing by {missing:.2f}: "
                + _events_needed(nearest, missing)
            )


def _events_needed(test: Mapping[str, Any], missing: float) -> str:
    """Say how many events in a row would be enough; each multiplies the evidence by harmful / promised at least."""
    growth = math.log(test["harmful"] / test["promised"])
    count = max(1, math.ceil(missing / growth))
    events = "failures missed" if test["rate"] == "fn" else "false alarms at once"
    # Stored before dependence was allowed for, the events of a look were taken for independent.
    if test.get("dependence", "independent") == "independent":
        return f"about {count} {events} in a row would be enough."
    return f"at least {count} {events} in a row, more where they have one cause."


def _explain_promotion(row: Mapping[str, Any]) -> Explanation:
    comparison = row["evidence"].get("comparison", {})
    previous = "no champion" if pd.isna(row["from_version"]) else f"version {row['from_version']}"
    versions = ", ".join(f"{name} version {number}" for name, number in sorted(row["data_versions"].items()))
    return Explanation(
        question=f"Why is version {row['to_version']} the champion, after {previous}?",
        at=row["at"],
        decision=_kind_of_promotion(row["evidence"]),
        seen=(
            f"By {row['actor']}: {row['reason']}",
            *row["evidence"].get("promise", {}).get("sentences", ()),
            *([f"Evaluated on the table versions {versions}."] if versions else []),
        ),
        tests=tuple(
            f"{check['name']}: {_PASSED[check['passed']]}. {check['sentence']}"
            for check in comparison.get("checks", ())
        ),
    )


def _kind_of_promotion(evidence: Mapping[str, Any]) -> str:
    if evidence.get("rollback"):
        return "rolled back"
    judged = refit_in(evidence)
    return "promoted" if judged is None else f"promoted as the refit of version {judged}"


def _explain_alarm(
    row: Mapping[str, Any], clock: Clock, condition: Mapping[str, Any] | None, draw: AlarmDraw | None
) -> Explanation:
    decision = "an alert" if row["alert"] else "no alert"
    decision += ", held back at random" if draw is not None and draw.held_back else ""
    return Explanation(
        question=f"Why was prediction {row['prediction_id']} of {row['asset']} {decision}?",
        at=row["made_at"],
        decision=decision,
        seen=(claim_sentence(row, clock, condition), *(() if draw is None else (draw_sentence(draw, clock),))),
        tests=() if pd.isna(row["threshold"]) else (alert_sentence(row, clock),),
        change=() if pd.isna(row["threshold"]) else (_opposite_decision(row, clock),),
    )


def _opposite_decision(row: Mapping[str, Any], clock: Clock) -> str:
    if pd.isna(row["probability"]):
        limit = clock.amount(row["threshold"], "g")
        return f"A remaining life of {'more than' if row['alert'] else 'at most'} {limit}."
    return f"A probability {'below' if row['alert'] else 'of at least'} {row['threshold']:.3f}."
