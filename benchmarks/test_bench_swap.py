"""Sixty seconds of load with twenty swaps and five rollbacks: what fails, what is mixed, how soon all agree."""

import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from benchmarks.conftest import EXPERIMENT, Plant
from data_contracts.history import read_history
from models.experiment import load_experiment
from models.registry import Registry
from pipelines.train import train
from tests.serving.callers import Answer, Callers, Question
from tests.serving.conftest import running
from tests.serving.swapping import AGREE_SECONDS, ROLLBACK, swap_under_load, truth_of

WORKERS, CALLERS, REST = 2, 4, 0.01
SECONDS, SWAPS, ROLLBACKS = 60.0, 20, 5
ASSETS = 5


@pytest.mark.usefixtures("benchmark")
@pytest.mark.timeout(900)
def test_swaps_under_load(plant: Plant, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for seed in (11, 12):
        train(plant.workspace, load_experiment(EXPERIMENT, [f"seed={seed}"]), now=plant.now)
    body = {"assets": list(plant.fleet.machines.assets[:ASSETS]), "as_of": plant.now.isoformat()}
    moves = plan_moves()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FOREWARN_SERVE_POLL_SECONDS", "0.5")
        endpoint = next(served := running(plant.workspace, tmp_path / "log", "--workers", str(WORKERS)))
    await_workers(endpoint)
    with Callers(endpoint.url, lambda _: Question(body), CALLERS, REST) as control:
        time.sleep(20)
    seen = swap_under_load(
        endpoint.url, plant.workspace, plant.model, moves, body, callers=CALLERS, rest=REST, pause=SECONDS / 25 - 0.8
    )
    served.close()
    registry = Registry(plant.workspace)
    asset_type = registry.load(plant.model, 1).artifact.recipe.asset_type
    cut_offs = plant_cut_offs(body)
    truth = truth_of(registry, plant.model, (1, 2, 3), read_history(plant.workspace, asset_type), cut_offs)
    lines = [
        f"answers {len(seen.answers)} in {seen.answers[-1].begun - seen.answers[0].begun:.0f} s, {len(moves)} moves",
        f"failed {seen.failed}, mixed {seen.mixed(truth)}, of an old version after all agreed {seen.late()}",
        f"all {WORKERS} workers agree after at most {seen.slowest_agreement():.2f} s",
        f"without swaps   {quantiles(control.answers)}",
        f"with swaps      {quantiles(seen.answers)}",
        f"longest: meeting a swap {1e3 * seen.longest(swapping=True):.0f} ms, "
        f"meeting none {1e3 * seen.longest(swapping=False):.0f} ms",
    ]
    with capsys.disabled():
        print("", *lines, sep="\n")
    assert (seen.failed, seen.mixed(truth), seen.late()) == (0, 0, 0)
    assert seen.slowest_agreement() < AGREE_SECONDS


def plan_moves() -> list[int]:
    """Promote one version after the other, and go back after every fourth."""
    champions, moves = [1], []
    for move in range(SWAPS + ROLLBACKS):
        if move % 5 == 4:
            champions.pop()
            moves.append(ROLLBACK)
        else:
            champions.append(champions[-1] % 3 + 1)
            moves.append(champions[-1])
    return moves


def plant_cut_offs(body: Any) -> pd.DataFrame:
    return pd.DataFrame({"asset": body["assets"], "as_of": pd.Timestamp(body["as_of"]).as_unit("us")})


def quantiles(answers: list[Answer]) -> str:
    ms = 1e3 * np.array([answer.seconds for answer in answers])
    return "p50 {:.1f}, p99 {:.1f}, p99.9 {:.1f}, longest {:.1f} ms".format(*np.quantile(ms, (0.5, 0.99, 0.999, 1.0)))


def await_workers(endpoint: Any) -> None:
    ends = time.monotonic() + 60
    while len(endpoint.client.get("/model").json()["workers"]) < WORKERS and time.monotonic() < ends:
        time.sleep(0.05)
