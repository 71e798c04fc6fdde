"""`forewarn sweep`: what it may see, what it keeps, and what it hands over."""

import json
import pickle
import signal
import sqlite3
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from mlflow import MlflowClient

from data_contracts.errors import ModelError, UsageError
from data_contracts.records.leases import hold_lease
from data_contracts.records.records import open_records
from data_contracts.tables.history import FRAMES, History, read_history
from data_contracts.workspace import Workspace
from models.experiment.experiment import Experiment
from models.experiment.experiment_file import load_experiment
from models.sweeps.feature_store import FeatureStore
from models.sweeps.inner_data import inner_data
from models.sweeps.search_metrics import metric_of
from models.sweeps.search_space import search_space
from models.sweeps.trial_fits import save_inner_data
from models.sweeps.trials import Trial
from pipelines.settings.experiment_files import SHIPPED
from pipelines.sweeps.experiment_text import experiment_toml
from pipelines.sweeps.sweep import run_sweep
from pipelines.sweeps.sweep_config import SweepConfig, plan_sweep, search_of
from pipelines.sweeps.trial_loop import TrialLoop
from tests.pipelines.conftest import Plant

NOW = pd.Timestamp("2026-06-01", tz="UTC")
SWEEP = """
[sweep]
folds = 3
[sweep.space]
"estimator.params.num_leaves" = {low = 2, high = 12, log = true}
"estimator.params.learning_rate" = {low = 0.01, high = 0.3, log = true}
"windows.window" = ["12h", ["12h", "24h"]]
"""
Describe = Callable[..., Experiment]


@pytest.fixture
def file(experiment_text: str, tmp_path: Path) -> Path:
    path = tmp_path / "searched.toml"
    path.write_text(experiment_text + SWEEP)
    return path


@pytest.fixture
def searched(file: Path) -> Experiment:
    return load_experiment(file)


class Ahead:
    """Computes as an engine of Dask does: tasks are pickled, and some are asked for before the first result."""

    def __init__(self, most: int) -> None:
        self.most = most

    def map(self, compute: Callable[[Any], Any], tasks: Iterable[Any]) -> Iterator[Any]:
        waiting: deque[bytes] = deque()
        for task in tasks:
            waiting.append(pickle.dumps(task))
            if len(waiting) >= self.most:
                yield compute(pickle.loads(waiting.popleft()))  # noqa: S301 - written above
        while waiting:
            yield compute(pickle.loads(waiting.popleft()))  # noqa: S301 - written above


def loop(
    experiment: Experiment,
    history: History,
    folder: Path,
    *,
    trials: int,
    lag: int = 1,
    mapper: Ahead | None = None,
) -> list[Trial]:
    """Judge trials of a history in this process, and return them without their times."""
    space, plan = search_space(experiment), experiment.sweep
    assert plan is not None
    inner = inner_data(space, history, plan)
    save_inner_data(inner, folder)
    store = FeatureStore(folder, inner.history, inner.train[["asset", "as_of"]])
    found = TrialLoop(space, metric_of(experiment), 5, folder, inner, store, {}, lag=lag)
    assert found.run(trials, lambda _: None, mapper=mapper)
    return [replace(trial, seconds=0.0) for trial in found.finished.values()]


def garbled(history: History, after: pd.Timestamp, seed: int) -> History:
    """Return the history with everything that became known after a time made up, and much of it gone."""
    rng, frames = np.random.default_rng(seed), {}
    for name in FRAMES:
        frame = getattr(history, name)
        late = frame["known_time"] > after
        own = frame[late].sample(frac=0.7, random_state=seed)
        for column in own.select_dtypes("number").columns.difference(["stored_version"]):
            own[column] = rng.normal(0.0, 1e3, len(own))
        own["asset"] = rng.permutation(own["asset"].to_numpy())
        frames[name] = pd.concat([frame[~late], own], ignore_index=True)
    return replace(history, **frames)


