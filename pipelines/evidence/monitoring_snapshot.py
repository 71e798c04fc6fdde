"""Monitoring snapshot: everything that `models.retraining.retraining_policy` decides on, gathered at one time."""

from dataclasses import dataclass, field, replace

import pandas as pd

from data_contracts.records.asset_records import predicted_alerts
from data_contracts.records.leases import is_held, wall_clock
from data_contracts.records.records import decisions, open_records
from data_contracts.tables.blocks.block_engine import BlockEngine
from data_contracts.tables.corrections import latest_records
from data_contracts.tables.history import History, read_history
from data_contracts.tables.tables import asset_watermarks
from data_contracts.workspace import Workspace
from models.diagnosis.diagnosis import Diagnosis
from models.hold_back.acting_effect import ActingEffect
from models.labels.observation_gaps import disjoint, lost_spans, retired_spans
from models.monitoring.drift import Drift, ReferenceRates, detect_drift
from models.monitoring.interval_coverage import IntervalCoverage
from models.monitoring.looks import Grid
from models.monitoring.probation import Probation
from models.outcomes.error_rates import ErrorRates, error_rates, unreported_share
from models.outcomes.finding_errors import FindingQuality
from models.outcomes.outcomes import Outcomes, Terms, outcomes
from models.registry.promise_status import PromiseStatus, promise_status, settle
from models.registry.promotion import Records, champion_since
from models.retraining.refresh import Prices
from models.retraining.retraining_policy import RetrainingEvidence
from pipelines.evidence.acting import acting_effect
from pipelines.evidence.alpha_ledger import postponed_until
from pipelines.evidence.answered_intervals import life_coverage
from pipelines.evidence.champion import MonitoredModel, judged_history, load_champion, terms
from pipelines.evidence.diagnosis_inputs import diagnose
from pipelines.evidence.finding_quality import finding_quality
from pipelines.evidence.past_retrainings import PastRetrainings, past_retrainings
from pipelines.evidence.probation_status import on_probation
from pipelines.evidence.score_shift import moved_scores
from pipelines.evidence.strata import membership_of
from pipelines.settings.settings import Settings


@dataclass(frozen=True)
class MonitoringSnapshot:
    """Everything a decision about a champion rests on."""

    champion: MonitoredModel
    history: History  # failures and work orders known
    terms: Terms
    since: pd.Timestamp  # when the evidence begins
    absent: pd.DataFrame  # the spans in which assets were not observed, see `observation_gaps`
    outcomes: Outcomes  # of its predictions since then
    rates: ErrorRates  # over the trailing span, or since the evidence begins, up to what the last look counts
    promise: ReferenceRates
    promised: PromiseStatus  # whose promise it is, and what keeps it
    diagnosis: Diagnosis
    drift: Drift  # without assets whose data are in doubt
    evidence: RetrainingEvidence
    findings: FindingQuality = field(default_factory=FindingQuality)  # how far the findings are trusted
    probation: Probation | None = None
    warnings: tuple[str, ...] = ()  # what can be seen before any outcome; they decide nothing
    coverage: IntervalCoverage | None = None  # of answered remaining lives
    acting: ActingEffect | None = None  # where alarms are held back at random


