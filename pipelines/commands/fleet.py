"""The command that simulates a fleet."""

from typing import Annotated, Any

from cyclopts import Parameter

from pipelines.cli.options import DEFAULTS, Shared

_START = "2025-01-01"


def simulate(
    *,
    machines: int = 60,
    days: int = 120,
    seed: int = 7,
    scenario: Annotated[tuple[str, ...], Parameter(negative="")] = (),
    change_day: Annotated[tuple[int, ...], Parameter(negative="")] = (),
    unreported: Annotated[bool, Parameter(negative="")] = False,
    options: Shared = DEFAULTS,
) -> Any:
    """Simulate a fleet of CNC machines and import its history.

    Parameters
    ----------
    machines : int
        The number of machines.
    days : int
        The length of the history, in days.
    seed : int
        The same seed gives the same fleet.
    scenario : tuple of str
        none, process_change (a failure mode shows in other channels) or recalibration (a sensor reads differently).
        Repeat it for a further change.
    change_day : tuple of int
        The day the scenario starts, once for each; half-way by default, several are spread evenly.
    unreported : bool
        Let recalibrations raise no event.
    options : Options
        The workspace, created if it does not exist, and the form of the output.
    """
    import pandas as pd

    from data_contracts.errors import UsageError
    from data_contracts.workspace import init_workspace
    from pipelines.fleet.scenario import make_scenarios
    from pipelines.fleet.simulation import Fleet
    from pipelines.importers.batch import import_batch
    from pipelines.terminal.progress import bars

    if days < 1:
        raise UsageError(f"a simulation of {days} days", "at least one day", "Give a larger number to --days")
    changes = make_scenarios(scenario, change_day, length=days, reported=not unreported)
    start = pd.Timestamp(_START, tz="UTC")
    fleet = Fleet(seed=seed, machines=machines, start=start, scenario=changes)
    end = start + pd.Timedelta(days=days)
    workspace = init_workspace(options.workspace)
    with bars() as progress:
        return import_batch(workspace, fleet.advance(end), now=end, progress=progress)
