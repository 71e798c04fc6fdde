"""Jobs on worker processes of Dask, one of which is killed meanwhile: what they give is what threads give."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from distributed import LocalCluster

from data_contracts.contract.contract import load_contract
from data_contracts.records.records import decisions, open_records
from data_contracts.tables import tables
from data_contracts.tables.blocks import stored_telemetry
from data_contracts.tables.blocks.shared_file import FOLDER, create_shared, remove_shared
from data_contracts.tables.history import open_history
from data_contracts.workspace import init_workspace
from features import Recipe, extract, parse_feature_set
from features.indicators.plan import IndicatorPlan
from features.names import parse_duration
from models.experiment.experiment import Experiment
from models.registry.registry import Registry
from models.registry.reproduce import reproduce
from pipelines.backtesting.backtest import BacktestConfig, run_backtest
from pipelines.compute import dask_engine
from pipelines.compute.engine import lasting_engine
from pipelines.compute.worker import ComputeError
from pipelines.following.stream_follower import StreamFollower
from pipelines.indicators.definitions import define
from pipelines.indicators.follow import IndicatorFollower
from pipelines.jobs.monitor import monitor_champion
from pipelines.jobs.retrain import retrain_champion
from pipelines.settings.sections import ComputeSettings
from tests.pipelines.compute.conftest import LosingEngine

pytestmark = pytest.mark.slow

DAY = pd.Timedelta(days=1)
START = pd.Timestamp("2026-01-01", tz="UTC").as_unit("us")


@pytest.fixture(autouse=True)
def _few_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stored_telemetry, "BLOCK_ROWS", 6000)


def copy_of(plant: Any, folder: Path) -> Any:
    shutil.copytree(plant.workspace.root, folder)
    return type(plant)(init_workspace(folder), plant.settings)


def without_paths(result: Any) -> dict[str, Any]:
    return {name: value for name, value in result.to_dict().items() if name not in ("report", "page", "file")}


def test_a_retraining_with_its_refit(plant: Any, tmp_path: Path, losing: LosingEngine) -> None:
    """The same comparison, promise, agreement, predictions and models; and a version is reproduced by Dask."""
    plant.answer(55, 100)
    other, found = copy_of(plant, tmp_path / "other"), []
    for each, engine in ((plant, None), (other, losing)):
        settings = each.settings.with_section("retrain", refit=True)
        result = retrain_champion(each.workspace, "plant", now=each.at(102), settings=settings, engine=engine)
        registry = Registry(each.workspace)
        tags = [registry.tags("plant", version) for version in (2, 3)]
        stored = decisions(open_records(each.workspace.records_url), model_name="plant")
        found.append((result.to_dict(), [tag["predictions_digest"] for tag in tags], stored["evidence"].tolist()))
    assert found[0][0]["refit"]["champion"]
    assert json.dumps(found[0]) == json.dumps(found[1])
    assert losing.killed
    assert reproduce(other.workspace, "plant", 3, engine=losing).same


def test_a_monitoring(plant: Any, tmp_path: Path, losing: LosingEngine) -> None:
    """The same verdict, with the diagnosis of the telemetry behind it, and the same evidence stored."""
    plant.answer(55, 100)
    other, found = copy_of(plant, tmp_path / "other"), []
    for each, engine in ((plant, None), (other, losing)):
        result = monitor_champion(each.workspace, "plant", now=each.at(100.3), settings=each.settings, engine=engine)
        stored = decisions(open_records(each.workspace.records_url), model_name="plant")
        found.append((without_paths(result), stored["evidence"].tolist()))
    assert json.dumps(found[0]) == json.dumps(found[1])
    assert losing.killed


def test_a_back_test(plant: Any, tmp_path: Path, experiment: Experiment, losing: LosingEngine) -> None:
    """The same figures, versions, comparisons and diagnoses in its cache."""
    other = copy_of(plant, tmp_path / "other")
    config, found = BacktestConfig(start=50.0, every=60 * DAY, rules=("always",)), []
    for each, engine in ((plant, None), (other, losing)):
        settings = each.settings.with_section("retrain", holdout=14 * DAY)
        result = run_backtest(each.workspace, experiment, config, settings=settings, engine=engine)
        cache = each.workspace.root / "backtest"
        files = {path.relative_to(cache): path.read_bytes() for path in cache.rglob("*") if path.is_file()}
        found.append((without_paths(result), files))
    assert any("artifact" in path.parts for path in found[0][1])
    assert found[0] == found[1]
    assert losing.killed


def readings(first: int, last: int, known: int = 0, assets: int = 6) -> pd.DataFrame:
    """Return a reading a second of each asset; of 0 they are known at once."""
    contract = load_contract("telemetry_cnc_machine")
    seconds = np.arange(first, last)
    frame = pd.DataFrame({"asset": np.repeat([f"m{number}" for number in range(assets)], len(seconds))})
    frame["event_time"] = START + pd.to_timedelta(np.tile(seconds, assets), unit="s")
    frame["known_time"] = START + pd.Timedelta(seconds=known) if known else frame["event_time"]
    frame["source"] = "physical"
    frame["spindle_vibration"] = np.random.default_rng(first).normal(size=len(frame))
    empty = contract.empty()
    return frame.reindex(columns=empty.columns).astype(empty.dtypes)


def test_indicators_as_commits_arrive(tmp_path: Path, losing: LosingEngine) -> None:
    """The same rows, commit by commit, late telemetry and a commit in several parts included."""
    plan = IndicatorPlan(
        name="cnc_10s", asset_type="cnc_machine", window="10s", features=("mean", "kurtosis", "length"),
        channels=("spindle_vibration",),
    )  # fmt: skip
    batches = [readings(0, 100), readings(100, 130), readings(40, 60, known=500), readings(130, 200)]
    stored = []
    for name, engine, most_rows in (("a", None, 10**6), ("b", losing, 10**6), ("c", None, 600), ("d", losing, 600)):
        workspace = init_workspace(tmp_path / name)
        made = define(workspace, plan, now=START)
        follower = IndicatorFollower(workspace, made, most_rows=most_rows, threads=1, engine=engine)
        for number, batch in enumerate(batches):
            tables.append(workspace, made.source.table, batch, f"batch {number}")
            assert follower.follow().windows
        stored.append(tables.read(workspace, made.plan.table))
    assert stored[0].duplicated(["asset", "event_time"]).any()  # versions of a window
    for one, other in ((0, 1), (2, 3)):
        pd.testing.assert_frame_equal(stored[other], stored[one], check_exact=True)
    assert losing.killed


def test_a_part_reads_its_rows_alone(plant: Any) -> None:
    """The table is read once, whatever the number of parts; what a killed process left of it is removed."""

    class Counting:
        workers = 4

        def map(self, compute: Any, tasks: Any) -> Any:
            for part in tasks:
                chunks = part.history.stored.shared.handed.chunks
                read.append(sum(int(sizes.sum()) for _, sizes in (each.T for each in chunks)))
                Path(part.history.stored.shared.handed.path).stat()
                yield compute(part)

    read = list[int]()
    folder = plant.workspace.root / FOLDER
    folder.mkdir()
    (folder / "left.rows").write_bytes(b"by a process that was killed")
    used = create_shared(plant.workspace.root)
    recipe = Recipe("azure_machine", ("volt",), (pd.Timedelta("12h"),), parse_feature_set(["mean"]))
    names = [f"machine-{number:02d}" for number in range(12)]
    cut_offs = pd.DataFrame({"asset": np.repeat(names, 2), "as_of": np.tile([plant.at(50), plant.at(90)], 12)})
    history = open_history(plant.workspace, "azure_machine", engine=Counting())
    found = extract(history, cut_offs, recipe)
    pd.testing.assert_frame_equal(found, extract(open_history(plant.workspace, "azure_machine"), cut_offs, recipe))
    assert len(read) == 8
    (file,) = set(folder.iterdir()) - {Path(str(used.name))}
    # Parts begin within a piece, which two of them read then.
    assert sum(read) <= 2 * file.stat().st_size
    assert max(read) <= file.stat().st_size / 3
    del history
    remove_shared(used)
    assert not list(folder.iterdir())


def test_what_follows_a_listener_goes_on_when_workers_come_back(plant: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Started when it is needed; without a scheduler that is an error of that commit, and the next tries again."""
    monkeypatch.setattr(dask_engine, "_PATIENCE_S", 1)
    with LocalCluster(n_workers=0, dashboard_address="127.0.0.1:0", host="127.0.0.1", silence_logs=50) as cluster:
        address = cluster.scheduler_address
        with lasting_engine(ComputeSettings("dask", address), plant.workspace) as lasting:
            assert lasting is not None
            follower = StreamFollower(plant.workspace, engine=lasting)
            assert [type(error) for error in follower.follow({"azure_machine"}, now=plant.at(120)).errors] == [
                ComputeError
            ]
            cluster.scale(1)
            cluster.wait_for_workers(1, timeout=120)
            assert list(lasting.map(parse_duration, ["1h"])) == [pd.Timedelta("1h")]
            followed = follower.follow({"azure_machine"}, now=plant.at(120))
            assert (followed.errors, followed.scored[0].scored) == ((), 12)
            cluster.close()
            with pytest.raises(ComputeError):
                list(lasting.map(parse_duration, ["1h"]))