@pytest.mark.parametrize("seed", [1, 2])
def test_nothing_known_after_the_end_of_training_changes_a_choice(
    plant: Plant, searched: Experiment, tmp_path: Path, seed: int
) -> None:
    """Made-up telemetry, failures and records of the test period change no trial: the search never sees them."""
    history = read_history(plant.workspace, "azure_machine", plant="plant")
    start = searched.split.test_start
    assert start is not None
    before = loop(searched, history, tmp_path / "before", trials=4)
    assert loop(searched, garbled(history, start, seed), tmp_path / "garbled", trials=4) == before
    # It could: what became known a little earlier does.
    earlier = loop(searched, garbled(history, start - pd.Timedelta(days=10), seed), tmp_path / "earlier", trials=4)
    assert earlier != before


def test_test_assets_change_no_choice(plant: Plant, searched: Experiment, tmp_path: Path) -> None:
    """Split by asset, made-up telemetry and failures of the test assets change no trial."""
    experiment = searched.with_split(kind="asset", test=("machine-0[0-3]",), test_start=None)
    history = read_history(plant.workspace, "azure_machine", plant="plant").as_of(plant.at(30))
    tested = [f"machine-{number:02d}" for number in range(4)]
    frames = {}
    for name in FRAMES:
        frame = getattr(history, name)
        own = frame["asset"].isin(tested)
        changed = frame[own].sample(frac=0.5, random_state=1)
        for column in changed.select_dtypes("number").columns.difference(["stored_version"]):
            changed[column] = 7.0
        frames[name] = pd.concat([frame[~own], changed], ignore_index=True)
    before = loop(experiment, history, tmp_path / "before", trials=2)
    assert loop(experiment, replace(history, **frames), tmp_path / "garbled", trials=2) == before


def test_the_same_seed_tries_the_same(plant: Plant, searched: Experiment, tmp_path: Path) -> None:
    """Bit for bit; with more trials at the same time the suggestions are others, but the first."""
    history = read_history(plant.workspace, "azure_machine", plant="plant").as_of(plant.at(36))
    first = loop(searched, history, tmp_path / "a", trials=12)
    assert loop(searched, history, tmp_path / "b", trials=12) == first
    several = loop(searched, history, tmp_path / "c", trials=12, lag=3)
    assert [trial.params for trial in several[:11]] == [trial.params for trial in first[:11]]
    ahead = loop(searched, history, tmp_path / "d", trials=12, lag=3, mapper=Ahead(3))
    assert ahead == several
    assert {trial.state for trial in first} <= {"complete", "pruned"}
    assert {len(trial.scores) for trial in first if trial.state == "complete"} == {3}


@pytest.mark.parametrize("name", sorted(path.stem for path in SHIPPED.glob("*.toml")))
def test_a_written_experiment_is_read_as_it_was(name: str, tmp_path: Path) -> None:
    """The file that a sweep writes holds the chosen experiment, whatever it has."""
    shipped = load_experiment(SHIPPED / f"{name}.toml")
    changes = ['features.gaps={interval="1h", fill_for="2h", most_missing=0.5}', "data.sources=['physical']"]
    for experiment in (shipped, shipped.with_overrides(changes)):
        file = tmp_path / "written.toml"
        file.write_text(experiment_toml(experiment, ("chosen",)), encoding="utf-8")
        assert load_experiment(file) == experiment


def test_a_dry_run_counts_the_fits(searched: Experiment) -> None:
    """Five trials and the experiment as it is, on three folds by asset in two steps of time."""
    effort = plan_sweep(searched, SweepConfig(trials=5))
    assert effort.fits == 6 * 3 * 2
    assert effort.to_dict()["space"]["windows.window"] == ["12h", ["12h", "24h"]]


@pytest.mark.parametrize(
    "wrong", [{"trials": 0}, {"workers": 0}, {"timeout": pd.Timedelta(0)}], ids=["trials", "workers", "timeout"]
)
def test_a_wrong_option_is_named(wrong: dict[str, object]) -> None:
    """Nothing is searched with no trials, no process or no time."""
    with pytest.raises(UsageError, match=next(iter(wrong))):
        SweepConfig(**wrong)  # type: ignore[arg-type] # that is what is tested


