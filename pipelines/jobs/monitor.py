"""Watching the champion: what it predicted, against what happened since, and what follows from that."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from data_contracts.records.records import Decision, MonitorRun, add_decision, add_monitor_run, open_records
from data_contracts.workspace import Workspace
from models.diagnosis.diagnosis import Diagnosis
from models.monitoring.drift import Drift, ReferenceRates
from models.monitoring.probation import Probation
from models.outcomes.error_rates import ErrorRates, as_json
from models.outcomes.outcome_ledger import append_outcomes
from models.retraining.retraining_policy import RetrainingDecision, RetrainingTrigger, decide
from pipelines.evidence.monitoring_snapshot import MonitoringSnapshot, gates, gather_snapshot
from pipelines.reports.report import Mark
from pipelines.reports.watch_page import write_watch_page
from pipelines.settings.settings import Settings


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
    promise : ReferenceRates
        What the champion was promoted with.
    diagnosis : Diagnosis
        What is wrong with the data or the plant.
    drift : Drift
        How rates and promise compare.
    verdict : RetrainingDecision
        "retrain", "hold" or "ask", with the reasons.
    report : Path
        The page that shows it.
    probation : Probation or None
        Where the champion's probation stands, while there is one.
    warnings : tuple of str
        What can be seen before any outcome; it decides nothing.
    """

    model_name: str
    model_version: int
    now: pd.Timestamp
    rates: ErrorRates
    promise: ReferenceRates
    diagnosis: Diagnosis
    drift: Drift
    verdict: RetrainingDecision
    report: Path
    probation: Probation | None = None
    warnings: tuple[str, ...] = ()

    @property
    def decision(self) -> str:
        """Return "retrain", "hold" or "ask"."""
        return self.verdict.decision

    @property
    def reasons(self) -> tuple[str, ...]:
        """Return plain sentences."""
        return self.verdict.reasons

    def to_dict(self) -> dict[str, Any]:
        """Return the result as plain values."""
        return {
            "model_name": self.model_name,
            "model_version": self.model_version,
            "now": self.now.isoformat(),
            "decision": self.decision,
            "reasons": list(self.reasons),
            "diagnosis": self.diagnosis.to_dict(),
            "drifted": list(self.drift.which),
            "promise": as_json(asdict(self.promise)),
            "evidence": self.drift.to_dict()["evidence"],
            **{name: self.verdict.to_dict()[name] for name in ("held", "occasion", "urgent")},
            "rates": self.rates.to_dict(),
            "probation": None if self.probation is None else self.probation.to_dict(),
            "warnings": list(self.warnings),
            "report": str(self.report),
        }


def monitor_champion(
    workspace: Workspace, model_name: str, *, now: pd.Timestamp, settings: Settings, known_changes: Sequence[Mark] = ()
) -> MonitorResult:
    """Test the champion's error rates against what it promised, and decide whether to retrain.

    Parameters
    ----------
    workspace : Workspace
        Records, registry and what is known of failures and work orders.
    model_name : str
        Of the registered model.
    now : pd.Timestamp
        Nothing known later is used.
    settings : Settings
        Span, budget and gates.
    known_changes : sequence of pipelines.reports.report.Mark
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
    snapshot = gather_snapshot(workspace, model_name, now=now, settings=settings)
    verdict = decide_retraining(workspace, snapshot, now=now, settings=settings)
    report = write_watch_page(workspace, snapshot, verdict, known_changes=known_changes, settings=settings, now=now)
    return MonitorResult(
        model_name=model_name,
        model_version=snapshot.champion.model.version,
        now=now,
        rates=snapshot.rates,
        promise=snapshot.promise,
        diagnosis=snapshot.diagnosis,
        drift=snapshot.drift,
        verdict=verdict,
        report=report,
        probation=snapshot.probation,
        warnings=snapshot.warnings,
    )


def decide_retraining(
    workspace: Workspace,
    snapshot: MonitoringSnapshot,
    *,
    now: pd.Timestamp,
    settings: Settings,
    occasion: RetrainingTrigger = "drift",
) -> RetrainingDecision:
    """Decide whether to retrain, and store the decision with what it rests on.

    Parameters
    ----------
    workspace : Workspace
        Records.
    snapshot : MonitoringSnapshot
        From `pipelines.evidence.monitoring_snapshot.gather_snapshot`.
    now : pd.Timestamp
        When it is decided.
    settings : Settings
        Gates.
    occasion : {"drift", "calendar"}
        What asks for a retraining.

    Returns
    -------
    RetrainingDecision
        The decision.
    """
    verdict = decide(snapshot.evidence, gates(settings), now=now, trigger=occasion)
    records = open_records(workspace.records_url)
    name, version = snapshot.champion.model.name, snapshot.champion.model.version
    append_outcomes(records, snapshot.outcomes, model_name=name, model_version=version, now=now, since=snapshot.since)
    figures = snapshot.rates.to_dict()
    add_monitor_run(records, MonitorRun(at=now, model_name=name, model_version=version, rates=figures))
    evidence = {
        "occasion": verdict.trigger,
        "rates": figures,
        "promise": as_json(asdict(snapshot.promise)),
        "diagnosis": snapshot.diagnosis.to_dict(),
        "drift": snapshot.drift.to_dict(),
        "held": verdict.to_dict()["held"],
        "probation": None if snapshot.probation is None else snapshot.probation.to_dict(),
        "warnings": list(snapshot.warnings),
    }
    reasons = list(verdict.reasons)
    add_decision(
        records,
        Decision(
            at=now,
            model_name=name,
            model_version=version,
            decision=verdict.decision,
            reasons=reasons,
            evidence=evidence,
        ),
    )
    return verdict