def gather_snapshot(
    workspace: Workspace,
    model_name: str,
    *,
    now: pd.Timestamp,
    settings: Settings,
    champion: MonitoredModel | None = None,
    engine: BlockEngine | None = None,
) -> MonitoringSnapshot:
    """Gather what is known at `now` of a model's champion, loaded if it is not given; stores nothing.

    The evidence is the champion's own predictions since its promotion, without those that a retraining was decided on.
    Telemetry is diagnosed by `engine`, in this process if None.
    `NotFoundError` without a champion, `ModelError` if it raises no alerts.
    """
    known = _known(workspace, champion or load_champion(workspace, model_name), now, settings)
    champion, history, terms_ = known.champion, known.history, known.terms
    past = past_retrainings(known.decided, now, settings)
    since = _evidence_begins(known.records, champion, past, terms_, now - settings.monitor.span)
    own = known.outcomes_since(since)
    looked = now - settings.drift.every
    diagnosis = diagnose(workspace, champion, now=now, since=looked, limits=settings.diagnosis, engine=engine)
    diagnosis = _set_aside_since_first_found(
        diagnosis, known.decided[known.decided["model_version"] == champion.model.version]
    )
    findings = finding_quality(known.records, model_name, history, now=now, terms=terms_, settings=settings)
    promised = promise_status(workspace, model_name, champion.model.version, budget=settings.drift, now=now)
    grid = known.grid(since, diagnosis, findings)
    drift = detect_drift(own, promised.binding.rates, settings.drift, grid, slices=_slices(history, settings))
    promised = settle(promised, drift.promise, settings.drift)
    start = max(since, now - settings.monitor.span)
    end = drift.looks[-1].at - terms_.maturity if drift.looks else None
    rates = error_rates(own, start=start, end=end, confidence=settings.monitor.confidence, findings=findings)
    return MonitoringSnapshot(
        champion=champion,
        history=history,
        terms=terms_,
        since=since,
        absent=known.absent,
        outcomes=own,
        rates=rates,
        promise=promised.binding.rates,
        promised=promised,
        diagnosis=diagnosis,
        drift=drift,
        evidence=known.evidence(drift, own, since, past, diagnosis),
        probation=known.probation(diagnosis, findings),
        findings=findings,
        warnings=tuple(moved_scores(known.records, champion, now=now, settings=settings)),
        coverage=life_coverage(known.records, champion, history, known.absent, now=now, terms=terms_),
        acting=acting_effect(known.records, champion, history, own, rates, since=start, now=now, settings=settings),
    )


@dataclass(frozen=True)
class _Known:
    """What is stored about a champion and its assets, as it is known at one time."""

    workspace: Workspace
    records: Records
    champion: MonitoredModel
    history: History
    terms: Terms
    decided: pd.DataFrame  # about retraining
    absent: pd.DataFrame  # the spans of `observation_gaps`
    now: pd.Timestamp
    settings: Settings

    def outcomes_since(self, since: pd.Timestamp) -> Outcomes:
        """Return the outcomes of the champion's own predictions from a time on, and of those that claim reaches."""
        predicted = predicted_alerts(
            self.records,
            model_name=self.champion.model.name,
            model_version=self.champion.model.version,
            since=since - self.terms.claim - self.terms.gap,
            until=self.now,
        )
        history = self.history
        return outcomes(
            predicted,
            history.predicted_failures,
            history.work_orders,
            now=self.now,
            terms=self.terms,
            observation_gaps=self.absent,
        )

    def grid(self, since: pd.Timestamp, diagnosis: Diagnosis, findings: FindingQuality) -> Grid:
        """Return the grid of the looks from a time on."""
        return Grid(
            since,
            self.settings.drift.every,
            one_per_asset=self.settings.drift.one_per_asset,
            set_aside=dict(diagnosis.set_aside),
            findings=findings,
            membership=membership_of(self.history, self.settings),
        )

    def evidence(
        self, drift: Drift, own: Outcomes, since: pd.Timestamp, past: PastRetrainings, diagnosis: Diagnosis
    ) -> RetrainingEvidence:
        """Return what a decision about a retraining rests on."""
        price = Prices.of(self.champion.experiment.costs, self.settings.retrain.cost)
        return replace(
            _evidence(drift, own, since, past, self.terms, price),
            doubts=tuple(finding.sentence for finding in diagnosis.findings if finding.severity == "freeze"),
            under_way=is_held(self.records, f"retrain/{self.champion.model.name}", wall_clock()),
            postponed_until=postponed_until(self.decided),
        )

    def probation(self, diagnosis: Diagnosis, findings: FindingQuality) -> Probation | None:
        """Return where the champion's probation stands; None where it is not on any."""
        return on_probation(
            self.workspace,
            self.champion,
            self.history,
            terms=self.terms,
            diagnosis=diagnosis,
            absent=self.absent,
            findings=findings,
            now=self.now,
            settings=self.settings,
        )


