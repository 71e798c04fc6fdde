"""Score the whole fleet from stored telemetry, and store predictions and features."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pandas as pd

from data_contracts.errors import NotFoundError
from data_contracts.progress import ProgressCallback, silent
from data_contracts.records.records import Prediction
from data_contracts.tables.history import History, read_history
from data_contracts.tables.readings import reading_rhythm
from data_contracts.workspace import Workspace
from features.clock import TIME, Clock, clock_of
from features.extraction.latest_readings import UNKNOWN, latest_readings
from features.telemetry.sorted_times import IntArray, width
from models.artifact.absences import absent_assets
from models.artifact.artifact import Artifact
from models.artifact.reasons import Reason
from models.artifact.scoring import DetailedScores, score_in_detail
from models.artifact.staleness import Staleness, contract_of, staleness
from models.labels.observation import observation_window
from pipelines.evidence.champion import load_champion
from pipelines.jobs.risk_list import Risk, by_risk, first_risks
from pipelines.jobs.scored_records import (
    absent_answers,
    answers_of_scores,
    predictions_of,
    store_new,
    store_scored_features,
)


@dataclass(frozen=True)
class ScoreResult:
    """One scoring of the fleet by its champion."""

    model_name: str
    model_version: int
    as_of: pd.Timestamp
    scored: int  # assets with a prediction
    stored: int  # predictions that were not stored before
    alerts: tuple[str, ...]  # assets over the threshold
    silent: tuple[str, ...]  # assets with no or too little telemetry in the model's window: no prediction
    failed: tuple[str, ...] = ()  # assets that failed and have shown no reading since: no prediction
    retired: tuple[str, ...] = ()  # assets out of service: no prediction
    stale: tuple[str, ...] = ()  # assets whose prediction is from telemetry that is too old
    stale_after: str = ""  # when it is, and by which rule
    risks: tuple[Risk, ...] = ()  # all scored assets, the riskiest first
    clock: Clock = TIME  # how times and durations are written
    interval_level: float | None = None  # how often the intervals of remaining lives hold the true ones
    top: int | None = None  # how many of them to list; those over the threshold by default

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values."""
        return {
            "model_name": self.model_name,
            "model_version": self.model_version,
            "as_of": self.as_of.isoformat(),
            "scored": self.scored,
            "stored": self.stored,
            "alerts": list(self.alerts),
            "silent": list(self.silent),
            "failed": list(self.failed),
            "retired": list(self.retired),
            "stale": list(self.stale),
            "stale_after": self.stale_after,
            **({} if self.clock == TIME else {"clock": self.clock.name}),
            **({} if self.interval_level is None else {"interval_level": self.interval_level}),
            "by_risk": [risk.to_dict() for risk in first_risks(self.risks, self.top)],
        }


def score_fleet(
    workspace: Workspace,
    model_name: str,
    *,
    as_of: pd.Timestamp | None = None,
    now: pd.Timestamp | None = None,
    stale_after: str = "",
    progress: ProgressCallback = silent,
) -> ScoreResult:
    """Score every asset with the champion; store the predictions and their features once.

    `as_of` defaults to the latest known time of the telemetry, `now` (when the predictions are made) to the present.
    The same fleet, cut-off and version again gives the same predictions and stores none. As at the endpoint, which
    assets run and how old their telemetry is counts at `as_of`, and without one at `now`; `stale_after` is the setting
    of that name there, a duration or "none". `NotFoundError` without a champion, or without telemetry in the model's
    window.
    """
    champion = load_champion(workspace, model_name)
    model, data = champion.model, champion.experiment.data
    window = observation_window(model.artifact.recipe.windows)
    since = None if as_of is None else as_of - max(window, model.artifact.recipe.lookback)
    progress("score", 0, 3)
    history = read_history(workspace, data.asset_type, plant=data.plant, as_of=as_of, start=since)
    cut_off = _latest_known_time(history) if as_of is None else as_of
    active, silent_assets = _split_by_telemetry(history, cut_off, window)
    progress("score", 1, 3)
    made_at = pd.Timestamp.now("UTC") if now is None else now
    # Cycles have no present: the wall clock says nothing of the age of what was read in them.
    at = max(cut_off, made_at) if as_of is None and model.artifact.clock == TIME else cut_off
    fleet = pd.DataFrame({"asset": sorted({*active, *silent_assets}), "as_of": at.as_unit("us")})
    absent = absent_assets(workspace, model.artifact, history, fleet)
    running = [asset for asset in active if asset not in absent]
    limit = _staleness(workspace, model.artifact, stale_after)
    run = _Run(model.artifact, history, running, cut_off, limit, at) if running else None
    progress("score", 2, 3)
    new = _with_code(absent, "no_telemetry")
    stopped = {asset: reason for asset, reason in absent.items() if asset not in new}
    answers = list(absent_answers(model, stopped, cut_off, made_at))
    predicted: list[Prediction] = []
    if run is not None:
        store_scored_features(workspace, model, run.details, run.latest, made_at)
        answers += answers_of_scores(model, run.details, run.latest, run.reasons, made_at)
        predicted = predictions_of(model, run.scores, made_at)
    stored = store_new(workspace, predicted, answers, cut_off)
    progress("score", 3, 3)
    return ScoreResult(
        model_name=model.name,
        model_version=model.version,
        as_of=cut_off,
        scored=len(predicted),
        stored=stored,
        alerts=tuple(prediction.asset for prediction in predicted if prediction.alert),
        silent=tuple(sorted({*silent_assets, *new, *(() if run is None else run.without)} - stopped.keys())),
        failed=_with_code(absent, "failed"),
        retired=_with_code(absent, "retired"),
        stale=() if run is None else run.stale,
        stale_after=limit.describe(),
        clock=model.artifact.clock,
        interval_level=None if (table := model.artifact.intervals) is None else table.level,
        risks=() if run is None else by_risk(run.scores),
    )


