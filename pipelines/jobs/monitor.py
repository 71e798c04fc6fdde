"""Monitor the champion: compare its error rates with its reference rates, and decide whether to retrain it."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import pandas as pd

from data_contracts.records.records import Decision, MonitorRun, add_decision, add_monitor_run, open_records
from data_contracts.tables.blocks.block_engine import BlockEngine
from data_contracts.tracing.spans import traced
from data_contracts.workspace import Workspace
from models.diagnosis.diagnosis import Diagnosis
from models.hold_back.acting_effect import ActingEffect
from models.hold_back.sentences import effect_sentences
from models.monitoring.drift import Drift, ReferenceRates
from models.monitoring.interval_coverage import IntervalCoverage
from models.monitoring.probation import Probation
from models.outcomes.error_rates import ErrorRates, as_json
from models.outcomes.finding_errors import FindingQuality
from models.outcomes.outcome_ledger import append_outcomes
from models.promises.reference_rates import FALSE, MISSED
from models.registry.promise_status import PromiseStatus
from models.retraining.retraining_policy import RetrainingDecision, RetrainingTrigger, decide, gates_for
from pipelines.evidence.champion import MonitoredModel, load_champion, without_verdict
from pipelines.evidence.monitoring_snapshot import MonitoringSnapshot, gather_snapshot
from pipelines.figures.champion_figures import FiguresResult, champion_figures
from pipelines.figures.measured_later import measure_later
from pipelines.reports.figures_page import write_figures_page
from pipelines.reports.report import Mark
from pipelines.reports.watch_page import write_watch_page
from pipelines.settings.settings import Settings


@dataclass(frozen=True)
class MonitorResult:
    """The champion's error rates at one time, and what was decided on them."""

    model_name: str
    model_version: int
    now: pd.Timestamp
    rates: ErrorRates
    promise: ReferenceRates
    diagnosis: Diagnosis
    drift: Drift
    retraining: RetrainingDecision
    report: Path
    probation: Probation | None = None
    warnings: tuple[str, ...] = ()  # what can be seen before any outcome; they decide nothing
    findings: FindingQuality = field(default_factory=FindingQuality)  # how far the findings are trusted
    promised: PromiseStatus | None = None  # whose promise it is, and what keeps it
    coverage: IntervalCoverage | None = None  # of answered remaining lives; None where none were
    acting: ActingEffect | None = None  # of acting on alarms; None where none are held back

    @property
    def decision(self) -> str:
        """What to do: "retrain", "hold" or "ask"."""
        return self.retraining.decision

    @property
    def reasons(self) -> tuple[str, ...]:
        """The decision's reasons, plain sentences."""
        return self.retraining.reasons

    @property
    def acting_sentences(self) -> tuple[str, ...]:
        """What acting on alarms is worth, and what holding some of them back costs."""
        return () if self.acting is None else effect_sentences(self.acting)

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values."""
        retraining = self.retraining.to_dict()
        return {
            "model_name": self.model_name,
            "model_version": self.model_version,
            "now": self.now.isoformat(),
            "decision": self.decision,
            "reasons": list(self.reasons),
            "diagnosis": self.diagnosis.to_dict(),
            "drifted": list(self.drift.which),
            "promise": _promise_values(self.promise, self.promised, self.drift),
            "evidence": self.drift.to_dict()["evidence"],
            "strata": self.drift.to_dict()["strata"],
            **{name: retraining[name] for name in ("held", "occasion", "urgent")},
            "rates": self.rates.to_dict(),
            "probation": None if self.probation is None else self.probation.to_dict(),
            "warnings": list(self.warnings),
            "finding_quality": asdict(self.findings),
            "interval_coverage": None if self.coverage is None else self.coverage.to_dict(),
            "hold_back": _hold_back_values(self.acting),
            "report": str(self.report),
        }


@traced("monitor")
def monitor_champion(
    workspace: Workspace,
    model_name: str,
    *,
    now: pd.Timestamp,
    settings: Settings,
    known_changes: Sequence[Mark] = (),
    engine: BlockEngine | None = None,
) -> MonitorResult | FiguresResult:
    """Monitor a champion by its alarms or, where no drift can be decided on, by figures alone: these decide nothing."""
    champion = load_champion(workspace, model_name)
    if (why := without_verdict(champion.model)) is not None:
        return _measure(workspace, champion, now=now, why=why)
    return monitor_alarms(
        workspace,
        model_name,
        now=now,
        settings=settings,
        known_changes=known_changes,
        champion=champion,
        engine=engine,
    )


def monitor_alarms(
    workspace: Workspace,
    model_name: str,
    *,
    now: pd.Timestamp,
    settings: Settings,
    known_changes: Sequence[Mark] = (),
    champion: MonitoredModel | None = None,
    engine: BlockEngine | None = None,
) -> MonitorResult:
    """Test the champion's error rates for drift, decide whether to retrain, and store decision and report.

    `known_changes` are shown in the report; the decision does not see them. Telemetry is diagnosed by `engine`, in this
    process if None.
    """
    snapshot = gather_snapshot(workspace, model_name, now=now, settings=settings, champion=champion, engine=engine)
    decision = decide_retraining(workspace, snapshot, now=now, settings=settings)
    report = write_watch_page(workspace, snapshot, decision, known_changes=known_changes, settings=settings, now=now)
    return MonitorResult(
        model_name=model_name,
        model_version=snapshot.champion.model.version,
        now=now,
        rates=snapshot.rates,
        promise=snapshot.promise,
        diagnosis=snapshot.diagnosis,
        drift=snapshot.drift,
        retraining=decision,
        report=report,
        probation=snapshot.probation,
        warnings=snapshot.warnings,
        findings=snapshot.findings,
        promised=snapshot.promised,
        coverage=snapshot.coverage,
        acting=snapshot.acting,
    )


def _measure(workspace: Workspace, champion: MonitoredModel, *, now: pd.Timestamp, why: str) -> FiguresResult:
    later = measure_later(workspace, champion, now=now)
    result = champion_figures(workspace, champion, later, now=now, why=why)
    write_figures_page(open_records(workspace.records_url), result, later.pairs)
    return result


def decide_retraining(
    workspace: Workspace,
    snapshot: MonitoringSnapshot,
    *,
    now: pd.Timestamp,
    settings: Settings,
    trigger: RetrainingTrigger = "drift",
) -> RetrainingDecision:
    """Decide whether to retrain; store the decision with its evidence, the rates and the outcomes."""
    gates = gates_for(snapshot.champion.experiment.target, settings.retrain)
    decision = decide(snapshot.evidence, gates, now=now, trigger=trigger)
    records = open_records(workspace.records_url)
    name, version = snapshot.champion.model.name, snapshot.champion.model.version
    append_outcomes(records, snapshot.outcomes, model_name=name, model_version=version, now=now, since=snapshot.since)
    rates = snapshot.rates.to_dict()
    add_monitor_run(records, MonitorRun(at=now, model_name=name, model_version=version, rates=rates))
    evidence = {
        "occasion": decision.trigger,
        "rates": rates,
        "promise": _promise_values(snapshot.promise, snapshot.promised, snapshot.drift),
        "diagnosis": snapshot.diagnosis.to_dict(),
        "drift": snapshot.drift.to_dict(),
        "held": decision.to_dict()["held"],
        "probation": None if snapshot.probation is None else snapshot.probation.to_dict(),
        "warnings": list(snapshot.warnings),
        "finding_quality": asdict(snapshot.findings),
        **({} if snapshot.acting is None else {"hold_back": _hold_back_values(snapshot.acting)}),
    }
    add_decision(
        records,
        Decision(
            at=now,
            model_name=name,
            model_version=version,
            decision=decision.decision,
            reasons=list(decision.reasons),
            evidence=evidence,
        ),
    )
    return decision


def _hold_back_values(acting: ActingEffect | None) -> dict[str, Any] | None:
    return None if acting is None else acting.to_dict() | {"sentences": list(effect_sentences(acting))}


def _promise_values(promise: ReferenceRates, promised: PromiseStatus | None, drift: Drift) -> dict[str, Any]:
    # What other promises say of strata follows from the ledger, like the promise itself; of its own counts by stratum
    # those are kept that were used.
    kinds = {one.counts.by for one in drift.strata}
    own = replace(promise, others=())
    for rate in (MISSED, FALSE):
        own = own.with_strata(rate, tuple(one for one in promise.strata(rate) if one.by in kinds))
    values: dict[str, Any] = as_json(asdict(own))
    del values["others"]
    return values if promised is None else values | promised.to_dict()
