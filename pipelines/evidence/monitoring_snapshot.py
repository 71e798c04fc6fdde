"""Monitoring snapshot: everything that `models.retraining.retraining_policy` decides on, gathered at one time."""

from dataclasses import dataclass, field, replace

import pandas as pd

from data_contracts.records.leases import is_held, wall_clock
from data_contracts.records.records import decisions, open_records, predictions
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
from models.registry.promotion import Records, champion_since
from models.retraining.refresh import Prices, SinceTraining, cost_of_errors
from models.retraining.retraining_policy import DRIFT, REFRESH, RetrainingEvidence
from pipelines.evidence.acting import acting_effect
from pipelines.evidence.alpha_ledger import postponed_until
from pipelines.evidence.answered_intervals import life_coverage
from pipelines.evidence.champion import MonitoredModel, judged_history, load_champion, terms
from pipelines.evidence.diagnosis_inputs import diagnose
from pipelines.evidence.finding_quality import finding_quality
from pipelines.evidence.probation_status import on_probation
from pipelines.evidence.promise_status import PromiseStatus, promise_status, settle
from pipelines.evidence.score_shift import moved_scores
from pipelines.evidence.strata import membership_of
from pipelines.settings.settings import Settings

YEAR = pd.Timedelta(days=365)


@dataclass(frozen=True)
class MonitoringSnapshot:
    """Everything a decision about a champion rests on."""

    champion: MonitoredModel
    history: History  # failures and work orders known
    terms: Terms
    since: pd.Timestamp  # when the evidence begins
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
    engine: BlockEngine | None = None,
) -> MonitoringSnapshot:
    """Gather what is known at `now` of a model's champion; stores nothing.

    The evidence is the champion's own predictions since its promotion, without those that a retraining was decided on.
    Telemetry is diagnosed by `engine`, in this process if None.
    `NotFoundError` without a champion, `ModelError` if it raises no alerts.
    """
    champion = load_champion(workspace, model_name)
    data = champion.experiment.data
    # Only failures and work orders are needed; with `start` at now no telemetry is read.
    history = read_history(workspace, data.asset_type, plant=data.plant, as_of=now, start=now)
    history = judged_history(workspace, champion, history, now=now)
    alarm_terms = terms(champion, history, settings, now=now)
    records = open_records(workspace.records_url)
    decided = decisions(records, model_name=model_name)
    decided = decided[decided["at"] <= now]
    past = _past_retrainings(decided, now, settings)
    since = _evidence_begins(records, champion, past, alarm_terms, now - settings.monitor.span)
    begin = since - alarm_terms.claim - alarm_terms.gap
    predicted = predictions(
        records,
        model_name=model_name,
        model_version=champion.model.version,
        since=begin,
        until=now,
        columns=("asset", "as_of", "alert"),
    )
    absent = observation_gaps(workspace, history, settings, now=now)
    champion_outcomes = outcomes(
        predicted, history.predicted_failures, history.work_orders, now=now, terms=alarm_terms, observation_gaps=absent
    )
    promised = promise_status(workspace, model_name, champion.model.version, settings=settings, now=now)
    looked = now - settings.drift.every
    diagnosis = diagnose(workspace, champion, now=now, since=looked, limits=settings.diagnosis, engine=engine)
    diagnosis = _set_aside_since_first_found(diagnosis, decided[decided["model_version"] == champion.model.version])
    findings = finding_quality(records, model_name, history, now=now, terms=alarm_terms, settings=settings)
    grid = Grid(
        since,
        settings.drift.every,
        one_per_asset=settings.drift.one_per_asset,
        set_aside=dict(diagnosis.set_aside),
        findings=findings,
        membership=membership_of(history, settings),
    )
    slices = _slices(history, settings)
    drift = detect_drift(champion_outcomes, promised.binding.rates, settings.drift, grid, slices=slices)
    promised = settle(promised, drift.promise, settings)
    start = max(since, now - settings.monitor.span)
    end = drift.looks[-1].at - alarm_terms.maturity if drift.looks else None
    evidence = _evidence(
        drift, champion_outcomes, since, past, alarm_terms, Prices.of(champion.experiment.costs, settings.retrain.cost)
    )
    rates = error_rates(
        champion_outcomes, start=start, end=end, confidence=settings.monitor.confidence, findings=findings
    )
    return MonitoringSnapshot(
        champion=champion,
        history=history,
        terms=alarm_terms,
        since=since,
        outcomes=champion_outcomes,
        rates=rates,
        promise=promised.binding.rates,
        promised=promised,
        diagnosis=diagnosis,
        drift=drift,
        evidence=replace(
            evidence,
            doubts=tuple(finding.sentence for finding in diagnosis.findings if finding.severity == "freeze"),
            under_way=is_held(records, f"retrain/{model_name}", wall_clock()),
            postponed_until=postponed_until(decided),
        ),
        probation=on_probation(
            workspace,
            champion,
            history,
            terms=alarm_terms,
            diagnosis=diagnosis,
            absent=absent,
            findings=findings,
            now=now,
            settings=settings,
        ),
        findings=findings,
        warnings=tuple(moved_scores(records, champion, now=now, settings=settings)),
        coverage=life_coverage(records, champion, history, absent, now=now, terms=alarm_terms),
        acting=acting_effect(
            records, champion, history, champion_outcomes, rates, since=start, now=now, settings=settings
        ),
    )


