"""Score the whole fleet from stored telemetry, and store predictions and features."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from data_contracts.progress import ProgressCallback, silent
from data_contracts.records.records import Prediction, open_records
from data_contracts.tables.blocks.block_engine import BlockEngine
from data_contracts.tables.history import History, open_history
from data_contracts.tables.readings import reading_rhythm
from data_contracts.tracing.spans import traced
from data_contracts.workspace import Workspace
from features.clock import TIME, Clock
from features.extraction.latest_readings import UNKNOWN, latest_readings
from features.telemetry.provenance import OVERRIDDEN, SIMULATED, provenance
from features.telemetry.sorted_times import IntArray, microseconds
from models.artifact.absences import absent_assets
from models.artifact.announcement import announcement_terms
from models.artifact.artifact import Artifact
from models.artifact.reasons import Reason
from models.artifact.scoring import DetailedScores, score_in_detail
from models.artifact.staleness import Staleness, contract_of, staleness
from models.cold_start.first_window import FirstWindows
from models.cold_start.readiness import TypeReadiness
from models.hold_back.draws import Draw, alarm_claim, draw_alarms
from models.hold_back.policy import PolicySettings
from models.labels.observation import observation_window
from models.registry.registry import LoadedModel
from pipelines.evidence.champion import MonitoredModel, load_champion
from pipelines.evidence.fleet_cut_offs import FleetCutOffs, fleet_cut_offs, later_failures
from pipelines.jobs.risk_list import Risk, by_risk, first_risks
from pipelines.jobs.scored_records import (
    absent_answers,
    answers_of_scores,
    predictions_of,
    records_of_draws,
    store_new,
    store_scored_features,
)

_NO_HOLD_BACK = PolicySettings()
FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class ScoreResult:
    """One scoring of the fleet by its champion."""

    model_name: str
    model_version: int
    as_of: pd.Timestamp
    scored: int  # assets with a prediction
    stored: int  # predictions that were not stored before
    alerts: tuple[str, ...]  # assets over the threshold, without those held back
    silent: tuple[str, ...]  # assets with no or too little telemetry in the model's window: no prediction
    failed: tuple[str, ...] = ()  # assets that failed and have shown no reading since: no prediction
    retired: tuple[str, ...] = ()  # assets out of service: no prediction
    stale: tuple[str, ...] = ()  # assets whose prediction is from telemetry that is too old
    stale_after: str = ""  # when it is, and by which rule
    risks: tuple[Risk, ...] = ()  # all scored assets, the riskiest first
    clock: Clock = TIME  # how times and durations are written
    interval_level: float | None = None  # how often the intervals of remaining lives hold the true ones
    top: int | None = None  # how many of them to list; those over the threshold by default
    own_cut_offs: bool = False  # whether each asset was scored at its own last reading; `as_of` is the latest
    condition: str | None = None  # the channel that the model is about
    fail_later: int = 0  # then, of how many of these assets a failure is stored for a later time
    held_back: tuple[str, ...] | None = None  # assets whose alarm nobody is to act on; None where none ever is
    first_window: Mapping[str, str] = field(default_factory=dict)  # assets whose first window is not complete, and why
    own_baselines: int | None = None  # how many assets are measured by their own; None unless anomalies are detected
    no_model: tuple[TypeReadiness, ...] = ()  # asset types with telemetry that no model is for

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values."""
        return {
            "model_name": self.model_name,
            "model_version": self.model_version,
            "as_of": self.as_of.isoformat(),
            "scored": self.scored,
            "stored": self.stored,
            "alerts": list(self.alerts),
            **({} if self.held_back is None else {"held_back": list(self.held_back)}),
            "silent": list(self.silent),
            "failed": list(self.failed),
            "retired": list(self.retired),
            **({"first_window": dict(self.first_window)} if self.first_window else {}),
            **({} if self.own_baselines is None else {"own_baselines": self.own_baselines}),
            **({"no_model": [each.to_dict() for each in self.no_model]} if self.no_model else {}),
            "stale": list(self.stale),
            "stale_after": self.stale_after,
            **({} if self.clock == TIME else {"clock": self.clock.name}),
            **({"own_cut_offs": True, "fail_later": self.fail_later} if self.own_cut_offs else {}),
            **({} if self.condition is None else {"condition": self.condition}),
            **({} if self.interval_level is None else {"interval_level": self.interval_level}),
            "by_risk": [risk.to_dict(self.clock) for risk in first_risks(self.risks, self.top)],
        }


