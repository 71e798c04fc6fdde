"""A retraining that is killed: the next one is told how long to wait, and then goes on where things stand."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from data_contracts.errors import ModelError
from data_contracts.leases import TIME_TO_LIVE, wall_clock
from data_contracts.records import decisions, open_records, promotions
from pipelines.retrain import retrain

pytestmark = pytest.mark.slow

# Retrains, and stops for good at one point: in the middle of learning, or when the alias has moved but not the ledger.
SCRIPT = """
import dataclasses, sys, time
from pathlib import Path
import pandas as pd
from data_contracts.workspace import open_workspace
import models.promotion, pipelines.retrain
from pipelines.settings import read_settings

def stop(*_args, **_options):
    print("now", flush=True)
    time.sleep(600)

where, root, now = sys.argv[1:]
if where == "learning":
    pipelines.retrain.compare = stop
else:
    models.promotion.add_promotion = stop
workspace = open_workspace(Path(root), {})
settings = dataclasses.replace(read_settings(workspace, {}), retrain_holdout=pd.Timedelta(days=12))
pipelines.retrain.retrain(workspace, "plant", now=pd.Timestamp(now), settings=settings)
"""


def _kill_a_retraining(plant: Any, where: str, repository: Path) -> None:
    command = [sys.executable, "-c", SCRIPT, where, str(plant.workspace.root), plant.at(102).isoformat()]
    with subprocess.Popen(command, cwd=repository, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "now\n"
        process.kill()


def _later() -> pd.Timestamp:
    return wall_clock() + TIME_TO_LIVE


@pytest.mark.parametrize(
    ("where", "champion", "decision"),
    [("learning", 3, "promoted"), ("promotion", 2, "rejected")],
)
def test_the_next_goes_on(plant: Any, repository: Path, where: str, champion: int, decision: str) -> None:
    """A killed retraining keeps the next waiting for minutes, and says for how many; nothing is promoted twice."""
    _kill_a_retraining(plant, where, repository)
    with pytest.raises(ModelError, match=r"by process \d+ on .*should it have died, this can be run again after"):
        retrain(plant.workspace, "plant", now=plant.at(102), settings=plant.settings)
    result = retrain(plant.workspace, "plant", now=plant.at(102), settings=plant.settings, clock=_later)
    records = open_records(plant.workspace.records_url)
    assert (result.decision, plant.registry.champion("plant")) == (decision, champion)
    assert promotions(records, model_name="plant")["to_version"].tolist() == [1, champion]
    assert decisions(records, model_name="plant")["decision"].tolist() == [decision]
