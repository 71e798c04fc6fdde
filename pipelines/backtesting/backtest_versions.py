"""The models of a back-test: trained when first asked for, and kept in the workspace, so that a second run is quick."""

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
from features.telemetry.windows import cut_offs
from models.artifact.artifact import Artifact
from models.artifact.scoring import score
from models.backtesting.backtest import Version
from models.diagnosis.diagnosis import Diagnosis
from models.diagnosis.diagnosis_types import Finding
from models.experiment.experiment import Experiment
from models.outcomes.error_rates import ErrorRates
from models.outcomes.outcomes import Terms
from models.registry.registry import LoadedModel
from models.retraining.comparison import CHALLENGER, Contender, compare
from models.training.samples import alarm_terms
from models.training.training import train
from pipelines.evidence.champion import MonitoredModel
from pipelines.evidence.diagnosis_inputs import diagnose
from pipelines.jobs.retrain import challenger_experiment, challenger_holdout
from pipelines.settings.settings import Settings

_STAMP = "%Y%m%dT%H%M%S"


@dataclass(frozen=True)
class KeptVersions:
    """Train, ask and compare the models of a back-test, each once.

    Parameters
    ----------
    workspace : Workspace
        Its telemetry is diagnosed.
    experiment : Experiment
        What is trained, as `forewarn retrain` would: judged on the holdout before its time.
    history : History
        All that is known; nothing known later than a model's time goes into it.
    settings : Settings
        Holdout, and how far back the training data reach.
    folder : Path
        Where they are kept; see `folder_of`.
    compared : bool
        Whether a challenger has to win the comparison with the champion; else it is promoted as it is.
    progress : ProgressCallback
        Takes word of how far a training is.
    trained_one : callable
        Called with the seconds of each training that was not kept yet.
    """

    workspace: Workspace
    experiment: Experiment
    history: History
    settings: Settings
    folder: Path
    compared: bool = True
    progress: ProgressCallback = silent
    trained_one: Callable[[pd.Timestamp], None] = lambda _: None

    def trained(self, at: pd.Timestamp, *, urgent: bool = False) -> Version:
        """Train a version on what was known at a time, or take the one that is kept."""
        holdout = self.settings.retrain.holdout
        if urgent:
            rules = terms_at(self.experiment, self.history, at)
            holdout = challenger_holdout(self.history, self.settings, rules, now=at, urgent=True)
        folder = self._folder(at, holdout)
        if not (folder / "version.json").is_file():
            self._train(at, holdout, folder)
            self.trained_one(at)
        kept = json.loads((folder / "version.json").read_text(encoding="utf-8"))
        promised = None if kept["promised"] is None else ErrorRates.from_dict(kept["promised"])
        return Version(at, pd.Timestamp(kept["trained_until"]), promised, holdout)

    def kept(self, at: pd.Timestamp) -> bool:
        """Say whether the version of a time, with the usual holdout, is kept already."""
        return (self._folder(at, self.settings.retrain.holdout) / "version.json").is_file()

    def told(self, version: Version, start: pd.Timestamp, end: pd.Timestamp) -> pd.DataFrame:
        """Return asset, as_of, alert for the cut-offs in (start, end]."""
        file = self._home(version) / f"told-{start:{_STAMP}}-{end:{_STAMP}}.parquet"
        if not file.is_file():
            artifact = self._artifact(version)
            asked = cut_offs(self.history, self.experiment.windows.stride, start=start, end=end)
            asked = asked[asked["as_of"] > start].reset_index(drop=True)
            scored = score(artifact, self._recent(artifact, start, end), asked)
            said = scored.loc[scored["reason"].isna(), ["asset", "as_of", "alert"]]
            with _whole(file) as unfinished:
                said.to_parquet(unfinished, index=False)
        return pd.read_parquet(file).astype({"asset": "str", "as_of": "datetime64[us, UTC]"})

    def diagnosed(self, version: Version, at: pd.Timestamp) -> Diagnosis:
        """Name what is wrong with the data, as `forewarn monitor` would have at a time."""
        file = self._home(version) / f"diagnosis-{at:{_STAMP}}.json"
        if not file.is_file():
            tags = {"trained_until": version.trained_until.isoformat()}
            model = LoadedModel(self.experiment.model_name, 0, self._artifact(version), version.promised, tags)
            champion = MonitoredModel(model, self.experiment)
            _write(file, diagnose(self.workspace, champion, now=at, since=at - self.settings.drift.every).to_dict())
        found = json.loads(file.read_text(encoding="utf-8"))
        return Diagnosis(
            findings=tuple(_finding(one) for one in found["findings"]),
            set_aside={asset: pd.Timestamp(time) for asset, time in found["set_aside"].items()},
        )

    def better(self, champion: Version, challenger: Version, at: pd.Timestamp) -> bool:
        """Say whether the challenger won the comparison on the holdout before a time."""
        if not self.compared:
            return True
        file = self._home(challenger) / f"against-{self._home(champion).name}.json"
        if not file.is_file():
            artifacts = [self._artifact(version) for version in (champion, challenger)]
            start = at - challenger.holdout
            found = compare(
                Contender(1, artifacts[0], champion.trained_until),
                Contender(2, artifacts[1], challenger.trained_until),
                self._recent(artifacts[1], start, at).as_of(at),
                start=start,
                now=at,
                stride=self.experiment.windows.stride,
                terms=terms_at(self.experiment, self.history, at),
                costs=self.experiment.costs,
            )
            _write(file, found.to_dict())
        return bool(json.loads(file.read_text(encoding="utf-8"))["winner"] == CHALLENGER)

    def _folder(self, at: pd.Timestamp, holdout: pd.Timedelta) -> Path:
        usual = holdout == self.settings.retrain.holdout
        return self.folder / (f"{at:{_STAMP}}" if usual else f"{at:{_STAMP}}-{format_duration(holdout)}")

    def _home(self, version: Version) -> Path:
        return self._folder(version.made_at, version.holdout)

    def _artifact(self, version: Version) -> Artifact:
        return Artifact.load(self._home(version) / "artifact")

    def _train(self, at: pd.Timestamp, holdout: pd.Timedelta, folder: Path) -> None:
        reach = self.settings.retrain.history
        experiment = challenger_experiment(self.experiment, now=at, holdout=holdout, history=reach)
        made = train(experiment, self.history, known_until=at, progress=self.progress)
        reference = made.evaluation.reference
        kept = {
            "trained_until": made.trained_until.isoformat(),
            "promised": None if reference is None else reference.to_dict(),
        }
        unfinished = Path(tempfile.mkdtemp(prefix="unfinished-", dir=_made(self.folder)))
        try:
            made.artifact.save(unfinished / "artifact")
            (unfinished / "version.json").write_text(json.dumps(kept, indent=2), encoding="utf-8")
            unfinished.replace(folder)
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)

    def _recent(self, artifact: Artifact, start: pd.Timestamp, end: pd.Timestamp) -> History:
        """Leave out telemetry that no feature of (start, end] looks at, but each asset's first reading.

        A whole history takes ten times as long to be sorted as a few weeks of it take to be scored. The first reading
        stays because cut-offs begin there.
        """
        rows = self.history.telemetry
        reach = start - max(*artifact.recipe.windows, artifact.recipe.lookback)
        near = (rows["event_time"] > reach) & (rows["event_time"] <= end)
        near.iloc[self._firsts] = True
        return replace(self.history, telemetry=rows[near].reset_index(drop=True))

    @cached_property
    def _firsts(self) -> list[int]:
        """Give the places of each asset's first reading."""
        times = self.history.telemetry["event_time"].reset_index(drop=True)
        return times.groupby(self.history.telemetry["asset"].to_numpy()).idxmin().tolist()


