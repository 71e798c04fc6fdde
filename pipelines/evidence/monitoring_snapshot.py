"""What a decision about a champion rests on: gathered here, weighed by `models.retraining.retraining_policy`."""

from dataclasses import dataclass, replace

import pandas as pd

from data_contracts.records.leases import is_held, wall_clock
from data_contracts.records.records import decisions, open_records, predictions
from data_contracts.tables.history import History, read_history
from data_contracts.tables.tables import latest_times
from data_contracts.workspace import Workspace
from models.diagnosis.diagnosis import Diagnosis, Limits
from models.diagnosis.level_shifts import LevelShiftRule
from models.experiment.experiment import Experiment
from models.labels.observation_gaps import disjoint, lost_spans, retired_spans
from models.monitoring.drift import Budget, Drift, ReferenceRates, drift
from models.monitoring.looks import Grid
from models.monitoring.probation import Probation
from models.outcomes.error_rates import ErrorRates, error_rates
from models.outcomes.outcomes import Outcomes, Terms, outcomes
from models.registry.promotion import Records, champion_since
from models.retraining.refresh import Prices, RefreshRule, SinceTraining, cost_of_errors
from models.retraining.retraining_policy import DRIFT, REFRESH, Gates, RetrainingEvidence
from pipelines.evidence.champion import MonitoredModel, load_champion, terms
from pipelines.evidence.diagnosis_inputs import diagnose
from pipelines.evidence.probation_status import on_probation
from pipelines.evidence.score_shift import moved_scores
from pipelines.settings.settings import Settings

YEAR = pd.Timedelta(days=365)
RETRAINING_SHARE = 0.1
"""What a retraining costs where nobody says so, as a share of a false alarm."""


@dataclass(frozen=True)
class MonitoringSnapshot:
    """Everything a decision about a champion rests on.

    Parameters
    ----------
    champion : MonitoredModel
        The model on duty.
    history : History
        What is known of failures and work orders.
    terms : Terms
        How its alarms are judged.
    since : pd.Timestamp
        When the evidence begins.
    known : Outcomes
        What became of its predictions since then.
    rates : ErrorRates
        Over the trailing span, or since the evidence begins.
    promise : ReferenceRates
        What it was promoted with.
    diagnosis : Diagnosis
        What is wrong with the data or the plant, found before the model is looked at.
    drift : Drift
        How its looks compare with the promise; without assets whose data are in doubt.
    evidence : RetrainingEvidence
        The same for the policy, with what the gates ask.
    probation : Probation or None
        Where the champion's probation stands, while there is one.
    warnings : tuple of str
        What can be seen before any outcome; it decides nothing.
    """

    champion: MonitoredModel
    history: History
    terms: Terms
    since: pd.Timestamp
    known: Outcomes
    rates: ErrorRates
    promise: ReferenceRates
    diagnosis: Diagnosis
    drift: Drift
    evidence: RetrainingEvidence
    probation: Probation | None = None
    warnings: tuple[str, ...] = ()


def gather_snapshot(
    workspace: Workspace, model_name: str, *, now: pd.Timestamp, settings: Settings
) -> MonitoringSnapshot:
    """Gather what a decision about a champion rests on.

    The evidence is the champion's own predictions since its promotion, without those that a retraining was decided on.

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

    Returns
    -------
    MonitoringSnapshot
        Nothing is stored.

    Raises
    ------
    NotFoundError
        If there is no champion.
    ModelError
        If the champion raises no alerts.
    """
    champion = load_champion(workspace, model_name)
    data = champion.experiment.data
    # Failures and work orders are asked for; `start` leaves the telemetry where it is.
    history = read_history(workspace, data.asset_type, plant=data.plant, as_of=now, start=now)
    rules = terms(champion, history, settings, now=now)
    records = open_records(workspace.records_url)
    made = decisions(records, model_name=model_name)
    made = made[made["at"] <= now]
    past = _past(made, now, settings)
    since = _since(records, champion, past, rules, now - settings.monitor_span)
    told = predictions(records, model_name=model_name, since=since - rules.claim - rules.gap, until=now)
    told = told[told["model_version"] == champion.model.version]
    absent = observation_gaps(workspace, history, settings, now=now)
    known = outcomes(told, history.failures, history.work_orders, now=now, terms=rules, observation_gaps=absent)
    promise = ReferenceRates.of(champion.model.reference, f"the evaluation of version {champion.model.version}")
    found = diagnose(workspace, champion, now=now, since=now - settings.drift_every, limits=limits(settings))
    found = _since_first_found(found, made[made["model_version"] == champion.model.version])
    grid = Grid(
        since, settings.drift_every, one_per_asset=settings.drift_one_per_asset, set_aside=dict(found.set_aside)
    )
    seen = drift(known, promise, budget(settings), grid, slices=_slices(history, settings))
    start = max(since, now - settings.monitor_span)
    rates = error_rates(known, start=start, confidence=settings.monitor_confidence)
    doubts = tuple(finding.sentence for finding in found.findings if finding.severity == "freeze")
    evidence = _evidence(seen, known, since, past, rules, prices(champion.experiment, settings))
    evidence = replace(evidence, doubts=doubts, under_way=is_held(records, f"retrain/{model_name}", wall_clock()))
    trial = on_probation(
        workspace, champion, history, terms=rules, diagnosis=found, absent=absent, now=now, settings=settings
    )
    warned = tuple(moved_scores(records, champion, now=now, settings=settings))
    return MonitoringSnapshot(
        champion, history, rules, since, known, rates, promise, found, seen, evidence, trial, warned
    )


