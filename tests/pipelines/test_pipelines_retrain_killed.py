"""Retrainings killed, stopped or started at once: one promotion at most, a complete ledger, the next one succeeds."""

import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from data_contracts.errors import ModelError
from data_contracts.records.leases import TIME_TO_LIVE, wall_clock
from data_contracts.records.records import decisions, open_records, promotions
from pipelines.jobs.retrain import retrain_champion

pytestmark = pytest.mark.slow

# Retrains, and stops at one point, if any, until it is told to go on: while training, when the challenger is registered
# but has no alias yet, before the comparison, or when the champion's alias has moved but the ledger is not written.
SCRIPT = """
import sys
from pathlib import Path
import pandas as pd
from data_contracts.errors import LeaseLostError, ModelError
from data_contracts.workspace import open_workspace
import models.registry.promotion, pipelines.jobs.retrain
from models.registry.registry import Registry
from pipelines.settings.settings import read_settings

def stop(*args, **options):
    print("now", flush=True)
    sys.stdin.readline()
    return before(*args, **options)

where, root, now = sys.argv[1:]
place, name = {
    "training": (pipelines.jobs.retrain, "train"),
    "registered": (Registry, "set_alias"),
    "comparing": (pipelines.jobs.retrain, "compare"),
    "promotion": (models.registry.promotion, "add_promotion"),
    "nowhere": (pipelines.jobs.retrain, "stop"),
}[where]
before = getattr(place, name, None)
setattr(place, name, stop)
workspace = open_workspace(Path(root), {})
settings = read_settings(workspace, {}).with_section("retrain", holdout=pd.Timedelta(days=12))
try:
    result = pipelines.jobs.retrain.retrain_champion(workspace, "plant", now=pd.Timestamp(now), settings=settings)
    print(result.decision)
except ModelError as refusal:
    print("refused:", refusal)
except LeaseLostError as lost:
    print("lost:", lost.found)
    sys.exit(lost.exit_status)
"""


def _start(plant: Any, where: str, repository: Path) -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", SCRIPT, where, str(plant.workspace.root), plant.at(102).isoformat()]
    return subprocess.Popen(command, cwd=repository, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def _later() -> pd.Timestamp:
    return wall_clock() + TIME_TO_LIVE


def _retrain(plant: Any, **options: Any) -> Any:
    return retrain_champion(plant.workspace, "plant", now=plant.at(102), settings=plant.settings, **options)


@pytest.mark.parametrize(
    ("where", "champion", "decision"),
    [
        ("training", 2, "promoted"),
        ("registered", 3, "promoted"),
        ("comparing", 3, "promoted"),
        ("promotion", 2, "rejected"),
    ],
)
def test_the_next_retraining_succeeds(plant: Any, repository: Path, where: str, champion: int, decision: str) -> None:
    """No second retraining starts beside a running one; after a kill -9 the next has to wait for the lease to end."""
    with _start(plant, where, repository) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "now\n"
        with pytest.raises(ModelError, match=r"under way, by process \d+ on "):
            _retrain(plant)
        process.kill()
    with pytest.raises(ModelError, match=r"by process \d+ on .*if it has died, this can be run again after"):
        _retrain(plant)
    result = _retrain(plant, clock=_later)
    records = open_records(plant.workspace.records_url)
    assert (result.decision, plant.registry.champion("plant")) == (decision, champion)
    ledger = promotions(records, model_name="plant")
    assert ledger["to_version"].tolist() == [1, champion]
    assert ledger["from_version"].tolist()[1:] == [1]
    assert plant.registry.get_alias("plant", "previous") == 1
    assert decisions(records, model_name="plant")["decision"].tolist() == [decision]


@pytest.mark.parametrize(("where", "registered"), [("training", 2), ("comparing", 3)])
def test_one_that_was_stopped_past_its_lease_changes_nothing(
    plant: Any, repository: Path, where: str, registered: int
) -> None:
    """Another has retrained when it goes on: it neither registers nor promotes nor decides anything, and says why."""
    with _start(plant, where, repository) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "now\n"
        process.send_signal(signal.SIGSTOP)
        assert _retrain(plant, clock=_later).decision == "promoted"
        process.send_signal(signal.SIGCONT)
        said, _ = process.communicate("go on\n", timeout=300)
    assert said.startswith("lost: this retraining of plant has lost its lease: it was taken over by another process")
    assert process.returncode == 1
    records = open_records(plant.workspace.records_url)
    assert max(int(each["version"]) for each in plant.registry.versions("plant")) == registered
    assert plant.registry.champion("plant") == registered
    assert promotions(records, model_name="plant")["to_version"].tolist() == [1, registered]
    assert decisions(records, model_name="plant")["decision"].tolist() == ["promoted"]


def test_of_two_started_at_once_one_promotes(plant: Any, repository: Path) -> None:
    """Two retrainings started at once give one promotion; the other is refused, or its challenger is rejected."""
    both = [_start(plant, "nowhere", repository) for _ in range(2)]
    outputs = sorted(process.communicate(timeout=300)[0].strip() for process in both)
    assert outputs[0] == "promoted"
    assert outputs[1] == "rejected" or outputs[1].startswith("refused: another retraining of plant is under way")
    ledger = promotions(open_records(plant.workspace.records_url), model_name="plant")
    assert ledger["to_version"].tolist() == [1, plant.registry.champion("plant")]
