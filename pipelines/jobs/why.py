"""Why something was decided: answers from the ledger, in plain sentences."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import pandas as pd

from data_contracts.errors import NotFoundError
from data_contracts.records.records import decisions, open_records, predictions, promotions
from data_contracts.workspace import Workspace
from models.outcomes.prediction_sentences import alert_sentence, claim_sentence

Topic = Literal["retraining", "promotion", "alarm"]
TOPICS: tuple[Topic, ...] = ("retraining", "promotion", "alarm")

# What the columns of the stored evidence are called when they are spoken of.
_PASSED = {True: "passed", False: "not passed", None: "not judged"}
_RATES = {"fn": "misses", "fp": "false alarms"}


@dataclass(frozen=True)
class Explanation:
    """Why something was decided.

    Parameters
    ----------
    question : str
        What was asked.
    at : pd.Timestamp
        When it was decided.
    decision : str
        What was decided.
    seen : tuple of str
        What was seen.
    tests : tuple of str
        Which test, and how sure.
    held : tuple of str
        Which gates held it back.
    change : tuple of str
        What would change the answer.
    """

    question: str
    at: pd.Timestamp
    decision: str
    seen: tuple[str, ...]
    tests: tuple[str, ...] = ()
    held: tuple[str, ...] = ()
    change: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return the answer as plain values."""
        lists = {name: list(getattr(self, name)) for name in ("seen", "tests", "held", "change")}
        return {"question": self.question, "at": self.at.isoformat(), "decision": self.decision, **lists}


def explain_decision(workspace: Workspace, topic: Topic, model_name: str, which: str | None = None) -> Explanation:
    """Say why something was decided.

    Parameters
    ----------
    workspace : Workspace
        Its records are asked.
    topic : {"retraining", "promotion", "alarm"}
        What is asked about.
    model_name : str
        Of the registered model.
    which : str, optional
        The number of a decision, the version that was promoted, or a prediction's id; the latest if None.

    Returns
    -------
    Explanation
        From the records alone: nothing is computed anew.

    Raises
    ------
    NotFoundError
        If nothing of that kind was decided.
    """
    records = open_records(workspace.records_url)
    if topic == "retraining":
        row = _chosen(decisions(records, model_name=model_name), "id", which, f"decision about {model_name}")
        return _of_retraining(row)
    if topic == "promotion":
        row = _chosen(promotions(records, model_name=model_name), "to_version", which, f"promotion of {model_name}")
        return _of_promotion(row)
    told = predictions(records, model_name=model_name)
    alerts = told if which is not None else told[told["alert"]]
    return _of_alarm(_chosen(alerts, "prediction_id", which, f"alarm of {model_name}"))


def _chosen(rows: pd.DataFrame, key: str, which: str | None, what: str) -> Mapping[str, Any]:
    found = rows if which is None else rows[rows[key].astype(str) == which]
    if found.empty:
        known = ", ".join(rows[key].astype(str).tail(5))
        raise NotFoundError(
            f"no {what}" + (f" with the {key.replace('_', ' ')} {which}" if which is not None else ""),
            f"one of those stored, such as {known}" if known else "one that was stored",
            "Leave the number out for the latest" if known else "Nothing of the kind has happened yet",
        )
    row: Mapping[str, Any] = {str(name): value for name, value in found.iloc[-1].items()}
    return row


def _of_retraining(row: Mapping[str, Any]) -> Explanation:
    evidence = row["evidence"]
    held = evidence.get("held", [])
    return Explanation(
        question=f"Why was retraining decided so? Decision {row['id']}, version {row['model_version']} of the model.",
        at=row["at"],
        decision=row["decision"],
        seen=(
            *row["reasons"],
            *(f"Noticed: {one['sentence']}" for one in evidence.get("diagnosis", {}).get("findings", ())),
            *(f"Noticed: {sentence}" for sentence in evidence.get("warnings", ())),
            *(f"On probation: {sentence}" for sentence in (evidence.get("probation") or {}).get("reasons", ())),
        ),
        tests=tuple(_tests(evidence.get("drift", {}))),
        held=tuple(f"{gate['gate']}: {gate['reason']}" for gate in held),
        change=tuple(_change(row["decision"], held, evidence.get("drift", {}))),
    )


def _tests(drift: Mapping[str, Any]) -> Iterator[str]:
    for each in drift.get("evidence", ()):
        values = each["log_e_values"]
        state = f"decided on {each['rejected_at'][:10]}" if each["rejected_at"] else "has not decided"
        yield (
            f"{_RATES[each['rate']]}, {each['test']}: log evidence {values[-1] if values else 0.0:.2f} of "
            f"{each['threshold']:.2f} after {len(values)} looks; up to {each['promised']:.3g} keeps the promise, "
            f"{each['harmful']:.3g} harms. It {state}."
        )


def _change(decision: str, held: list[dict[str, str]], drift: Mapping[str, Any]) -> Iterator[str]:
    yield from (gate["change"] for gate in held)
    if decision == "hold" and not drift.get("drifted"):
        short = [each for each in drift.get("evidence", ()) if each["log_e_values"] and not each["rejected"]]
        if short:
            nearest = min(short, key=lambda each: each["threshold"] - each["log_e_values"][-1])
            missing = nearest["threshold"] - nearest["log_e_values"][-1]
            yield (
                f"Evidence of {_RATES[nearest['rate']]} ({nearest['test']}) growing by {missing:.2f}: "
                + _how_many(nearest, missing)
            )


def _how_many(test: Mapping[str, Any], missing: float) -> str:
    """Say how many events in a row would be enough; each multiplies the evidence by harmful over promised at least."""
    each = math.log(test["harmful"] / test["promised"])
    many = max(1, math.ceil(missing / each))
    what = "failures missed" if test["rate"] == "fn" else "false alarms at once"
    return f"about {many} {what} in a row would do."


def _of_promotion(row: Mapping[str, Any]) -> Explanation:
    comparison = row["evidence"].get("comparison", {})
    before = "no champion" if pd.isna(row["from_version"]) else f"version {row['from_version']}"
    versions = ", ".join(f"{name} {number}" for name, number in sorted(row["data_versions"].items()))
    return Explanation(
        question=f"Why is version {row['to_version']} the champion, after {before}?",
        at=row["at"],
        decision="rolled back" if row["evidence"].get("rollback") else "promoted",
        seen=(f"By {row['actor']}: {row['reason']}", *([f"Judged on the tables {versions}."] if versions else [])),
        tests=tuple(
            f"{check['name']}: {_PASSED[check['passed']]}. {check['sentence']}"
            for check in comparison.get("checks", ())
        ),
    )


def _of_alarm(row: Mapping[str, Any]) -> Explanation:
    decision = "an alert" if row["alert"] else "no alert"
    return Explanation(
        question=f"Why was prediction {row['prediction_id']} of {row['asset']} {decision}?",
        at=row["made_at"],
        decision=decision,
        seen=(claim_sentence(row),),
        tests=() if pd.isna(row["threshold"]) else (alert_sentence(row),),
        change=() if pd.isna(row["threshold"]) else (_opposite(row),),
    )


def _opposite(row: Mapping[str, Any]) -> str:
    if pd.isna(row["probability"]):
        return f"A remaining life of {'more than' if row['alert'] else 'at most'} {row['threshold']:g} hours."
    return f"A probability {'below' if row['alert'] else 'of at least'} {row['threshold']:.3f}."