def observation_gaps(workspace: Workspace, history: History, settings: Settings, *, now: pd.Timestamp) -> pd.DataFrame:
    """Tell when assets were retired, or since when their telemetry has been lost.

    Parameters
    ----------
    workspace : Workspace
        Telemetry.
    history : History
        The assets' records.
    settings : Settings
        How long a silence means that telemetry is lost.
    now : pd.Timestamp
        Nothing known later is used.

    Returns
    -------
    pd.DataFrame
        As `models.outcomes.outcomes` takes it.
    """
    heard, _ = latest_times(workspace, f"telemetry/{history.asset_type}", as_of=now)
    mine = {asset: time for asset, time in heard.items() if asset in set(history.assets["asset"])}
    lost = lost_spans(mine, silence=settings.monitor_silence, now=now)
    return disjoint(pd.concat([retired_spans(history.assets, now=now), lost], ignore_index=True))


def budget(settings: Settings) -> Budget:
    """Return what the settings declare of drift."""
    return Budget(
        alpha=settings.drift_alpha,
        mean_time_between_false=settings.drift_mean_time_between_false,
        harmful_missed=settings.drift_harmful_missed,
        harmful_false=settings.drift_harmful_false,
        missed_share=settings.drift_missed_share,
        promise_confidence=settings.drift_promise_confidence,
    )


def limits(settings: Settings) -> Limits:
    """Return what the settings declare of a diagnosis."""
    steps = LevelShiftRule(size=settings.diagnosis_step_size, false_discovery=settings.diagnosis_false_discovery)
    return Limits(
        refused_share=settings.diagnosis_refused_share, most_assets=settings.diagnosis_most_assets, steps=steps
    )


def gates(settings: Settings) -> Gates:
    """Return what the settings declare of retraining."""
    return Gates(
        cooldown=settings.retrain_cooldown,
        min_failures=settings.retrain_min_failures,
        min_assets=settings.retrain_min_assets,
        yearly_budget=settings.retrain_yearly_budget,
        max_unreported_share=settings.retrain_max_unreported_share,
        rejections=settings.retrain_rejections,
        lapse=settings.retrain_rejections_lapse,
        refresh=RefreshRule(
            settings.retrain_refresh_pays_at, settings.retrain_refresh_follow_ups, settings.retrain_refresh_budget
        ),
    )


def prices(experiment: Experiment, settings: Settings) -> Prices:
    """Return what errors and retrainings cost.

    Parameters
    ----------
    experiment : Experiment
        Says what a missed failure and a false alarm cost.
    settings : Settings
        What a retraining costs; a tenth of a false alarm where nobody has said so.
    """
    cost, own = settings.retrain_cost, experiment.costs
    return Prices(own, RETRAINING_SHARE * own.false_alarm if cost is None else cost)