def observation_gaps(workspace: Workspace, history: History, settings: Settings, *, now: pd.Timestamp) -> pd.DataFrame:
    """Return the spans in which assets were retired or their telemetry lost, as `models.outcomes.outcomes` takes it."""
    known_times, _ = asset_watermarks(workspace, f"telemetry/{history.asset_type}", as_of=now)
    assets = set(history.assets["asset"])
    known_times = {asset: time for asset, time in known_times.items() if asset in assets}
    lost = lost_spans(known_times, silence=settings.monitor.silence, now=now)
    return disjoint(pd.concat([retired_spans(history.assets, now=now), lost], ignore_index=True))


@dataclass(frozen=True)
class _PastRetrainings:
    """The retrainings up to now, the latest last."""

    decided: pd.DataFrame  # columns at, decision, evidence
    now: pd.Timestamp
    lapse: pd.Timedelta  # rejections longer ago do not count

    @property
    def triggers(self) -> "pd.Series[str]":
        """The trigger of each; records without one answered a drift."""
        return self.decided["evidence"].map(lambda evidence: evidence.get("occasion", DRIFT)).astype("str")

    @property
    def promoted(self) -> "pd.Series[bool]":
        """Whether each challenger was promoted."""
        return self.decided["decision"] == "promoted"

    @property
    def last_training(self) -> pd.Timestamp | None:
        """When the last challenger was trained."""
        return _last(self.decided["at"])

    @property
    def last_retraining(self) -> pd.Timestamp | None:
        """When the last one was, rejected refreshes aside."""
        return _last(self.decided.loc[self.promoted | (self.triggers != REFRESH), "at"])

    @property
    def this_year(self) -> int:
        """How many there were within a year, refreshes aside."""
        return int(((self.decided["at"] > self.now - YEAR) & (self.triggers != REFRESH)).sum())

    @property
    def rejected_in_a_row(self) -> int:
        """How many challengers were rejected since the last promotion, refreshes aside."""
        since_promotion = self.promoted[::-1].cumsum()[::-1] == 0
        counts = since_promotion & (self.triggers != REFRESH) & (self.decided["at"] > self.now - self.lapse)
        return int(counts.sum())

    @property
    def used_until(self) -> pd.Timestamp | None:
        """The end of the evidence that any of them rested on."""
        used = (evidence.get("used_until") for evidence in self.decided["evidence"])
        return max((pd.Timestamp(time) for time in used if time is not None), default=None)

    def since_training(self, outcomes: Outcomes, since: pd.Timestamp, price: Prices) -> SinceTraining:
        """Return what has come since the last training."""
        triggers, times, trained = self.triggers, self.decided["at"], self.last_training
        answered = _last(times[triggers == DRIFT])
        begin = since if trained is None else max(since, trained - outcomes.terms.maturity)
        return SinceTraining(
            errors=cost_of_errors(outcomes, price.errors, begin),
            retraining=price.retraining,
            drift_answered=answered,
            trained=0 if answered is None else int((times > answered).sum()),
            refreshed=int(((times > self.now - YEAR) & (triggers == REFRESH)).sum()),
        )


def _past_retrainings(decided: pd.DataFrame, now: pd.Timestamp, settings: Settings) -> _PastRetrainings:
    # A postponed retraining has trained nothing and used no evidence.
    return _PastRetrainings(
        decided[decided["decision"].isin(["promoted", "rejected"])], now, settings.retrain.rejections_lapse
    )


def _last(times: "pd.Series[pd.Timestamp]") -> pd.Timestamp | None:
    return None if times.empty else pd.Timestamp(times.iloc[-1])


def _evidence_begins(
    records: Records, champion: MonitoredModel, past: _PastRetrainings, alarm_terms: Terms, default: pd.Timestamp
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
    drift: Drift, outcomes: Outcomes, since: pd.Timestamp, past: _PastRetrainings, alarm_terms: Terms, price: Prices
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
