"""Features computed by worker processes of Dask: the same bits, whatever becomes of a worker."""

import logging
import multiprocessing
import os
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest
from distributed import LocalCluster

from data_contracts.errors import UsageError
from data_contracts.tables import tables
from data_contracts.tables.history import History, open_history
from data_contracts.workspace import Workspace
from features import Recipe, extract, stream
from features.extraction import parts
from features.names import parse_duration
from models.experiment.experiment import Experiment
from models.training.column_selection import learn_recipe
from models.training.samples import draw_samples
from models.training.training import train
from pipelines.cli import app
from pipelines.compute import dask_engine
from pipelines.compute.dask_engine import DaskEngine, remote_engine
from pipelines.compute.worker import ComputeError, environment

pytestmark = pytest.mark.slow

CHANGES = (
    "features.events=true",
    "features.ages=true",
    "features.regimes=2",
    'features.operating_channels=["volt"]',
    'features.gaps={interval="1h", fill_for="3h", most_missing=0.5}',
    "estimator.params.n_estimators=5",
)


@pytest.fixture
def described(plant: Any, experiment: Experiment) -> Experiment:
    """Return an experiment with features of every kind, for a plant that has events and work orders too."""
    times = pd.DataFrame({"asset": [f"machine-{number:02d}" for number in range(0, 12, 2)] * 9})
    times["event_time"] = [plant.at(1 + number * 1.3) for number in range(len(times))]
    times["known_time"] = times["event_time"] + pd.Timedelta("5h")
    events = times.assign(event_id=[f"E{n}" for n in times.index], code=[f"error{n % 3}" for n in times.index])
    orders = times.assign(work_order_id=[f"W{n}" for n in times.index], kind="routine", component="bearing")
    orders = orders.assign(finding=None, prompted_by="schedule")
    tables.append(plant.workspace, "events", events, "events")
    tables.append(plant.workspace, "work_orders", orders, "orders")
    return experiment.with_overrides(CHANGES)


def histories(plant: Any, engine: DaskEngine, **choices: Any) -> tuple[History, History]:
    """Return the history that this process computes, and that of the engine."""
    return tuple(  # type: ignore[return-value]
        open_history(plant.workspace, "azure_machine", plant="plant", block_rows=6000, engine=one, **choices)
        for one in (None, engine)
    )


def samples_of(described: Experiment, history: History) -> tuple[pd.DataFrame, Recipe]:
    samples = draw_samples(described, history, history.last_known)
    return samples.all_cut_offs, learn_recipe(described, history, samples.train)


def test_the_same_features_in_any_order(plant: Any, engine: DaskEngine, described: Experiment) -> None:
    """Of histories derived by time and asset too: every bit of every column, at cut-offs in any order, or at none."""
    here, elsewhere = histories(plant, engine, as_of=plant.at(100))
    cut_offs, recipe = samples_of(described, here)
    assert {name.split("__")[0] for name in recipe.context.columns} == {"events", "work_orders", "failures", "asset"}
    shuffled = cut_offs.sample(frac=1, random_state=1, ignore_index=True)
    expected = extract(here, shuffled, recipe)
    assert expected.notna().any().all()
    pd.testing.assert_frame_equal(extract(elsewhere, shuffled, recipe), expected, check_exact=True)
    pd.testing.assert_frame_equal(extract(elsewhere, shuffled[:0], recipe), expected[:0], check_exact=True)
    time = plant.at(60)
    some = shuffled[(shuffled["as_of"] <= time) & (shuffled["asset"] != "machine-03")]
    derived = [
        history.as_of(time).among([f"machine-{number:02d}" for number in range(9)]).after(plant.at(20))
        for history in (here, elsewhere)
    ]
    of_some = [extract(history, some, recipe) for history in derived]
    pd.testing.assert_frame_equal(of_some[1], of_some[0], check_exact=True)
    assert not of_some[0].equals(expected.loc[of_some[0].index])