@traced("score")
def score_fleet(
    workspace: Workspace,
    model_name: str,
    *,
    as_of: pd.Timestamp | None = None,
    now: pd.Timestamp | None = None,
    stale_after: str = "",
    policy: PolicySettings = _NO_HOLD_BACK,
    engine: BlockEngine | None = None,
    progress: ProgressCallback = silent,
) -> ScoreResult:
    """Score every asset with the champion; store the predictions and their features once.

    `as_of` defaults to the latest known time of the telemetry (where times count cycles, of each asset its own), `now`
    (when the predictions are made) to the present.
    The same fleet, cut-off and version again gives the same predictions and stores none. As at the endpoint, which
    assets run and how old their telemetry is counts at `as_of`, and without one at `now`; `stale_after` is the setting
    of that name there, a duration or "none". `NotFoundError` without a champion, or without telemetry in the model's
    window. By `policy` some alarms are held back at random: they are stored as alerts, and named apart. Features are
    computed by `engine`, in this process if None.
    """
    champion = load_champion(workspace, model_name)
    model = champion.model
    made_at = pd.Timestamp.now("UTC") if now is None else now
    progress("score", 0, 3)
    fleet = compute_scores(workspace, champion, as_of=as_of, made_at=made_at, engine=engine, progress=progress)
    cut_offs, absent, starting, history = fleet.cut_offs, fleet.absent, fleet.starting, fleet.history
    limit = _staleness(workspace, model.artifact, stale_after)
    run = None if fleet.details is None else _Run(model.artifact, history, fleet.running, fleet.details, limit)
    progress("score", 2, 3)
    new = _with_code(absent, "no_telemetry")
    stopped = {asset: reason for asset, reason in absent.items() if asset not in new}
    own = dict(zip(cut_offs.active["asset"], cut_offs.active["as_of"], strict=True))
    answers = list(absent_answers(model, stopped, own, cut_offs.latest, made_at))
    predicted: list[Prediction] = []
    if run is not None:
        store_scored_features(workspace, model, run.details, run.latest, made_at, run.shares)
        answers += answers_of_scores(model, run.details, run.latest, run.reasons, made_at, run.shares)
        predicted = predictions_of(model, run.scores, made_at)
    draws = _draws(workspace, model, predicted, policy)
    announce = announcement_terms(model.artifact)
    stored = store_new(workspace, predicted, answers, records_of_draws(predicted, draws), announce=announce)
    held_back = tuple(asset for asset, draw in draws.items() if draw.held_back)
    about = model.artifact.about
    unit = None if about is None else about.unit
    progress("score", 3, 3)
    without = set() if run is None else {*run.without}
    return ScoreResult(
        model_name=model.name,
        model_version=model.version,
        as_of=cut_offs.latest,
        scored=len(predicted),
        stored=stored,
        alerts=tuple(one.asset for one in predicted if one.alert and one.asset not in held_back),
        silent=tuple(sorted({*cut_offs.silent, *new, *without} - stopped.keys())),
        failed=_with_code(absent, "failed"),
        retired=_with_code(absent, "retired"),
        stale=() if run is None else run.stale,
        stale_after=limit.describe(),
        clock=model.artifact.clock,
        risks=() if run is None else by_risk(run.scores[~run.scores["asset"].isin(held_back)], unit),
        interval_level=None if (table := model.artifact.intervals) is None else table.level,
        own_cut_offs=cut_offs.own,
        condition=None if about is None else about.channel,
        fail_later=later_failures(history, cut_offs) if cut_offs.own else 0,
        held_back=held_back if policy.hold_back else None,
        first_window={asset: reason.words for asset, reason in starting.items()},
        own_baselines=None if model.artifact.target != "anomaly" else _own_baselines(model.artifact, predicted),
    )


@dataclass(frozen=True)
class FleetScores:
    """The scores of a fleet at its cut-offs, of which nothing is stored yet."""

    cut_offs: FleetCutOffs
    history: History  # what was known of the assets, without telemetry that is too old
    absent: Mapping[str, Reason]  # assets that do not run, and why
    starting: Mapping[str, Reason]  # assets whose first window is not complete
    running: pd.DataFrame  # asset, as_of, at: of those that were scored
    details: DetailedScores | None  # of `running`; None without any