@dataclass(frozen=True)
class _Run:
    """The scores of the assets that run."""

    artifact: Artifact
    history: History
    assets: Sequence[str]
    cut_off: pd.Timestamp
    limit: Staleness
    at: pd.Timestamp  # the ages of telemetry count to here

    @cached_property
    def details(self) -> DetailedScores:
        """The scores, with the features behind them."""
        return score_in_detail(self.artifact, self.history, self._cut_offs)

    @cached_property
    def latest(self) -> IntArray:
        """The latest reading behind each score, in microseconds since 1970, or UNKNOWN."""
        return latest_readings(self.history, self._cut_offs, self.artifact.recipe)

    @cached_property
    def reasons(self) -> Sequence[Reason | None]:
        """Why there is no prediction, or a stale one."""
        now = width(self.at - pd.Timestamp(0, tz="UTC"))
        return [
            self.limit.reason(now - read_at) if reason is None and read_at != UNKNOWN else reason
            for reason, read_at in zip(self.details.reasons, self.latest.tolist(), strict=True)
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
        return _with_code(dict(zip(self.assets, self.reasons, strict=True)), "stale")

    @property
    def _cut_offs(self) -> pd.DataFrame:
        return pd.DataFrame({"asset": list(self.assets), "as_of": self.cut_off})


def _latest_known_time(history: History) -> pd.Timestamp:
    if history.telemetry.empty:
        raise NotFoundError(
            f"no telemetry of any {history.asset_type}", "some to score from", "Import some with `forewarn import`"
        )
    return pd.Timestamp(history.telemetry["known_time"].max())


def _split_by_telemetry(
    history: History, as_of: pd.Timestamp, window: pd.Timedelta
) -> tuple[list[str], tuple[str, ...]]:
    """Return the assets with telemetry in the window before the cut-off, and those without."""
    rows = history.telemetry
    active = set(rows.loc[(rows["event_time"] > as_of - window) & (rows["event_time"] <= as_of), "asset"])
    if not active:
        clock = clock_of(history.contract)
        raise NotFoundError(
            f"no telemetry of any {history.asset_type} in the {clock.duration(window)} before {clock.instant(as_of)}",
            "some to score from",
            "Ingest newer telemetry, or name another time with --as-of",
        )
    return sorted(active), tuple(sorted({*history.assets["asset"], *rows["asset"]} - active))


def _staleness(workspace: Workspace, artifact: Artifact, setting: str) -> Staleness:
    """Return how old telemetry may be, by the rule of the endpoint."""
    asset_type = artifact.recipe.asset_type
    declared = staleness(artifact, setting=setting, contract=contract_of(workspace, asset_type))
    if declared.source != "window":
        return declared
    return staleness(artifact, rhythm=reading_rhythm(workspace, f"telemetry/{asset_type}"))


def _with_code(reasons: Mapping[str, Reason | None], code: str) -> tuple[str, ...]:
    return tuple(sorted(asset for asset, reason in reasons.items() if reason is not None and reason.code == code))