@dataclass(frozen=True)
class _Past:
    """The retrainings up to now, the latest last.

    Parameters
    ----------
    made : pd.DataFrame
        Columns at, decision, evidence.
    now : pd.Timestamp
        The moment of deciding.
    lapse : pd.Timedelta
        Rejections longer ago do not count.
    """

    made: pd.DataFrame
    now: pd.Timestamp
    lapse: pd.Timedelta

    @property
    def occasions(self) -> "pd.Series[str]":
        """Return what asked for each; what was recorded without an occasion answered a drift."""
        return self.made["evidence"].map(lambda one: one.get("occasion", DRIFT)).astype("str")

    @property
    def promoted(self) -> "pd.Series[bool]":
        """Return whether each challenger was promoted."""
        return self.made["decision"] == "promoted"

    @property
    def last_training(self) -> pd.Timestamp | None:
        """Return when the last one was."""
        return _last(self.made["at"])

    @property
    def last_retraining(self) -> pd.Timestamp | None:
        """Return when the last one was that was no rejected refresh."""
        return _last(self.made.loc[self.promoted | (self.occasions != REFRESH), "at"])

    @property
    def this_year(self) -> int:
        """Return how many were made within a year, refreshes aside."""
        return int(((self.made["at"] > self.now - YEAR) & (self.occasions != REFRESH)).sum())

    @property
    def rejected_in_a_row(self) -> int:
        """Return how many challengers were rejected since the last promotion, refreshes aside."""
        later = self.promoted[::-1].cumsum()[::-1] == 0
        counts = later & (self.occasions != REFRESH) & (self.made["at"] > self.now - self.lapse)
        return int(counts.sum())

    @property
    def used_until(self) -> pd.Timestamp | None:
        """Return the end of the evidence that any of them rested on."""
        used = [one["used_until"] for one in self.made["evidence"] if one.get("used_until") is not None]
        return max(map(pd.Timestamp, used), default=None)

    def new(self, known: Outcomes, since: pd.Timestamp, price: Prices) -> SinceTraining:
        """Return what has come since the last training."""
        occasions, times, trained = self.occasions, self.made["at"], self.last_training
        answered = _last(times[occasions == DRIFT])
        begin = since if trained is None else max(since, trained - known.terms.maturity)
        return SinceTraining(
            errors=cost_of_errors(known, price.errors, begin),
            retraining=price.retraining,
            drift_answered=answered,
            trained=0 if answered is None else int((times > answered).sum()),
            refreshed=int(((times > self.now - YEAR) & (occasions == REFRESH)).sum()),
        )


def _past(made: pd.DataFrame, now: pd.Timestamp, settings: Settings) -> _Past:
    # One that was postponed has trained nothing and used nothing up.
    return _Past(made[made["decision"].isin(["promoted", "rejected"])], now, settings.retrain_rejections_lapse)


def _last(times: "pd.Series[pd.Timestamp]") -> pd.Timestamp | None:
    return None if times.empty else pd.Timestamp(times.iloc[-1])


def _since(
    records: Records, champion: MonitoredModel, past: _Past, rules: Terms, otherwise: pd.Timestamp
) -> pd.Timestamp:
    """Return from when on evidence counts: a settled promotion, or the end of the evidence used before."""
    promoted = champion_since(records, champion.model.name, champion.model.version)
    begins = [] if promoted is None else [promoted + rules.settling]
    begins += [] if past.used_until is None else [past.used_until]
    return max(begins, default=otherwise)


def _since_first_found(found: Diagnosis, made: pd.DataFrame) -> Diagnosis:
    """Set assets aside from the earliest time recorded while they have been found without a break.

    A step that nobody reported is dated anew at each look; what was once in doubt must not come to count by that.
    """
    since, still = dict(found.set_aside), set(found.set_aside)
    for evidence in reversed(list(made["evidence"])):
        if "diagnosis" in evidence:
            recorded = evidence["diagnosis"]["set_aside"]
            still &= set(recorded)
            since |= {asset: min(since[asset], pd.Timestamp(recorded[asset])) for asset in sorted(still)}
    return replace(found, set_aside=since)


def _slices(history: History, settings: Settings) -> dict[str, frozenset[str]]:
    if not settings.drift_slices:
        return {}
    latest = history.assets.sort_values("known_time").drop_duplicates("asset", keep="last")
    groups = latest.dropna(subset=[settings.drift_slices]).groupby(settings.drift_slices)["asset"]
    return {f"{settings.drift_slices} {name}": frozenset(assets) for name, assets in groups}


def _evidence(
    seen: Drift, known: Outcomes, since: pd.Timestamp, past: _Past, rules: Terms, price: Prices
) -> RetrainingEvidence:
    matured = known.failures[known.failures["state"].isin(["missed", "caught", "prevented"])]
    matured = matured[matured["event_time"] > since]
    return RetrainingEvidence(
        drift=seen,
        failures=len(matured),
        assets=matured["asset"].nunique(),
        start=since,
        end=max(known.matured_until, since),
        maturity=rules.maturity,
        unreported_share=_unreported_share(known, since),
        used_until=past.used_until,
        last_retraining=past.last_retraining,
        this_year=past.this_year,
        rejected_in_a_row=past.rejected_in_a_row,
        new=past.new(known, since, price),
        last_training=past.last_training,
    )


def _unreported_share(known: Outcomes, since: pd.Timestamp) -> float:
    """Return the share of matured alarm episodes that are censored: work came, and no finding."""
    matured = known.episodes[(known.episodes["opened"] > since) & (known.episodes["state"] != "pending")]
    return float((matured["state"] == "censored").mean()) if len(matured) else 0.0