@pytest.mark.slow
def test_a_sweep_keeps_what_has_ended_and_trains_what_it_chose(
    plant: Plant, searched: Experiment, tmp_path: Path
) -> None:
    """Out of time it says so, and goes on; in MLflow each trial is below the search, with plots and the file."""

    def run(trials: int, **more: object) -> object:
        return run_sweep(plant.workspace, searched, SweepConfig(trials=trials, **more), now=NOW)  # type: ignore[arg-type]

    key = search_of(searched, SweepConfig(), plant.workspace.contracts).key
    records = open_records(plant.workspace.records_url)
    with hold_lease(records, f"sweep/{key}", "sweep"), pytest.raises(ModelError, match="another sweep of plant"):
        run(2)
    with pytest.raises(ModelError, match="time was up"):
        run(2, timeout=pd.Timedelta("1us"))
    first = run(2)
    assert (first.resumed, len(first.trials)) == (0, 3)  # type: ignore[attr-defined]
    out = tmp_path / "chosen.toml"
    second = run(3, train=True, out=out)
    assert (second.resumed, len(second.trials), second.run_id) == (3, 4, first.run_id)  # type: ignore[attr-defined]
    assert second.trials[:3] == first.trials  # type: ignore[attr-defined]
    chosen = load_experiment(out)
    assert chosen == search_space(searched).apply(second.chosen.params)  # type: ignore[attr-defined]
    assert plant.registry.tags("plant", second.version)["sweep"] == first.run_id  # type: ignore[attr-defined]
    measured = second.optimism  # type: ignore[attr-defined]
    assert measured.outer == pytest.approx(second.test["brier"])  # type: ignore[attr-defined]
    assert measured.low < measured.difference < measured.high
    client = MlflowClient(plant.workspace.mlflow_uri)
    run_of = client.get_run(first.run_id)  # type: ignore[attr-defined]
    assert run_of.info.status == "FINISHED"
    assert run_of.data.metrics["optimism"] == pytest.approx(measured.difference)
    below = client.search_runs(
        [run_of.info.experiment_id],
        f"tags.`mlflow.parentRunId` = '{first.run_id}'",  # type: ignore[attr-defined]
    )
    assert {own.info.run_name for own in below} == {"as it is", "trial 1", "trial 2", "trial 3"}
    assert {file.path for file in client.list_artifacts(run_of.info.run_id)} == {"chosen.toml", "plots", "trials.csv"}
    assert not list((plant.workspace.root / "sweeps").iterdir())
    assert run(2, anew=True).resumed == 0  # type: ignore[attr-defined]
    with pytest.raises(UsageError, match="exists"):
        run(2, out=out)


COMMAND = [sys.executable, "-c", "from pipelines.cli import main; main()", "sweep"]


def ended(workspace: Workspace) -> int:
    with sqlite3.connect(f"file:{workspace.root / 'mlflow.db'}?mode=ro", uri=True) as database:
        return int(database.execute("SELECT count(*) FROM tags WHERE key = 'sweep_trial'").fetchone()[0])


def is_running(pid: str) -> bool:
    state = Path(f"/proc/{pid}/stat")
    return state.exists() and state.read_text().rpartition(")")[2].split()[0] != "Z"


@pytest.mark.slow
def test_a_killed_sweep_goes_on_as_if_it_had_not_been(plant: Plant, searched: Experiment, file: Path) -> None:
    """SIGKILL in the middle: its processes end, its trials stay, and the same command ends as an unbroken run does."""
    words = [*COMMAND, str(file), "--trials", "13", "--workers", "2", "--json", "-w", str(plant.workspace.root)]
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL)
    while (count := ended(plant.workspace)) < 5:
        assert process.poll() is None, count
        time.sleep(0.05)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    kept = ended(plant.workspace)
    assert 5 <= kept < 14
    for _ in range(600):
        if not any(map(is_running, children)):
            break
        time.sleep(0.1)
    assert children
    assert not any(map(is_running, children))
    again = json.loads(subprocess.run(words, check=True, capture_output=True).stdout)
    # The trial that was being stored when the kill came is judged again.
    assert kept - 1 <= again["resumed"] <= kept
    unbroken = run_sweep(plant.workspace, searched, SweepConfig(13, workers=2, anew=True), now=NOW).to_dict()
    for one, other in zip(again["trials"], unbroken["trials"], strict=True):
        assert {**one, "seconds": 0} == {**other, "seconds": 0}
    assert again["chosen"]["number"] == unbroken["chosen"]["number"]
