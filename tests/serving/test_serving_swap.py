"""Champions that change under load, at the real endpoint with two workers."""

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pandas as pd
import pytest

from data_contracts.records.records import open_records
from data_contracts.records.shadow_records import shadow_predictions
from data_contracts.tables.history import History
from data_contracts.workspace import Workspace
from models.artifact.artifact import Artifact
from models.registry.registry import CHAMPION, Registry
from pipelines.cli.options import Options
from pipelines.commands.models.shadows import shadow
from serving.settings import Settings
from tests.serving.callers import Callers, EndpointRequest
from tests.serving.swapping import (
    ROLLBACK,
    await_agreement,
    damage,
    make_move,
    register_proven,
    swap_under_load,
    truth_of,
)

pytestmark = pytest.mark.slow

NAME = "swapped"
AS_OF = pd.Timestamp("2015-01-06T00:00:00Z").as_unit("us")


@pytest.fixture(scope="module")
def versions(
    workspace: Workspace,
    registry: Registry,
    artifacts: tuple[Artifact, Artifact],
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[int, ...]:
    """Two versions that may answer, one whose file is damaged, one that does not agree with itself."""
    registry._client.create_registered_model(NAME)
    scratch = tmp_path_factory.mktemp("golden")
    registered = [register_proven(workspace, NAME, artifact, scratch) for artifact in (*artifacts, artifacts[0])]
    damage(registry, NAME, registered[-1])
    odd = register_proven(workspace, NAME, artifacts[1], scratch, off_by=1e-6)
    return (*registered, odd)


@pytest.fixture(scope="module")
def pair(
    run_endpoint: Callable[..., Any],
    workspace: Workspace,
    registry: Registry,
    versions: tuple[int, ...],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Any]:
    """Serve with two workers, looking as often as they do by default."""
    make_move(registry, open_records(workspace.records_url), NAME, versions[0])
    log = tmp_path_factory.mktemp("swap") / "log"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FOREWARN_SERVE_POLL_SECONDS", str(Settings().poll_seconds))
        with run_endpoint(workspace, log, "--model", NAME, "--workers", "2") as endpoint:
            ends = time.monotonic() + 60
            while len(endpoint.client.get("/model").json()["workers"]) < 2 and time.monotonic() < ends:
                time.sleep(0.05)
            yield endpoint
    registry.delete_alias(NAME, CHAMPION)  # other tests want one model with a champion


@pytest.mark.verify
def test_swaps_and_rollbacks_under_load_lose_and_mix_no_answer(
    pair: Any, workspace: Workspace, registry: Registry, history: History, versions: tuple[int, ...], fleet: Any
) -> None:
    """No request fails, every answer is what its version predicts, and all workers agree each time."""
    assets = list(fleet.assets[:5])
    first, second, *_ = versions
    moves = (second, first, second, ROLLBACK, second)
    body = {"assets": assets, "as_of": AS_OF.isoformat()}
    seen = swap_under_load(pair.url, workspace, NAME, moves, body, callers=4, rest=0.02, pause=0.6)
    truth = truth_of(registry, NAME, (first, second), history, pd.DataFrame({"asset": assets, "as_of": AS_OF}))
    assert seen.versions[3] == first
    assert (seen.failed, seen.mixed(truth), seen.late()) == (0, 0, 0)
    assert {row["model_version"] for answer in seen.answers for row in answer.predictions} == {first, second}


@pytest.mark.parametrize(("number", "why"), [(2, "it cannot be loaded"), (3, "golden inputs differently")])
def test_a_rejected_version_leaves_the_old_one_answering(
    pair: Any, registry: Registry, versions: tuple[int, ...], fleet: Any, number: int, why: str
) -> None:
    """A damaged version under load: no request fails, the old version stays, and the page gives the reason."""
    registry.set_alias(NAME, CHAMPION, versions[0])
    await_agreement(pair.client, versions[0])
    body = {"assets": list(fleet.assets[:5]), "as_of": AS_OF.isoformat()}
    with Callers(pair.url, lambda _: EndpointRequest(body), 4) as callers:
        registry.set_alias(NAME, CHAMPION, versions[number])
        reasons = [reason_of(pair.client, versions[number]) for _ in range(10)]
        time.sleep(1.5)
        registry.set_alias(NAME, CHAMPION, versions[1])
        await_agreement(pair.client, versions[1])
    assert all(why in reason for reason in reasons)
    assert {answer.status for answer in callers.answers} == {200}
    answered = {row["model_version"] for answer in callers.answers for row in answer.predictions}
    assert answered <= {versions[0], versions[1]}
    page = pair.client.get("/model").json()
    assert page["refused"] is None
    assert pair.log.read_text().count(f"version {versions[number]} does not take over") == 2  # once a worker


def reason_of(client: httpx.Client, version: int) -> str:
    """Wait until the page gives the reason why a version was rejected; it names no path."""
    ends = time.monotonic() + 90
    while time.monotonic() < ends:
        response = client.get("/model")
        refused = response.json()["refused"]
        if refused is not None and refused["version"] == version:
            assert os.sep not in refused["reason"]
            return str(refused["reason"])
        time.sleep(0.02)
    raise AssertionError(response.text)


def test_the_page_about_the_model_lists_its_workers(pair: Any, versions: tuple[int, ...], registry: Registry) -> None:
    """Both processes are listed with what they serve and since when, and the page says that they agree."""
    registry.set_alias(NAME, CHAMPION, versions[0])
    await_agreement(pair.client, versions[0])
    page = pair.client.get("/model").json()
    assert len({worker["pid"] for worker in page["workers"]}) == 2
    assert {(worker["version"], worker["digest"]) for worker in page["workers"]} == {(versions[0], page["digest"])}
    assert page["since"] in {worker["since"] for worker in page["workers"]}
    assert page["swap_age_seconds"] >= 0
    files = sorted(Path(registry.workspace.root, "serving").glob("*/workers/*.json"))
    assert {int(file.stem) for file in files} >= {worker["pid"] for worker in page["workers"]}


def test_a_challenger_scores_the_traffic_of_the_endpoint(
    pair: Any, workspace: Workspace, registry: Registry, history: History, versions: tuple[int, ...], fleet: Any
) -> None:
    """Its predictions are stored under the identifiers of the answers; a damaged one is listed and harms no other."""
    options = Options(workspace=workspace.root)
    registry.set_alias(NAME, CHAMPION, versions[0])
    await_agreement(pair.client, versions[0])
    for version in versions[1:3]:
        shadow(version, model=NAME, options=options)
    settle(pair.client, lambda page: page["versions"] == [versions[1]] and len(page["refused"]) == 1)
    assets = list(fleet.assets[:5])
    answer = pair.predict({"assets": assets, "as_of": AS_OF.isoformat()})
    assert answer.status_code == 200
    assert {row["model_version"] for row in answer.json()["predictions"]} == {versions[0]}
    identifiers = [row["prediction_id"] for row in answer.json()["predictions"]]
    ends, records = time.monotonic() + 90, open_records(workspace.records_url)
    stored = shadow_predictions(records, model_name=NAME)
    while not set(identifiers) <= set(stored["prediction_id"]) and time.monotonic() < ends:
        time.sleep(0.1)
        stored = shadow_predictions(records, model_name=NAME)
    stored = stored[stored["prediction_id"].isin(identifiers)]
    truth = truth_of(registry, NAME, versions[1:2], history, pd.DataFrame({"asset": assets, "as_of": AS_OF}))
    assert dict(zip(stored["asset"], stored["probability"], strict=True)) == truth[versions[1]]
    for version in versions[1:3]:
        shadow(version, off=True, model=NAME, options=options)
    settle(pair.client, lambda page: page["versions"] == page["refused"] == [])


def settle(client: httpx.Client, condition: Callable[[Any], bool]) -> None:
    """Wait until both workers' shadows are as they should be: ten times in a row, as either may answer."""
    ends, row = time.monotonic() + 90, 0
    while row < 10:
        assert time.monotonic() < ends
        row = row + 1 if condition(client.get("/model", headers={"Connection": "close"}).json()["shadow"]) else 0
        time.sleep(0.02)