def test_a_stream_has_the_same_rows(
    plant: Any, engine: DaskEngine, described: Experiment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the order of the cut-offs, however many parts there are."""
    here, elsewhere = histories(plant, engine)
    cut_offs, recipe = samples_of(described, here)
    expected = stream(here, cut_offs, recipe).read_all()
    monkeypatch.setattr(parts, "_MOST_VALUES", expected.num_rows * len(recipe.output) // 11)
    found = stream(elsewhere, cut_offs, recipe).read_all()
    assert found.schema.equals(expected.schema)
    assert [bits(column) for column in found.columns] == [bits(column) for column in expected.columns]


def bits(column: pa.ChunkedArray) -> bytes:
    values = column.combine_chunks()
    return repr(values.to_pylist()).encode() if pa.types.is_string(values.type) else values.to_numpy(False).tobytes()


def test_the_same_model(plant: Any, engine: DaskEngine, described: Experiment) -> None:
    """A model that is trained on features of Dask is the model that threads give."""
    first, second = (train(described, history) for history in histories(plant, engine))
    assert (first.artifact.digest, first.predictions_digest) == (second.artifact.digest, second.predictions_digest)


def test_what_is_handed_over_is_small(plant: Any, engine: DaskEngine, described: Experiment) -> None:
    """A part holds no telemetry, and records of its own assets alone; telemetry is read where it is computed."""
    import cloudpickle

    cut_offs, recipe = samples_of(described, histories(plant, engine)[0])

    class Kept:
        workers = 6

        def map(self, compute: Any, tasks: Any) -> Iterator[Any]:
            for part in tasks:
                handed_over.append(part)
                sizes.append(len(cloudpickle.dumps(part)))
                yield compute(part)

    handed_over: list[parts.Part] = []
    sizes: list[int] = []
    extract(open_history(plant.workspace, "azure_machine", engine=Kept()), cut_offs, recipe)
    assert len(handed_over) == 12
    for part, size in zip(handed_over, sizes, strict=True):
        names = set(part.cut_offs["asset"])
        assert set(part.history.stored.assets) == names  # type: ignore[union-attr]
        assert set(part.history.failures["asset"]) <= names
        without = len(cloudpickle.dumps(part.cut_offs)) + len(cloudpickle.dumps(part.history.failures))
        assert size < without + 40_000


def test_a_killed_worker(plant: Any, engine: DaskEngine, described: Experiment) -> None:
    """What a worker was computing when it was killed is computed again, to the same bits."""
    here, elsewhere = histories(plant, engine)
    cut_offs, recipe = samples_of(described, here)
    expected, killed = extract(here, cut_offs, recipe), list[int]()

    def kill(_: str, done: int, total: int) -> None:
        busy = [address for address, tasks in engine.client.processing().items() if tasks]
        if 0 < done < total and busy and not killed:
            killed.append(engine.client.run(os.getpid, workers=busy[:1])[busy[0]])
            os.kill(killed[0], signal.SIGKILL)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parts, "_MOST_VALUES", cut_offs.shape[0] * len(recipe.output) // 20)
        found = extract(elsewhere, cut_offs, recipe, progress=kill)
    assert len(killed) == 1
    pd.testing.assert_frame_equal(found, expected, check_exact=True)
    engine.client.wait_for_workers(2, timeout=60)
    assert killed[0] not in engine.client.run(os.getpid).values()


def test_an_error_of_ours_is_raised_as_it_is(engine: DaskEngine) -> None:
    """At its place among the results, with its own words."""
    results = engine.map(parse_duration, ["1h", "soon", "2h"])
    assert next(results) == pd.Timedelta("1h")
    with pytest.raises(UsageError, match="soon"):
        next(results)


def test_a_worker_of_another_version_is_refused(
    plant: Any, engine: DaskEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before the work begins and, of a worker that joins later, with its first task."""
    engine.check_workers(plant.workspace)
    monkeypatch.setattr(dask_engine, "environment", lambda: {**environment(), "forewarn": "9.9"})
    with pytest.raises(ComputeError, match=r"the worker tls://127.* has forewarn 0.*Expected forewarn 9\.9") as raised:
        engine.check_workers(plant.workspace)
    assert raised.value.exit_status == 1
    with pytest.raises(ComputeError, match=r"a worker has forewarn"):
        next(engine.map(parse_duration, ["1h"]))


def test_a_workspace_that_workers_do_not_see(engine: DaskEngine, plant: Any, tmp_path: Path) -> None:
    """Is named, with the worker, rather than read as empty."""
    elsewhere = Workspace(**{**vars(plant.workspace), "root": tmp_path / "elsewhere"})
    with pytest.raises(ComputeError, match="sees no folder"):
        engine.check_workers(elsewhere)


def test_a_worker_without_compiled_kernels(engine: DaskEngine, plant: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Is refused: it would compile them itself, which gives other last bits."""
    true_answer = dask_engine.inspect(str(plant.workspace.root))
    monkeypatch.setattr(
        type(engine.client), "run", lambda *_, **__: {"w": replace(true_answer, kernels_compiled=False)}
    )
    with pytest.raises(ComputeError, match=r"the worker w has not compiled.*python -m features"):
        engine.check_workers(plant.workspace)


def test_an_address_without_scheduler(monkeypatch: pytest.MonkeyPatch) -> None:
    """Is refused, with a remedy; so is one that is no address."""
    monkeypatch.setattr(dask_engine, "_PATIENCE_S", 1)
    for address in ("tcp://127.0.0.1:9", "nonsense://here"):
        with pytest.raises(ComputeError, match=f"no Dask scheduler answers at {address}"), remote_engine(address):
            pass


def test_a_scheduler_elsewhere(plant: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """It has to have a worker, computes then, and when it is gone the error says so."""
    quiet = {"silence_logs": logging.CRITICAL, "dashboard_address": "127.0.0.1:0", "host": "127.0.0.1"}
    with (
        LocalCluster(n_workers=0, threads_per_worker=1, **quiet) as cluster,
        remote_engine(cluster.scheduler_address) as remote,
    ):
        with monkeypatch.context() as patch:
            patch.setattr(dask_engine, "_PATIENCE_S", 1)
            with pytest.raises(ComputeError, match=r"Dask at tcp://127.* has no worker after 1 s"):
                remote.check_workers(plant.workspace)
        cluster.scale(1)
        remote.client.wait_for_workers(1, timeout=120)
        remote.check_workers(plant.workspace)
        results = remote.map(parse_duration, ["1h", "2h", "3h"])
        assert next(results) == pd.Timedelta("1h")
        cluster.close()
        with pytest.raises(ComputeError, match=r"Dask at tcp://127.* was lost"):
            list(results)


def test_commands_by_dask(
    plant: Any,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Score stores the predictions that threads had stored, so none; its worker processes end with it."""
    words = ["score", "--as-of", "2026-04-15", "--workspace", str(plant.workspace.root)]
    outputs = []
    for name in ("threads", "dask"):
        monkeypatch.setenv("FOREWARN_COMPUTE_ENGINE", name)
        before = set(multiprocessing.active_children())
        with pytest.raises(SystemExit) as exited:
            app.main([*words, "--json"])
        assert exited.value.code in (0, None)
        outputs.append(capsys.readouterr().out)
        assert set(multiprocessing.active_children()) <= before
    assert '"stored": 12' in outputs[0]
    assert outputs[1] == outputs[0].replace('"stored": 12', '"stored": 0')
