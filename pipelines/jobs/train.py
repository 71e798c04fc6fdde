"""Train and register the model that an experiment describes."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pandas as pd

from data_contracts.errors import UsageError
from data_contracts.ingestion.quarantine import list_rows
from data_contracts.ingestion.unmatched import ALL_MATCHED, Unmatched, find_unmatched
from data_contracts.progress import ProgressCallback, silent
from data_contracts.records.records import open_records
from data_contracts.tables.blocks.block_engine import BlockEngine
from data_contracts.tables.history import open_history
from data_contracts.tracing.spans import traced
from data_contracts.workspace import Workspace
from features.clock import TIME, Clock
from models.assessment.first_champion import FirstChampion, judge_first
from models.canaries.check import check_leaks
from models.canaries.report import ALLOWED_TAG, LeakReport
from models.experiment.experiment import Experiment
from models.registry.promotion import promote
from models.registry.registry import Registry
from models.registry.revision import code_revision
from models.training.left_out import booked_again_sentence, left_out_sentence
from models.training.samples import OneOutcomeError, observation_rule
from models.training.training import Trained, train


@dataclass(frozen=True)
class TrainResult:
    """A new version and the metrics of its evaluation."""

    model_name: str
    version: int
    champion: bool  # whether it became the champion
    champion_reason: str  # why it did, or did not
    without_champion: bool  # whether its name still has no champion
    estimator: str
    trained_until: pd.Timestamp  # the last training cut-off
    n_train: int
    n_test: int
    metrics: Mapping[str, float]
    threshold: float | None  # None without alerts
    threshold_reason: str | None  # how it was chosen
    condition_unit: str | None = None  # the unit of a condition that is predicted
    left_out: Mapping[str, int] = field(default_factory=dict)  # how many cut-offs are no samples, by reason
    booked_again: int = 0  # failures that only book a breakdown again
    breakdown: str = ""  # failures of an asset up to this long after the first of a breakdown are that one
    clock: Clock = TIME  # how times and durations are written
    counted: tuple[pd.Timestamp, pd.Timestamp] | None = None  # the period whose failures and alarms the figures count
    by_plant: Mapping[str, Mapping[str, float]] = field(default_factory=dict)  # metrics, by a model of the others
    unmatched: Unmatched = ALL_MATCHED  # of all that is stored
    strict: bool = False  # whether it is an error that something matches nothing
    understood: tuple[str, ...] = ()  # how the experiment's file was understood
    n_columns: int = 0
    columns_reason: str | None = None  # how the columns were chosen; None where all stay
    leaks: LeakReport = field(default_factory=LeakReport)  # whether it leans on what it cannot know

    @property
    def exit_status(self) -> int:
        """Return 1 when the name is still without a champion: the model was not good enough."""
        return int(self.without_champion or (self.strict and bool(self.unmatched)))

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences on what was left out, and how the columns were chosen."""
        again = (booked_again_sentence(self.booked_again, self.breakdown),) if self.booked_again else ()
        columns = () if self.columns_reason is None else (f"columns: {self.columns_reason}",)
        return (*self.understood, left_out_sentence(self.left_out), *again, *columns)

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values, the metrics beside the rest."""
        return {
            "model": self.model_name,
            "version": self.version,
            "champion": self.champion,
            "champion_reason": self.champion_reason,
            "estimator": self.estimator,
            "trained_until": self.trained_until.isoformat(),
            "n_train": self.n_train,
            "n_test": self.n_test,
            "unmatched": self.unmatched.to_dict(),
            "left_out": dict(self.left_out),
            "booked_again": self.booked_again,
            "breakdown": self.breakdown,
            "n_columns": self.n_columns,
            "columns_reason": self.columns_reason,
            "threshold": self.threshold,
            "threshold_reason": self.threshold_reason,
            **({} if self.counted is None else {"counted": [time.isoformat() for time in self.counted]}),
            **({} if self.condition_unit is None else {"condition_unit": self.condition_unit}),
            **({} if self.clock == TIME else {"clock": self.clock.name}),
            **({"understood": list(self.understood)} if self.understood else {}),
            "leak_report": self.leaks.to_dict(),
            **self.metrics,
            **({"by_plant": {name: dict(own) for name, own in self.by_plant.items()}} if self.by_plant else {}),
        }


@traced("train")
def train_experiment(
    workspace: Workspace,
    experiment: Experiment,
    *,
    now: pd.Timestamp,
    actor: str = "forewarn",
    insist: bool = False,
    strict: bool = False,
    allow_leak: bool = False,
    engine: BlockEngine | None = None,
    progress: ProgressCallback = silent,
) -> TrainResult:
    """Train a model and register it; where its name has no champion it becomes it, if it is better than none.

    `insist` makes it the first champion in any case; `UsageError` if there is a champion, which a later version can
    only replace by comparison or by `forewarn models promote`. The promotion is by `actor`. With `strict` the result's
    exit status is 1 if reports match no telemetry. The features are computed by `engine`, in this process if None.

    A model that leans on what it cannot know is a `LeakError`, and nothing is registered, unless `allow_leak`: that is
    written on the version.
    """
    registry, name = Registry(workspace), experiment.model_name
    registry.refuse_unusable_key()
    if insist and (present := registry.champion(name)) is not None:
        raise UsageError(
            f"version {present} is the champion of {name}",
            "a model without a champion to promote its first one",
            "Train without --promote, compare, then see `forewarn models promote`",
        )
    data = experiment.data
    history = open_history(workspace, data.asset_type, plant=data.plant, as_of=now, engine=engine, checked=True)
    unmatched = find_unmatched(workspace)
    try:
        trained = train(experiment, history, progress=progress)
    except OneOutcomeError as error:
        raise _with_cause(error, unmatched, len(list_rows(workspace, "failures"))) from error
    leaks = check_leaks(experiment, history, trained, progress=progress)
    if not allow_leak:
        leaks.refuse()
    version = registry.register(_with_leaks(trained, leaks, actor), revision=code_revision())
    present = registry.champion(name)
    judged = _judged(judge_first(trained.evaluation.metrics), present, insist=insist)
    if judged.accepted and workspace.signing.required and not workspace.signing.key:
        unsigned = f"It is not signed yet; see `forewarn models sign {version}`, then promote it."
        judged = FirstChampion(False, f"{judged.reason} {unsigned}")
    if judged.accepted:
        promote(
            registry,
            open_records(workspace.records_url),
            name,
            expected_champion=None,
            to_version=version,
            actor=actor,
            reason=judged.reason,
            evidence={"insisted": True} if insist else {},
            now=now,
            data_versions=history.versions,
        )
    return TrainResult(
        model_name=name,
        version=version,
        champion=judged.accepted,
        champion_reason=judged.reason,
        without_champion=present is None and not judged.accepted,
        estimator=trained.artifact.estimator,
        trained_until=trained.trained_until,
        n_train=trained.n_train,
        n_test=trained.n_test,
        metrics=trained.evaluation.metrics,
        threshold=trained.artifact.threshold,
        threshold_reason=None if trained.threshold is None else trained.threshold.reason,
        condition_unit=trained.condition_unit,
        left_out=trained.left_out,
        booked_again=trained.booked_again,
        by_plant=trained.by_plant,
        clock=trained.artifact.clock,
        breakdown=trained.artifact.clock.duration(observation_rule(experiment).breakdown),
        counted=trained.evaluation.period,
        unmatched=unmatched,
        strict=strict,
        n_columns=len(trained.artifact.columns),
        columns_reason=trained.columns_reason,
        leaks=leaks,
    )


def _with_leaks(trained: Trained, leaks: LeakReport, actor: str) -> Trained:
    """Tag a trained model with what the canaries found, and with who registers it all the same."""
    allowed = {ALLOWED_TAG: f"by {actor}: {leaks.verdict}"[:1000]} if leaks.leaks else {}
    return replace(trained, tags={**trained.tags, **leaks.tags, **allowed})


def _with_cause(error: OneOutcomeError, unmatched: Unmatched, quarantined: int) -> OneOutcomeError:
    """Name the failures that match nothing, or are in quarantine, as the cause, where there are any."""
    failures = unmatched.of("failures")
    causes = [] if failures is None else [*failures.sentences]
    causes += [f"{quarantined:,} failures are in quarantine"] if quarantined else []
    if not causes:
        return error
    remedy = "Correct the failures' ids, assets and times, and import them again"
    remedy += "; see `forewarn quarantine list`" if quarantined else ""
    return OneOutcomeError(f"{error.found}: {'; '.join(causes)}", error.expected, remedy)


def _judged(first: FirstChampion, present: int | None, *, insist: bool) -> FirstChampion:
    if present is not None:
        return FirstChampion(False, f"Version {present} is the champion; a later version has to be compared with it.")
    if insist and not first.accepted:
        return FirstChampion(True, f"Promoted by request. {first.reason}")
    return first
