"""The models of a back-test: trained when first needed, and cached in the workspace, so that a second run is quick."""

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from data_contracts.errors import ModelError
from data_contracts.progress import ProgressCallback, silent
from data_contracts.tables.history import History
from data_contracts.workspace import Workspace
from features.names import format_duration
from models.artifact.artifact import Artifact
from models.artifact.scoring import score
from models.backtesting.backtest import Version
from models.diagnosis.diagnosis import Diagnosis
from models.diagnosis.diagnosis_types import Finding
from models.experiment.experiment import Experiment
from models.labels.observed_cut_offs import observed_cut_offs
from models.outcomes.error_rates import ErrorRates
from models.outcomes.outcomes import Terms
from models.registry.registry import LoadedModel
from models.retraining.comparison import CHALLENGER, Contender, compare
from models.training.samples import alarm_terms, observation_rule
from models.training.training import train
from pipelines.evidence.champion import MonitoredModel
from pipelines.evidence.diagnosis_inputs import diagnose
from pipelines.jobs.retrain import challenger_experiment, challenger_holdout
from pipelines.settings.settings import Settings

_STAMP = "%Y%m%dT%H%M%S"


@dataclass(frozen=True)
class CachedModels:
    """The `ReplayModels` of a workspace: each model is trained, applied and compared once.

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

    def train(self, at: pd.Timestamp, *, urgent: bool = False) -> Version:
        """Train a version on what was known at a time, or take it from the cache."""
        holdout = self.settings.retrain.holdout
        if urgent:
            terms = terms_at(self.experiment, self.history, at)
            holdout = challenger_holdout(self.history, self.settings, terms, now=at, urgent=True)
        folder = self._folder(at, holdout)
        if not (folder / "version.json").is_file():
            self._train(at, holdout, folder)
            self.on_trained()
        stored = json.loads((folder / "version.json").read_text(encoding="utf-8"))
        promised = None if stored["promised"] is None else ErrorRates.from_dict(stored["promised"])
        return Version(at, pd.Timestamp(stored["trained_until"]), promised, holdout)

    def is_cached(self, at: pd.Timestamp) -> bool:
        """Return whether the version of a time, with the usual holdout, is in the cache."""
        return (self._folder(at, self.settings.retrain.holdout) / "version.json").is_file()

    def predict(self, version: Version, start: pd.Timestamp, end: pd.Timestamp) -> pd.DataFrame:
        """Return asset, as_of, alert for the cut-offs in (start, end]."""
        file = self._folder_of(version) / f"alerts-{start:{_STAMP}}-{end:{_STAMP}}.parquet"
        if not file.is_file():
            artifact = self._artifact(version)
            recent, rule = self._recent(artifact, start, end), observation_rule(self.experiment)
            times = observed_cut_offs(recent, self.experiment.windows.stride, rule, start=start, end=end).cut_offs
            times = times[times["as_of"] > start].reset_index(drop=True)
            scores = score(artifact, recent, times)
            predictions = scores.loc[scores["reason"].isna(), ["asset", "as_of", "alert"]]
            with _replacing(file) as unfinished:
                predictions.to_parquet(unfinished, index=False)
        return pd.read_parquet(file).astype({"asset": "str", "as_of": "datetime64[us, UTC]"})

    def diagnose(self, version: Version, at: pd.Timestamp) -> Diagnosis:
        """Diagnose the data, as `forewarn monitor` would have at a time."""
        file = self._folder_of(version) / f"diagnosis-{at:{_STAMP}}.json"
        if not file.is_file():
            tags = {"trained_until": version.trained_until.isoformat()}
            model = LoadedModel(self.experiment.model_name, 0, self._artifact(version), version.promised, tags)
            champion = MonitoredModel(model, self.experiment)
            _write_json(
                file, diagnose(self.workspace, champion, now=at, since=at - self.settings.drift.every).to_dict()
            )
        stored = json.loads(file.read_text(encoding="utf-8"))
        return Diagnosis(
            findings=tuple(_read_finding(finding) for finding in stored["findings"]),
            set_aside={asset: pd.Timestamp(time) for asset, time in stored["set_aside"].items()},
        )

    def challenger_wins(self, champion: Version, challenger: Version, at: pd.Timestamp) -> bool:
        """Return whether the challenger won the comparison on the holdout before a time."""
        if not self.comparison_required:
            return True
        file = self._folder_of(challenger) / f"against-{self._folder_of(champion).name}.json"
        if not file.is_file():
            artifacts = [self._artifact(version) for version in (champion, challenger)]
            start, terms = at - challenger.holdout, terms_at(self.experiment, self.history, at)
            comparison = compare(
                Contender(1, artifacts[0], champion.trained_until),
                Contender(2, artifacts[1], challenger.trained_until),
                self._recent(artifacts[1], start - terms.claim, at).as_of(at),
                start=start,
                now=at,
                stride=self.experiment.windows.stride,
                terms=terms,
                costs=self.experiment.costs,
                rule=observation_rule(self.experiment),
            )
            _write_json(file, comparison.to_dict())
        return bool(json.loads(file.read_text(encoding="utf-8"))["winner"] == CHALLENGER)

    def _folder(self, at: pd.Timestamp, holdout: pd.Timedelta) -> Path:
        usual = holdout == self.settings.retrain.holdout
        return self.folder / (f"{at:{_STAMP}}" if usual else f"{at:{_STAMP}}-{format_duration(holdout)}")

    def _folder_of(self, version: Version) -> Path:
        return self._folder(version.made_at, version.holdout)

    def _artifact(self, version: Version) -> Artifact:
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
        unfinished = Path(tempfile.mkdtemp(prefix="unfinished-", dir=_ensure_folder(self.folder)))
        try:
            trained.artifact.save(unfinished / "artifact")
            (unfinished / "version.json").write_text(json.dumps(stored, indent=2), encoding="utf-8")
            unfinished.replace(folder)
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)

    def _recent(self, artifact: Artifact, start: pd.Timestamp, end: pd.Timestamp) -> History:
        """Leave out telemetry that no feature of (start, end] uses, except each asset's first and last reading.

        Sorting a whole history takes ten times as long as scoring a few weeks of it. The first and the last reading
        stay because cut-offs begin and end there.
        """
        rows = self.history.telemetry
        reach = start - max(*artifact.recipe.windows, artifact.recipe.lookback)
        near = (rows["event_time"] > reach) & (rows["event_time"] <= end)
        near.iloc[self._outermost_readings] = True
        return replace(self.history, telemetry=rows[near].reset_index(drop=True))

    @cached_property
    def _outermost_readings(self) -> list[int]:
        """Return the row numbers of each asset's first and last reading."""
        times = self.history.telemetry["event_time"].reset_index(drop=True)
        by_asset = times.groupby(self.history.telemetry["asset"].to_numpy())
        return [*by_asset.idxmin().tolist(), *by_asset.idxmax().tolist()]