def compute_scores(
    workspace: Workspace,
    monitored: MonitoredModel,
    *,
    as_of: pd.Timestamp | None,
    made_at: pd.Timestamp,
    assets: Collection[str] | None = None,
    engine: BlockEngine | None = None,
    progress: ProgressCallback = silent,
) -> FleetScores:
    """Score the assets that run, or those of them that are named, as `score_fleet` does; store nothing."""
    artifact, data = monitored.model.artifact, monitored.experiment.data
    window = observation_window(artifact.recipe.windows)
    since = None if as_of is None else as_of - max(window, artifact.recipe.lookback)
    history = open_history(workspace, data.asset_type, plant=data.plant, as_of=as_of, start=since, engine=engine)
    cut_offs, history = fleet_cut_offs(workspace, artifact, history, as_of=as_of, made_at=made_at)
    progress("score", 1, 3)
    absent = absent_assets(workspace, artifact, history, cut_offs.fleet)
    running = cut_offs.active[~cut_offs.active["asset"].isin(list(absent))]
    if assets is not None:
        running = running[running["asset"].isin(list(assets))]
    times = dict(zip(running["asset"], running["as_of"], strict=True))
    starting = FirstWindows(workspace).reasons(artifact, times)
    running = running[~running["asset"].isin(list(starting))].reset_index(drop=True)
    details = score_in_detail(artifact, history, running[["asset", "as_of"]]) if len(running) else None
    return FleetScores(cut_offs, history, absent, starting, running, details)


def _own_baselines(artifact: Artifact, predicted: Sequence[Prediction]) -> int:
    return sum(one.asset in artifact.baselines for one in predicted)


def _draws(
    workspace: Workspace, model: LoadedModel, predicted: Sequence[Prediction], policy: PolicySettings
) -> dict[str, Draw]:
    alerts = {prediction.asset: prediction.as_of for prediction in predicted if prediction.alert}
    claim = alarm_claim(model.artifact)
    return draw_alarms(lambda: open_records(workspace.records_url), model.name, alerts, claim=claim, policy=policy)


@dataclass(frozen=True)
class _Run:
    """The scores of the assets that run."""

    artifact: Artifact
    history: History
    cut_offs: pd.DataFrame  # asset, as_of, at: the ages of telemetry count to there
    details: DetailedScores
    limit: Staleness

    @cached_property
    def latest(self) -> IntArray:
        """The latest reading behind each score, in microseconds since 1970, or UNKNOWN."""
        return latest_readings(self.history, self._cut_offs, self.artifact.recipe)

    @cached_property
    def shares(self) -> FloatArray | None:
        """The shares of each window's values that were overridden and simulated, (n, 2); None if none was."""
        recipe = self.artifact.recipe

        def shares_of(block: History, cut_offs: pd.DataFrame) -> FloatArray:
            frame = provenance(block.telemetry, cut_offs, recipe.measured_channels, recipe.lookback)
            shares: FloatArray = frame[[OVERRIDDEN, SIMULATED]].to_numpy(np.float64)
            return shares

        values = np.asarray(self.history.at_cut_offs(self._cut_offs, shares_of), dtype=np.float64)
        return values if values.any() else None

    @cached_property
    def reasons(self) -> Sequence[Reason | None]:
        """Why there is no prediction, or a stale one."""
        now = microseconds(self.cut_offs["at"]).tolist()
        return [
            self.limit.reason(at - read_at) if reason is None and read_at != UNKNOWN else reason
            for reason, read_at, at in zip(self.details.reasons, self.latest.tolist(), now, strict=True)
        ]

    @property
    def scores(self) -> pd.DataFrame:
        """The scores of the assets with a prediction."""
        return self.details.frame[self.details.frame["reason"].isna()]

    @property
    def without(self) -> Sequence[str]:
        """The assets without a prediction."""
        return self.details.frame.loc[self.details.frame["reason"].notna(), "asset"].tolist()

    @property
    def stale(self) -> tuple[str, ...]:
        """The assets with a stale prediction."""
        return _with_code(dict(zip(self.cut_offs["asset"], self.reasons, strict=True)), "stale")

    @property
    def _cut_offs(self) -> pd.DataFrame:
        return self.cut_offs[["asset", "as_of"]]


def _staleness(workspace: Workspace, artifact: Artifact, setting: str) -> Staleness:
    """Return how old telemetry may be, by the rule of the endpoint."""
    asset_type = artifact.recipe.asset_type
    declared = staleness(artifact, setting=setting, contract=contract_of(workspace, asset_type))
    if declared.source != "window":
        return declared
    return staleness(artifact, rhythm=reading_rhythm(workspace, f"telemetry/{asset_type}"))


def _with_code(reasons: Mapping[str, Reason | None], code: str) -> tuple[str, ...]:
    return tuple(sorted(asset for asset, reason in reasons.items() if reason is not None and reason.code == code))
