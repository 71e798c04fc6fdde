"""The command that simulates a fleet."""

from typing import Annotated

import pandas as pd
from cyclopts import Parameter

from data_contracts.errors import UsageError
from data_contracts.workspace import init_workspace
from pipelines.cli.options import DEFAULTS, Shared
from pipelines.importers.batch import ImportResult, import_batch
from pipelines.terminal.progress import bars

START = pd.Timestamp("2025-01-01", tz="UTC")


def simulate(
    *,
    machines: int = 60,
    days: int = 120,
    seed: int = 7,
    scenario: Annotated[tuple[str, ...], Parameter(negative="")] = (),
    change_day: Annotated[tuple[int, ...], Parameter(negative="")] = (),
    unreported: Annotated[bool, Parameter(negative="")] = False,
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
    scenario : tuple of str
        none, process_change (a failure mode announces itself in another way) or recalibration (a sensor reads
        differently). Give it again for a further change.
    change_day : tuple of int
        The day the scenario starts, once for each; half-way by default, several are spread evenly.
    unreported : bool
        Let recalibrations raise no event.
    options : Options
        Where the state lies and how to answer; the workspace is made when it is not there.
    """
    from pipelines.fleet.scenario import make_scenarios
    from pipelines.fleet.simulation import Fleet

    if days < 1:
        raise UsageError(f"a simulation of {days} days", "at least one day", "Give a larger number to --days")
    changes = make_scenarios(scenario, change_day, length=days, reported=not unreported)
    fleet = Fleet(seed=seed, machines=machines, start=START, scenario=changes)
    end = START + pd.Timedelta(days=days)
    workspace = init_workspace(options.workspace)
    with bars() as progress:
        return import_batch(workspace, fleet.advance(end), now=end, progress=progress)