def _known(workspace: Workspace, champion: MonitoredModel, now: pd.Timestamp, settings: Settings) -> _Known:
    data = champion.experiment.data
    # Only failures and work orders are needed; with `start` at now no telemetry is read.
    history = read_history(workspace, data.asset_type, plant=data.plant, as_of=now, start=now)
    history = judged_history(workspace, champion, history, now=now)
    records = open_records(workspace.records_url)
    decided = decisions(records, model_name=champion.model.name)
    return _Known(
        workspace,
        records,
        champion,
        history,
        terms(champion, history, settings, now=now),
        decided[decided["at"] <= now],
        observation_gaps(workspace, history, settings, now=now),
        now,
        settings,
    )


def observation_gaps(workspace: Workspace, history: History, settings: Settings, *, now: pd.Timestamp) -> pd.DataFrame:
    """Return the spans in which assets were retired or their telemetry lost, as `models.outcomes.outcomes` takes it."""
    known_times, _ = asset_watermarks(workspace, f"telemetry/{history.asset_type}", as_of=now)
    assets = set(history.assets["asset"])
    known_times = {asset: time for asset, time in known_times.items() if asset in assets}
    lost = lost_spans(known_times, silence=settings.monitor.silence, now=now)
    return disjoint(pd.concat([retired_spans(history.assets, now=now), lost], ignore_index=True))


def _evidence_begins(
    records: Records, champion: MonitoredModel, past: PastRetrainings, alarm_terms: Terms, default: pd.Timestamp
) -> pd.Timestamp:
    """Return from when on evidence counts: a settled promotion, or the end of the evidence used before."""
    promoted = champion_since(records, champion.model.name, champion.model.version)
    begins = [] if promoted is None else [promoted + alarm_terms.settling]
    begins += [] if past.used_until is None else [past.used_until]
    return max(begins, default=default)


def _set_aside_since_first_found(diagnosis: Diagnosis, decided: pd.DataFrame) -> Diagnosis:
    """Set assets aside from the earliest time recorded while every look since has found them.

    An unreported step is dated anew at each look; outcomes once in doubt must not come to count by that.
    """
    since, still = dict(diagnosis.set_aside), set(diagnosis.set_aside)
    for evidence in reversed(list(decided["evidence"])):
        if "diagnosis" in evidence:
            recorded = evidence["diagnosis"]["set_aside"]
            still &= set(recorded)
            since |= {asset: min(since[asset], pd.Timestamp(recorded[asset])) for asset in sorted(still)}
    return replace(diagnosis, set_aside=since)


def _slices(history: History, settings: Settings) -> dict[str, frozenset[str]]:
    if not settings.drift.slices:
        return {}
    latest = latest_records(history.assets)
    groups = latest.dropna(subset=[settings.drift.slices]).groupby(settings.drift.slices)["asset"]
    return {f"{settings.drift.slices} {name}": frozenset(assets) for name, assets in groups}


def _evidence(
    drift: Drift, outcomes: Outcomes, since: pd.Timestamp, past: PastRetrainings, alarm_terms: Terms, price: Prices
) -> RetrainingEvidence:
    matured = outcomes.failures[outcomes.failures["state"].isin(["missed", "caught", "prevented"])]
    matured = matured[matured["event_time"] > since]
    return RetrainingEvidence(
        drift=drift,
        failures=len(matured),
        assets=matured["asset"].nunique(),
        start=since,
        end=max(outcomes.matured_until, since),
        maturity=alarm_terms.maturity,
        unreported_share=unreported_share(outcomes, since),
        used_until=past.used_until,
        last_retraining=past.last_retraining,
        this_year=past.this_year,
        rejected_in_a_row=past.rejected_in_a_row,
        since_training=past.since_training(outcomes, since, price),
        last_training=past.last_training,
    )