def terms_at(experiment: Experiment, history: History, at: pd.Timestamp) -> Terms:
    """Settle how alarms are judged, as known at a time.

    Parameters
    ----------
    experiment : Experiment
        Gives lead, horizon and gap.
    history : History
        Its failures tell how long reports take, where the experiment does not say so.
    at : pd.Timestamp
        Nothing known later is used.

    Raises
    ------
    ModelError
        If the experiment raises no alarms that could be right or wrong.
    """
    found = alarm_terms(experiment, history, at)
    if experiment.target != "failure" or found is None:
        raise ModelError(
            f"{experiment.name} has target {experiment.target}",
            "an experiment of target failure with a horizon, whose alarms can be right or wrong",
            "Name another experiment",
        )
    return found


def folder_of(root: Path, experiment: Experiment, history: History, settings: Settings) -> Path:
    """Return the folder for the models of an experiment, a state of the tables, and the settings of retraining.

    Parameters
    ----------
    root : Path
        The workspace's folder.
    experiment : Experiment
        What is trained.
    history : History
        Its table versions.
    settings : Settings
        Holdout and history.

    Returns
    -------
    Path
        The same for the same; it need not be there.
    """
    said = [
        experiment.to_json(),
        json.dumps(dict(history.versions), sort_keys=True),
        str(settings.retrain.holdout),
        str(settings.retrain.history),
    ]
    return root / "backtest" / hashlib.sha256("\n".join(said).encode()).hexdigest()[:16]


def _finding(told: dict[str, Any]) -> Finding:
    aside = {asset: pd.Timestamp(time) for asset, time in told["set_aside"].items()}
    read = {"assets": tuple(told["assets"]), "channels": tuple(told["channels"]), "set_aside": aside}
    return Finding(**{**told, **read, "since": pd.Timestamp(told["since"])})


def _write(file: Path, content: dict[str, Any]) -> None:
    with _whole(file) as unfinished:
        unfinished.write_text(json.dumps(content, indent=2), encoding="utf-8")


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@contextmanager
def _whole(file: Path) -> Iterator[Path]:
    """Give a path to write to, and put it in its place once it is whole."""
    handle, name = tempfile.mkstemp(prefix=".unfinished-", dir=_made(file.parent))
    os.close(handle)
    unfinished = Path(name)
    try:
        yield unfinished
        unfinished.replace(file)
    finally:
        unfinished.unlink(missing_ok=True)
