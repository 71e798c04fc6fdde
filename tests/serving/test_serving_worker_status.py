"""Workers publish what they serve in files; the files of dead ones are ignored."""

import json
import os
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path

import pandas as pd
import pytest

from models.artifact.artifact import Artifact
from serving.deployment.champion import Champion
from serving.deployment.worker_status import WorkerState, WorkerStatus, agree

NOW = pd.Timestamp("2020-01-01", tz="UTC")


@pytest.fixture
def champion(artifacts: tuple[Artifact, Artifact]) -> Champion:
    return Champion("m", 1, artifacts[0], NOW)


def write(folder: Path, state: WorkerState) -> None:
    (folder / f"{state.pid}.json").write_text(json.dumps(asdict(state)))


def test_a_worker_publishes_what_it_serves(tmp_path: Path, champion: Champion) -> None:
    """The latest state counts; a withdrawn one is not listed, and withdrawing twice does no harm."""
    status = WorkerStatus(tmp_path / "workers")
    assert status.states() == ()
    status.publish(None)
    assert [state.version for state in status.states()] == [None]
    status.publish(champion)
    (state,) = status.states()
    assert (state.pid, state.version, state.digest) == (os.getpid(), 1, champion.artifact.digest)
    assert state.since == "2020-01-01T00:00:00Z"
    status.withdraw()
    status.withdraw()
    assert status.states() == ()
    assert list((tmp_path / "workers").iterdir()) == []


def test_dead_workers_are_ignored(tmp_path: Path, champion: Champion) -> None:
    """A killed worker is not listed, nor one whose process id was reused, nor a damaged file."""
    status = WorkerStatus(tmp_path)
    status.publish(champion)
    (own,) = status.states()
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    write(tmp_path, replace(own, pid=gone.pid, version=2))
    write(tmp_path, replace(own, pid=os.getppid(), started=own.started + 1, version=3))  # it began at another time
    (tmp_path / "1.json").write_text("{")
    (tmp_path / "2.json").write_text('{"pid": 2}')
    assert status.states() == (own,)
    status.remove_stale()
    assert [file.name for file in tmp_path.iterdir()] == [f"{os.getpid()}.json"]


def test_workers_agree_when_all_serve_the_same() -> None:
    """Not without a champion, not while one is behind, not without workers."""
    one = WorkerState(1, 1, 4, "d", "2020-01-01T00:00:00Z")
    assert agree([one])
    assert agree([one, replace(one, pid=2, since="2020-01-01T00:00:01Z")])
    assert not agree([one, replace(one, pid=2, version=5)])
    assert not agree([one, replace(one, pid=2, digest="e")])
    assert not agree([one, replace(one, pid=2, version=None, digest=None)])
    assert not agree([replace(one, version=None, digest=None)])
    assert not agree([])
