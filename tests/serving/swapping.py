"""Swaps and rollbacks of the real endpoint under load, and what they must not do to an answer."""

import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import numpy.typing as npt
import pandas as pd
from mlflow import MlflowClient

from data_contracts.records.records import open_records
from data_contracts.workspace import Workspace
from models.artifact.artifact import Artifact
from models.artifact.golden_inputs import FILE, GoldenInputs
from models.registry.promotion import promote, rollback
from models.registry.registry import CHAMPION, Registry
from tests.serving.callers import Answer, Callers, EndpointRequest

Matrix = npt.NDArray[np.float64]

ROLLBACK = 0
"""In a list of moves: back to the champion before."""
AGREE_SECONDS = 2.0


class NotingRegistry(Registry):
    """A registry that notes when it begins to move the champion's alias."""

    moved = 0.0

    def set_alias(self, name: str, alias: str, version: int) -> None:
        """Note the time, then move the alias."""
        if alias == CHAMPION:
            self.moved = time.monotonic()
        super().set_alias(name, alias, version)


@dataclass(frozen=True)
class Swaps:
    """What was seen while champions changed: each move's version, when it was made, and when all agreed on it."""

    answers: Sequence[Answer]
    versions: Sequence[int]
    moved_at: Sequence[float]
    agreed_at: Sequence[float]

    @property
    def failed(self) -> int:
        """Requests that got no answer."""
        return sum(answer.status != 200 for answer in self.answers)

    def mixed(self, truth: Mapping[int, Mapping[str, float]]) -> int:
        """Answers that are not of one version, or not what that version predicts, bit for bit."""
        return sum(not _is_of_one(answer, truth) for answer in self.answers if answer.status == 200)

    def late(self) -> int:
        """Answers of an old version to requests that were sent after all workers had agreed on another."""
        spans = zip(self.versions, self.agreed_at, [*self.moved_at[1:], np.inf], strict=True)
        return sum(
            {row["model_version"] for row in answer.predictions} != {version}
            for version, begin, end in spans
            for answer in self.answers
            if answer.status == 200 and begin <= answer.begun and answer.begun + answer.seconds < end
        )

    def slowest_agreement(self) -> float:
        """Return the longest time from a move to the agreement of all workers, in seconds."""
        return max(at - moved for moved, at in zip(self.moved_at, self.agreed_at, strict=True))

    def longest(self) -> tuple[Matrix, Matrix]:
        """Return how long, in seconds, the slowest answer took that met a swap, and one before it; both (n_moves,).

        A swap is from the move to the agreement of all workers. Before it is as long, up to the move.
        """
        spans = np.column_stack([self.moved_at, self.agreed_at])
        before = np.column_stack([2 * spans[:, 0] - spans[:, 1], spans[:, 0]])
        return self._slowest(spans), self._slowest(before)

    def _slowest(self, spans: Matrix) -> Matrix:
        begun = np.array([answer.begun for answer in self.answers])
        seconds = np.array([answer.seconds for answer in self.answers])
        met = [(begun < end) & (begun + seconds > begin) for begin, end in spans]
        return np.array([seconds[one].max(initial=0.0) for one in met])


def _is_of_one(answer: Answer, truth: Mapping[int, Mapping[str, float]]) -> bool:
    versions = {row["model_version"] for row in answer.predictions}
    answered = {row["asset"]: row["probability"] for row in answer.predictions}
    return (
        len(versions) == 1
        and answered == dict(truth[versions.pop()])
        and list(answered) == answer.question.body["assets"]
    )


def swap_under_load(
    url: str,
    workspace: Workspace,
    name: str,
    moves: Sequence[int],
    body: Any,
    *,
    callers: int,
    rest: float,
    pause: float,
) -> Swaps:
    """Promote and roll back while callers ask; wait after each move until all workers agree.

    Who moves is a process of its own: callers that share its interpreter would take its work for the endpoint's.
    """
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as mover:
        mover.submit(_move_all, url, workspace, name, (), 0.0).result()  # what is imported is imported now
        with Callers(url, lambda _: EndpointRequest(body), callers, rest) as c:
            moved = mover.submit(_move_all, url, workspace, name, moves, pause).result()
    return Swaps(c.answers, *moved)


