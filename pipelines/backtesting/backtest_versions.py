"""The models of a back-test: trained when first needed, and cached in the workspace, so that a second run is quick."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from data_contracts.errors import ModelError
from data_contracts.progress import ProgressCallback, silent
from data_contracts.tables.history import History
from data_contracts.workspace import Workspace
from features.names import format_duration
from models.artifact.artifact import Artifact
from models.artifact.scoring import score
from models.backtesting.outcome_sources import OutcomeSources
from models.backtesting.replay_models import Compared, Version
from models.diagnosis.diagnosis import Diagnosis
from models.diagnosis.diagnosis_types import Finding
from models.estimators.targets import SCORES
from models.experiment.condition_outcomes import condition_crossings, threshold_of
from models.experiment.experiment import Experiment
from models.labels.observed_cut_offs import observed_cut_offs
from models.monitoring.budget import NO_STRATA
from models.outcomes.error_rates import ErrorRates
from models.outcomes.outcomes import Terms
from models.refitting.agreement import RefitAgreement
from models.refitting.refit import Judged, refit
from models.registry.registry import LoadedModel
from models.retraining.alpha_spending import AlphaWealth
from models.retraining.comparison import Contender, compare
from models.retraining.comparison_period import period_after
from models.retraining.comparison_plan import ComparisonPlan, plan_comparison
from models.retraining.comparison_power import ExpectedErrors
from models.retraining.sign_flips import sign_flips
from models.training.fitting import declared_rate
from models.training.samples import alarm_terms, observation_rule
from models.training.training import train
from pipelines.backtesting.cache_files import digest, replacing, store_version, write_json
from pipelines.backtesting.recent_history import reach, recent_history
from pipelines.evidence.champion import MonitoredModel
from pipelines.evidence.diagnosis_inputs import diagnose
from pipelines.evidence.monitoring_snapshot import observation_gaps
from pipelines.evidence.strata import membership_of
from pipelines.retraining.challenger import challenger_experiment, challenger_holdout
from pipelines.settings.settings import Settings

_STAMP = "%Y%m%dT%H%M%S"
# The checks of a stored comparison that do not hold for every alpha and number of events.
_DECIDED_ANEW = ("events", "cheaper")


@dataclass(frozen=True)
class CachedModels:
    """The `ReplayModels` of a workspace, and its `OutcomeSources`: each model is trained, applied and compared once.

    A model is trained as `forewarn retrain` would have done at its time: nothing known later goes into it, and it is
    evaluated on the holdout before that time.
    """

    workspace: Workspace  # its telemetry is diagnosed
    experiment: Experiment
    history: History
    settings: Settings
    folder: Path  # the cache, see `cache_folder`
    # Whether a challenger has to win the comparison with the champion; otherwise it is promoted.
    comparison_required: bool = True
    progress: ProgressCallback = silent
    on_trained: Callable[[], None] = lambda: None  # called after each training of a model that was not cached
    known: dict[pd.Timestamp, OutcomeSources] = field(default_factory=dict)  # of the times they were asked for
    crossings: dict[pd.Timestamp, pd.DataFrame] = field(default_factory=dict)  # of a condition, likewise

    def train(self, at: pd.Timestamp, *, urgent: bool = False) -> Version:
        """Train a version on what was known at a time, or take it from the cache."""
        holdout = self.settings.retrain.holdout
        if urgent:
            holdout = self._holdout(at, urgent=True)
        folder = self._folder(at, holdout)
        if not (folder / "version.json").is_file():
            self._train(at, holdout, folder)
            self.on_trained()
        stored = json.loads((folder / "version.json").read_text(encoding="utf-8"))
        promised = None if stored["promised"] is None else ErrorRates.from_dict(stored["promised"])
        declared = declared_rate(self.experiment)
        return Version(at, pd.Timestamp(stored["trained_until"]), promised, holdout, alarms_declared=declared)

    def is_cached(self, at: pd.Timestamp) -> bool:
        """Return whether the version of a time, with the usual holdout, is in the cache."""
        return (self._folder(at, self.settings.retrain.holdout) / "version.json").is_file()

    def predict(self, version: Version, start: pd.Timestamp, end: pd.Timestamp) -> pd.DataFrame:
        """Return asset, as_of, alert for the cut-offs in (start, end]."""
        file = self._folder_of(version) / f"alerts-{start:{_STAMP}}-{end:{_STAMP}}.parquet"
        if not file.is_file():
            artifact = self.artifact(version)
            recent, rule = self._recent(start - reach(artifact), end), observation_rule(self.experiment)
            times = observed_cut_offs(recent, self.experiment.windows.stride, rule, start=start, end=end).cut_offs
            times = times[times["as_of"] > start].reset_index(drop=True)
            scores = score(artifact, recent, times)
            predictions = scores.loc[scores["reason"].isna(), ["asset", "as_of", "alert"]]
            with replacing(file) as unfinished:
                predictions.to_parquet(unfinished, index=False)
        return pd.read_parquet(file).astype({"asset": "str", "as_of": "datetime64[us, UTC]"})

    def diagnose(self, version: Version, at: pd.Timestamp) -> Diagnosis:
        """Diagnose the data, as `forewarn monitor` would have at a time."""
        file = self._folder_of(version) / f"diagnosis-{at:{_STAMP}}-{self._diagnosis_digest}.json"
        if not file.is_file():
            tags = {"trained_until": version.trained_until.isoformat()}
            model = LoadedModel(self.experiment.model_name, 0, self.artifact(version), version.promised, tags)
            champion = MonitoredModel(model, self.experiment)
            since, limits, telemetry = at - self.settings.drift.every, self.settings.diagnosis, self.history.stored
            engine = None if telemetry is None else telemetry.engine
            found = diagnose(self.workspace, champion, now=at, since=since, limits=limits, engine=engine)
            write_json(file, found.to_dict())
        stored = json.loads(file.read_text(encoding="utf-8"))
        return Diagnosis(
            findings=tuple(_read_finding(finding) for finding in stored["findings"]),
            set_aside={asset: pd.Timestamp(time) for asset, time in stored["set_aside"].items()},
        )

    def plan(self, champion: Version, at: pd.Timestamp, wealth: AlphaWealth, *, urgent: bool) -> ComparisonPlan | None:
        """Plan a comparison on the holdout before a time; None if challengers are promoted without one."""
        if not self.comparison_required:
            return None
        start, rule = at - self._holdout(at, urgent=urgent), observation_rule(self.experiment)
        period = period_after(
            self._known_history(at, self._recent(start - rule.window, at)),
            champion.trained_until,
            start=start,
            now=at,
            stride=self.experiment.windows.stride,
            terms=self.sources(at).terms,
            rule=rule,
        )
        expected = ExpectedErrors.of(champion.promised, self.experiment.costs)
        return plan_comparison(len(period.events), wealth, self.settings.promotion, expected, urgent=urgent)

    def compare(self, champion: Version, challenger: Version, at: pd.Timestamp, alpha: float) -> Compared:
        """Compare a challenger with the champion on the holdout before a time, as `forewarn retrain` would have.

        With `retrain.refit` a promoted challenger is refitted as well.
        """
        compared = self._compare(champion, challenger, at, alpha)
        if not (compared.promoted and self.settings.retrain.refit):
            return compared
        return replace(compared, refit=self._refit(challenger, at))

    def _compare(self, champion: Version, challenger: Version, at: pd.Timestamp, alpha: float) -> Compared:
        if not self.comparison_required:
            return Compared(promoted=True)
        stored, rules = self._comparison(champion, challenger, at), self.settings.promotion
        comparison, differences = stored["comparison"], np.array(stored["differences"], dtype=np.float64)
        if not comparison["challenger"]:
            return Compared(promoted=False)
        test = sign_flips(differences, alpha=alpha, draws=rules.draws, seed=rules.seed)
        cheaper = float(differences.sum()) < 0 and test.rejects(alpha)
        # Detectors are compared by their false alarms where there are too few events.
        enough = comparison["events"] >= rules.fewest_events or self.experiment.target == "anomaly"
        others = [check["passed"] for check in comparison["checks"] if check["name"] not in _DECIDED_ANEW]
        return Compared(bool(cheaper and enough and False not in others), test.size, comparison)

    def _comparison(self, champion: Version, challenger: Version, at: pd.Timestamp) -> dict[str, Any]:
        """Return the comparison, made once for every alpha."""
        rivals = f"{self._folder_of(champion).name}-{self._comparison_digest}"
        file = self._folder_of(challenger) / f"against-{rivals}.json"
        if not file.is_file():
            artifacts = [self.artifact(version) for version in (champion, challenger)]
            start, terms = at - challenger.holdout, self.sources(at).terms
            declared = declared_rate(self.experiment)
            comparison = compare(
                Contender(1, artifacts[0], champion.trained_until, champion.promised, declared),
                Contender(2, artifacts[1], challenger.trained_until, challenger.promised, declared),
                self._known_history(at, self._recent(start - terms.claim - reach(artifacts[1]), at)),
                start=start,
                now=at,
                stride=self.experiment.windows.stride,
                terms=terms,
                costs=self.experiment.costs,
                rule=observation_rule(self.experiment),
                rules=self.settings.promotion,
                observation_gaps=self.sources(at).observation_gaps,
            )
            write_json(file, {"comparison": comparison.to_dict(), "differences": comparison.differences})
        stored: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        return stored

    def sources(self, at: pd.Timestamp) -> OutcomeSources:
        """Return what alarms are judged by, as known at a time."""
        if at not in self.known:
            known = self._known_history(at, self.history.without_telemetry())
            gaps = observation_gaps(self.workspace, known, self.settings, now=at)
            terms = terms_at(self.experiment, known, at)
            strata = membership_of(known, self.settings)
            self.known[at] = OutcomeSources(at, known.predicted_failures, known.work_orders, terms, gaps, strata)
        return self.known[at]

    def _known_history(self, at: pd.Timestamp, history: History) -> History:
        """Return a part of the history as known at a time, with the crossings by all of the readings known then.

        A correction moves or takes away a crossing from when on it is known, not before.
        """
        known = history.as_of(at)
        threshold = threshold_of(self.experiment)
        if threshold is None:
            return known
        if at not in self.crossings:
            self.crossings[at] = condition_crossings(threshold, self.history.as_of(at))
        return replace(known, crossings=self.crossings[at])

    def _holdout(self, at: pd.Timestamp, *, urgent: bool) -> pd.Timedelta:
        sources = self.sources(at)
        known = replace(self.history, failures=sources.failures, work_orders=sources.work_orders, crossings=None)
        return challenger_holdout(known, self.settings, sources.terms, now=at, urgent=urgent)

    @cached_property
    def _comparison_digest(self) -> str:
        # What a comparison waits for and what it may spend is decided anew in each run.
        rules = replace(self.settings.promotion, min_events=None, false_per_year=1.0, power=0.5, difference=0.5)
        return digest([repr(rules), str(self.settings.monitor.silence)])

    @cached_property
    def _diagnosis_digest(self) -> str:
        return digest([repr(self.settings.diagnosis), str(self.settings.drift.every)])

    def _folder(self, at: pd.Timestamp, holdout: pd.Timedelta) -> Path:
        usual = holdout == self.settings.retrain.holdout
        return self.folder / (f"{at:{_STAMP}}" if usual else f"{at:{_STAMP}}-{format_duration(holdout)}")

    def _folder_of(self, version: Version) -> Path:
        folder = self._folder(version.made_at, version.holdout)
        return folder.with_name(f"{folder.name}-refit") if version.refit else folder

    def artifact(self, version: Version) -> Artifact:
        """Load the model of a version that was trained."""
        return Artifact.load(self._folder_of(version) / "artifact")

    def _train(self, at: pd.Timestamp, holdout: pd.Timedelta, folder: Path) -> None:
        reach = self.settings.retrain.history
        experiment = challenger_experiment(self.experiment, now=at, holdout=holdout, history=reach)
        trained = train(experiment, self.history, known_until=at, progress=self.progress)
        reference = trained.evaluation.reference
        stored = {
            "trained_until": trained.trained_until.isoformat(),
            "promised": None if reference is None else reference.to_dict(),
        }
        store_version(folder, trained.artifact, stored)

    def _refit(self, challenger: Version, at: pd.Timestamp) -> Version | None:
        """Return the refit of a challenger that was promoted at a time, or None if both do not agree."""
        folder = self._folder_of(replace(challenger, refit=True))
        if not (folder / "version.json").is_file():
            reach = self.settings.retrain.history
            experiment = challenger_experiment(self.experiment, now=at, holdout=challenger.holdout, history=reach)
            judged = Judged(0, self.artifact(challenger), experiment, challenger.trained_until, challenger.promised)
            refitted = refit(judged, self.history, known_until=at, progress=self.progress)
            agreement = refitted.agreement(terms_at(self.experiment, self.history, at))
            until = refitted.trained.trained_until.isoformat()
            store_version(folder, refitted.trained.artifact, {"trained_until": until, "agreement": agreement.to_dict()})
        stored = json.loads((folder / "version.json").read_text(encoding="utf-8"))
        if not RefitAgreement.from_dict(stored["agreement"]).check(self.settings.retrain.refit_limit).agrees:
            return None
        return replace(challenger, trained_until=pd.Timestamp(stored["trained_until"]), refit=True)

    def _recent(self, after: pd.Timestamp, end: pd.Timestamp) -> History:
        return recent_history(self.history, self.experiment, after, end)


def terms_at(experiment: Experiment, history: History, at: pd.Timestamp) -> Terms:
    """Return how alarms are judged, as known at a time; raise `ModelError` if the experiment raises none to judge."""
    terms = alarm_terms(experiment, history, at)
    if experiment.target not in SCORES or terms is None:
        raise ModelError(
            f"{experiment.name} has target {experiment.target}",
            "an experiment of target failure or anomaly with a horizon, whose alarms can be right or wrong",
            "Name another experiment",
        )
    return terms


def cache_folder(root: Path, experiment: Experiment, history: History, settings: Settings) -> Path:
    """Return the cache for an experiment, the table versions of its history, and the retraining settings."""
    inputs = [
        experiment.to_json(),
        json.dumps(dict(history.versions), sort_keys=True),
        str(settings.retrain.holdout),
        str(settings.retrain.history),
    ]
    if settings.drift.strata != NO_STRATA:
        # Versions that were cached before have no counts by stratum.
        inputs.append("with strata")
    return root / "backtest" / digest(inputs)


def _read_finding(stored: dict[str, Any]) -> Finding:
    aside = {asset: pd.Timestamp(time) for asset, time in stored["set_aside"].items()}
    parsed = {"assets": tuple(stored["assets"]), "channels": tuple(stored["channels"]), "set_aside": aside}
    return Finding(**{**stored, **parsed, "since": pd.Timestamp(stored["since"])})
