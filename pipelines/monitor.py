"""Watching the champion: what it predicted, against what happened since, and what follows from that."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from data_contracts.history import History, read_history
from data_contracts.records import (
    Decision,
    MonitorRun,
    add_decision,
    add_monitor_run,
    decisions,
    open_records,
    predictions,
)
from data_contracts.workspace import Workspace
from models.drift import Drift, Reference, Tolerances, drift
from models.error_rates import ErrorRates, as_json, error_rates
from models.outcomes import Outcomes, Terms, outcomes
from models.promotion import Records, champion_since
from models.retraining_policy import Evidence, Gates, Verdict, decide
from pipelines.champion import Champion, load_champion, terms
from pipelines.report import Mark
from pipelines.settings import Settings
from pipelines.watch_page import write_watch_page


@dataclass(frozen=True)
class MonitorResult:
    """What one look at the champion found.

    Parameters
    ----------
    model_name, model_version
        The champion.
    now : pd.Timestamp
        Nothing known later was used.
    rates : ErrorRates
        Over the period that the decision rests on.
    reference : Reference
        What the champion promised.
    drift : Drift
        How the two compare.
    decision : str
        "retrain" or "hold".
    reasons : tuple of str
        Plain sentences.
    report : Path
        The page that shows it.
    """

    model_name: str
    model_version: int
    now: pd.Timestamp
    rates: ErrorRates
    reference: Reference
    drift: Drift
    decision: str
    reasons: tuple[str, ...]
    report: Path

    def to_dict(self) -> dict[str, Any]:
        """Return the result as plain values."""
        return {
            "model_name": self.model_name,
            "model_version": self.model_version,
            "now": self.now.isoformat(),
            "decision": self.decision,
            "reasons": list(self.reasons),
            "drifted": list(self.drift.which),
            "reference": as_json(asdict(self.reference)),
            "rates": self.rates.to_dict(),
            "report": str(self.report),
        }


def monitor(
    workspace: Workspace, model_name: str, *, now: pd.Timestamp, settings: Settings, known_changes: Sequence[Mark] = ()
) -> MonitorResult:
    """Compare the champion's error rates with what it promised, and decide whether to retrain.

    The decision rests on the champion's own predictions in the trailing span, none older than its promotion and none
    that a retraining was decided on before.

    Parameters
    ----------
    workspace : Workspace
        Records, registry and what is known of failures and work orders.
    model_name : str
        Of the registered model.
    now : pd.Timestamp
        Nothing known later is used.
    settings : Settings
        Span, tolerances and gates.
    known_changes : sequence of pipelines.report.Mark
        Shown in the report; the decision does not see them.

    Returns
    -------
    MonitorResult
        Also stored: the rates as a monitor run, the decision with its reasons and evidence, and the report.

    Raises
    ------
    NotFoundError
        If there is no champion.
    ModelError
        If the champion raises no alerts.
    """
    champion = load_champion(workspace, model_name)
    history = _events(workspace, champion, now)
    rules = terms(champion, history, settings, now=now)
    records = open_records(workspace.records_url)
    start, used = evidence_start(records, champion, settings, now=now)
    told = _told(records, champion, start - rules.claim - rules.gap, now)
    known = _judge(told, history, rules, now)
    rates = error_rates(known, start=start, confidence=settings.monitor_confidence)
    reference = _reference(champion)
    tolerances = Tolerances(settings.monitor_missed_tolerance, settings.monitor_false_tolerance)
    seen = drift(rates, reference, tolerances)
    verdict = _decide(seen, rates, used, settings, now)
    _remember(records, champion, rates, reference, verdict, now)
    report = write_watch_page(
        workspace, champion, history, rules, rates, verdict, known_changes=known_changes, settings=settings, now=now
    )
    return MonitorResult(
        model_name=model_name,
        model_version=champion.model.version,
        now=now,
        rates=rates,
        reference=reference,
        drift=seen,
        decision=verdict.decision,
        reasons=verdict.reasons,
        report=report,
    )


@dataclass(frozen=True)
class LastRetraining:
    """The retraining before this look, whatever came of it.

    Parameters
    ----------
    at : pd.Timestamp
        When.
    used_until : pd.Timestamp
        End of the evidence it rested on.
    """

    at: pd.Timestamp
    used_until: pd.Timestamp


def evidence_start(
    records: Records, champion: Champion, settings: Settings, *, now: pd.Timestamp
) -> tuple[pd.Timestamp, LastRetraining | None]:
    """Settle from when on evidence counts.

    Parameters
    ----------
    records : Records
        The ledger and the decisions.
    champion : Champion
        The model on duty.
    settings : Settings
        The trailing span.
    now : pd.Timestamp
        Its end.

    Returns
    -------
    tuple of pd.Timestamp and LastRetraining or None
        The latest of: a span before now, the champion's promotion, the end of the evidence used before.
    """
    used = last_retraining(records, champion.model.name, now=now)
    since = champion_since(records, champion.model.name, champion.model.version)
    begins = [now - settings.monitor_span]
    begins += [] if since is None else [since]
    begins += [] if used is None else [used.used_until]
    return max(begins), used


def last_retraining(records: Records, model_name: str, *, now: pd.Timestamp) -> LastRetraining | None:
    """Return the latest retraining, promoted or rejected, of the decisions up to now."""
    made = decisions(records, model_name=model_name)
    made = made[made["decision"].isin(["promoted", "rejected"]) & (made["at"] <= now)]
    if made.empty:
        return None
    latest = made.iloc[-1]
    return LastRetraining(pd.Timestamp(latest["at"]), pd.Timestamp(latest["evidence"]["used_until"]))


def _events(workspace: Workspace, champion: Champion, now: pd.Timestamp) -> History:
    data = champion.experiment.data
    # Failures and work orders are asked for; `start` leaves the telemetry where it is.
    return read_history(workspace, data.asset_type, plant=data.plant, as_of=now, start=now)


def _told(records: Records, champion: Champion, since: pd.Timestamp, now: pd.Timestamp) -> pd.DataFrame:
    stored = predictions(records, model_name=champion.model.name, since=since, until=now)
    return stored[stored["model_version"] == champion.model.version]


def _judge(told: pd.DataFrame, history: History, rules: Terms, now: pd.Timestamp) -> Outcomes:
    return outcomes(told, history.failures, history.work_orders, now=now, terms=rules)


def _reference(champion: Champion) -> Reference:
    promised, version = champion.model.reference, champion.model.version
    if promised is None:
        return Reference(float("nan"), float("nan"), f"the evaluation of version {version}")
    return Reference(promised.missed.value, promised.false_episodes.value, f"the evaluation of version {version}")


def _decide(
    seen: Drift, rates: ErrorRates, used: LastRetraining | None, settings: Settings, now: pd.Timestamp
) -> Verdict:
    evidence = Evidence(
        drift=seen,
        failures=int(rates.missed.of),
        start=rates.start,
        end=rates.end,
        used_until=None if used is None else used.used_until,
        last_retraining=None if used is None else used.at,
    )
    return decide(evidence, Gates(settings.retrain_cooldown, settings.retrain_min_failures), now=now)


def _remember(
    records: Records,
    champion: Champion,
    rates: ErrorRates,
    reference: Reference,
    verdict: Verdict,
    now: pd.Timestamp,
) -> None:
    name, version = champion.model.name, champion.model.version
    figures = rates.to_dict()
    promised = as_json(asdict(reference))
    add_monitor_run(records, MonitorRun(at=now, model_name=name, model_version=version, rates=figures))
    add_decision(
        records,
        Decision(
            at=now,
            model_name=name,
            model_version=version,
            decision=verdict.decision,
            reasons=list(verdict.reasons),
            evidence={"rates": figures, "reference": promised},
        ),
    )
