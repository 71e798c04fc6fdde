"""Sixty seconds of load with twenty swaps and five rollbacks: failures, mixed answers, time until workers agree."""

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from benchmarks.conftest import Plant
from data_contracts.tables.history import read_history
from models.registry.registry import Registry
from serving.settings import Settings
from tests.serving.callers import Answer, Callers, EndpointRequest
from tests.serving.conftest import running
from tests.serving.swapping import AGREE_SECONDS, ROLLBACK, register_proven, swap_under_load, truth_of

WORKERS = 2
# Callers and their pause between two requests, in seconds: about half of two cores, and all of them.
LOADS = {"half load": (2, 0.08), "full load": (4, 0.01)}
SECONDS, SWAPS, ROLLBACKS = 60.0, 20, 5
ASSETS = 5


@pytest.mark.usefixtures("benchmark")
@pytest.mark.timeout(900)
@pytest.mark.parametrize("load", LOADS)
def test_swaps_under_load(plant: Plant, tmp_path: Path, capsys: pytest.CaptureFixture[str], load: str) -> None:
    callers, rest = LOADS[load]
    body = {"assets": list(plant.fleet.machines.assets[:ASSETS]), "as_of": plant.now.isoformat()}
    registry = Registry(plant.workspace)
    champion = registry.champion(plant.model)
    assert champion is not None
    # No worker has loaded any of them before.
    fresh = register_versions(plant, registry, champion, tmp_path, SWAPS)
    moves = plan_moves(fresh)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FOREWARN_SERVE_POLL_SECONDS", str(Settings().poll_seconds))
        endpoint = next(served := running(plant.workspace, tmp_path / "log", "--workers", str(WORKERS)))
    await_workers(endpoint)
    with Callers(endpoint.url, lambda _: EndpointRequest(body), callers, rest) as control:
        time.sleep(20)
    result = swap_under_load(
        endpoint.url, plant.workspace, plant.model, moves, body, callers=callers, rest=rest, pause=SECONDS / 25 - 0.8
    )
    served.close()
    asset_type = registry.load(plant.model, 1).artifact.recipe.asset_type
    truth = truth_of(
        registry, plant.model, (champion, *fresh), read_history(plant.workspace, asset_type), plant_cut_offs(body)
    )
    meeting, before = (1e3 * seconds for seconds in result.longest())
    lines = [
        f"{load}: {len(result.answers)} answers in {result.answers[-1].begun - result.answers[0].begun:.0f} s, "
        f"{len(moves)} moves",
        f"failed {result.failed}, mixed {result.mixed(truth)}, of an old version after all agreed {result.late()}",
        f"all {WORKERS} workers agree after at most {result.slowest_agreement():.2f} s",
        f"without swaps   {quantiles(control.answers)}",
        f"with swaps      {quantiles(result.answers)}",
        f"longest answer that met a swap: median {np.median(meeting):.0f}, at most {meeting.max():.0f} ms",
        f"as long before each: median {np.median(before):.0f}, at most {before.max():.0f} ms",
    ]
    with capsys.disabled():
        print("", *lines, sep="\n")
    assert (result.failed, result.mixed(truth), result.late()) == (0, 0, 0)
    assert result.slowest_agreement() < AGREE_SECONDS


def register_versions(plant: Plant, registry: Registry, champion: int, scratch: Path, count: int) -> list[int]:
    """Register models that differ a little from the champion."""
    artifact = registry.load(plant.model, champion).artifact
    return [
        register_proven(plant.workspace, plant.model, replace(artifact, threshold=(n + 1) / (count + 2)), scratch)
        for n in range(count)
    ]


def plan_moves(fresh: list[int]) -> list[int]:
    """Return the versions to promote in turn, with a rollback after every fourth."""
    return [move for n, version in enumerate(fresh, 1) for move in ([version, ROLLBACK] if n % 4 == 0 else [version])]


def plant_cut_offs(body: Any) -> pd.DataFrame:
    return pd.DataFrame({"asset": body["assets"], "as_of": pd.Timestamp(body["as_of"]).as_unit("us")})


def quantiles(answers: list[Answer]) -> str:
    ms = 1e3 * np.array([answer.seconds for answer in answers])
    return "p50 {:.1f}, p99 {:.1f}, p99.9 {:.1f}, longest {:.1f} ms".format(*np.quantile(ms, (0.5, 0.99, 0.999, 1.0)))


def await_workers(endpoint: Any) -> None:
    deadline = time.monotonic() + 60
    while len(endpoint.client.get("/model").json()["workers"]) < WORKERS and time.monotonic() < deadline:
        time.sleep(0.05)
