"""The command that simulates a fleet."""

import pandas as pd

from data_contracts.errors import UsageError
from data_contracts.workspace import init_workspace
from pipelines.importers.batch import ImportResult, import_batch
from pipelines.options import DEFAULTS, Shared
from pipelines.progress import bars

START = pd.Timestamp("2025-01-01", tz="UTC")


def simulate(
    *,
    machines: int = 60,
    days: int = 120,
    seed: int = 7,
    scenario: str = "none",
    change_day: int | None = None,
    options: Shared = DEFAULTS,
) -> ImportResult:
    """Simulate a fleet of CNC machines and import its history.

    Parameters
    ----------
    machines : int
        How many machines.
    days : int
        How long, in days.
    seed : int
        The same seed gives the same fleet.
    scenario : str
        none, process_change (a failure mode announces itself in another way) or recalibration (a sensor reads
        differently).
    change_day : int, optional
        The day the scenario starts; half-way by default.
    options : Options
        Where the state lies and how to answer; the workspace is made when it is not there.
    """
    from pipelines.fleet.scenario import make_scenario
    from pipelines.fleet.simulation import Fleet

    if days < 1:
        raise UsageError(f"a simulation of {days} days", "at least one day", "Give a larger number to --days")
    if change_day is not None and change_day >= days and scenario != "none":
        found = f"the scenario starts on day {change_day} of {days}"
        raise UsageError(found, "a day within the simulation", "Give --change-day a smaller number")
    disturbance = make_scenario(scenario, days // 2 if change_day is None else change_day)
    fleet = Fleet(seed=seed, machines=machines, start=START, scenario=disturbance)
    end = START + pd.Timedelta(days=days)
    workspace = init_workspace(options.workspace)
    with bars() as progress:
        return import_batch(workspace, fleet.advance(end), now=end, progress=progress)
