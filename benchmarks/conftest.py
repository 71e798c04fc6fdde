"""A workspace after a season of service: a champion, a history, and a batch for every day since."""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest

from data_contracts.workspace import Workspace, init_workspace
from models.experiment.experiment_file import load_experiment
from pipelines.demo.story import DAY, START
from pipelines.fleet.scenario import make_scenario
from pipelines.fleet.simulation import Fleet
from pipelines.importers.batch import import_batch
from pipelines.jobs.train import train_experiment

MACHINES = 60
HISTORY_DAYS = 120
DAYS_SINCE = 20
EXPERIMENT = Path(__file__).parents[1] / "pipelines" / "experiments" / "fleet.toml"


@dataclass(frozen=True)
class Plant:
    """A workspace in service."""

    workspace: Workspace
    fleet: Fleet  # simulated up to now
    model: str  # the champion's name
    now: pd.Timestamp  # the end of the last day that was ingested


@pytest.fixture(scope="session")
def plant(tmp_path_factory: pytest.TempPathFactory) -> Plant:
    workspace = init_workspace(tmp_path_factory.mktemp("plant"))
    fleet = Fleet(7, MACHINES, start=START, scenario=make_scenario("none", HISTORY_DAYS))
    live = START + HISTORY_DAYS * DAY
    import_batch(workspace, fleet.advance(live), now=live)
    champion = train_experiment(workspace, load_experiment(EXPERIMENT, []), now=live)
    for day in range(1, DAYS_SINCE + 1):
        import_batch(workspace, fleet.advance(live + day * DAY), now=live + day * DAY)
    return Plant(workspace, fleet, champion.model_name, live + DAYS_SINCE * DAY)