def _move_all(
    url: str, workspace: Workspace, name: str, moves: Sequence[int], pause: float
) -> tuple[list[int], list[float], list[float]]:
    registry = NotingRegistry(workspace)
    records = open_records(workspace.records_url)
    versions, moved_at, agreed_at = [], [], []
    with httpx.Client(base_url=url, timeout=60.0) as client:
        registry.champion(name)
        client.get("/model")
        for move in moves:
            time.sleep(pause)
            versions.append(make_move(registry, records, name, move))
            await_agreement(client, versions[-1])
            moved_at.append(registry.moved)
            agreed_at.append(time.monotonic())
        time.sleep(pause)
    return versions, moved_at, agreed_at


def make_move(registry: Registry, records: Any, name: str, move: int) -> int:
    """Promote a version, or roll back; return the champion."""
    now = pd.Timestamp.now("UTC").as_unit("us")
    if move == ROLLBACK:
        return rollback(registry, records, name, actor="test", reason="tested", now=now).to_version
    champion = registry.champion(name)
    promote(
        registry, records, name, expected_champion=champion, to_version=move, actor="test", reason="tested",
        evidence={}, now=now,
    )  # fmt: skip
    return move


def await_agreement(client: httpx.Client, version: int, seconds: float = 30.0) -> None:
    """Wait until every worker serves a version."""
    ends = time.monotonic() + seconds
    page: Any = None
    while time.monotonic() < ends:
        page = client.get("/model").json()
        if page.get("agreed") and {worker["version"] for worker in page["workers"]} == {version}:
            return
        time.sleep(0.1)
    raise AssertionError(f"no agreement on version {version}: {page}")


def truth_of(registry: Registry, name: str, versions: Sequence[int], history: Any, cut_offs: pd.DataFrame) -> Any:
    """Score with the registry's artifacts, offline: a number for each asset and version."""
    from models.artifact.scoring import score

    truth = {}
    for version in versions:
        scored = score(registry.load(name, version).artifact, history, cut_offs)
        truth[version] = dict(zip(scored["asset"], scored["probability"], strict=True))
    return truth


def register_proven(workspace: Workspace, name: str, artifact: Artifact, scratch: Path, *, off_by: float = 0.0) -> int:
    """Register an artifact with its golden inputs; with scores that are off, it will not agree with itself."""
    client = MlflowClient(workspace.mlflow_uri, workspace.mlflow_uri)
    rng = np.random.default_rng(3)
    rows = pd.DataFrame({column: rng.normal(100.0, 10.0, size=8) for column in artifact.columns})
    golden = GoldenInputs(rows, artifact.predict(rows) + off_by)
    scratch.mkdir(parents=True, exist_ok=True)
    found = client.get_experiment_by_name(name)
    experiment = found.experiment_id if found else client.create_experiment(name, f"{workspace.artifacts_url}/{name}")
    run_id = client.create_run(experiment).info.run_id
    client.log_artifact(run_id, str(golden.save(scratch / FILE)))
    folder = artifact.save(Path(workspace.artifacts_url) / f"{artifact.digest}-{run_id}")
    tags = {"model_digest": artifact.digest, "golden_inputs": "8"}
    return int(client.create_model_version(name, str(folder), run_id=run_id, tags=tags).version)


def damage(registry: Registry, name: str, version: int) -> None:
    """Cut a registered version's trees short."""
    uri = Path(registry._client.get_model_version_download_uri(name, str(version)).removeprefix("file://"))
    file = next(uri.rglob("model.txt"))
    file.write_bytes(file.read_bytes()[:-100])