def terms_at(experiment: Experiment, history: History, at: pd.Timestamp) -> Terms:
    """Return how alarms are judged, as known at a time; raise `ModelError` if the experiment raises none to judge."""
    terms = alarm_terms(experiment, history, at)
    if experiment.target != "failure" or terms is None:
        raise ModelError(
            f"{experiment.name} has target {experiment.target}",
            "an experiment of target failure with a horizon, whose alarms can be right or wrong",
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
    return root / "backtest" / hashlib.sha256("\n".join(inputs).encode()).hexdigest()[:16]


def _read_finding(stored: dict[str, Any]) -> Finding:
    aside = {asset: pd.Timestamp(time) for asset, time in stored["set_aside"].items()}
    parsed = {"assets": tuple(stored["assets"]), "channels": tuple(stored["channels"]), "set_aside": aside}
    return Finding(**{**stored, **parsed, "since": pd.Timestamp(stored["since"])})


def _write_json(file: Path, content: dict[str, Any]) -> None:
    with _replacing(file) as unfinished:
        unfinished.write_text(json.dumps(content, indent=2), encoding="utf-8")


def _ensure_folder(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@contextmanager
def _replacing(file: Path) -> Iterator[Path]:
    """Yield a path to write to, and move it to `file` once it is complete."""
    handle, name = tempfile.mkstemp(prefix=".unfinished-", dir=_ensure_folder(file.parent))
    os.close(handle)
    unfinished = Path(name)
    try:
        yield unfinished
        unfinished.replace(file)
    finally:
        unfinished.unlink(missing_ok=True)
