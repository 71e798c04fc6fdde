"""Commands about the simulated fleet: simulate, demo."""

import shutil
import sys
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from pipelines.cli.options import DEFAULTS, WORKSPACE, Shared

FOLDER = Path(".forewarn-demo")
MARKER = "demonstration"
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


def demo(*, seed: int = 7, machines: int = 60, options: Shared = DEFAULTS) -> Any:
    """Watch a simulated fleet through a drift, end to end.

    A predictor is trained and served; a process change makes it miss failures; the drift is noticed, a better model is
    trained, promoted and served. All of it is real: the endpoint, the registry, the stores. It takes a few minutes.

    Parameters
    ----------
    seed : int
        The same seed plays the same story.
    machines : int
        The number of machines in the fleet.
    options : Options
        The workspace, .forewarn-demo by default, and the form of the output. An earlier demonstration there is
        replaced; a folder that holds anything else is left alone.
    """
    from pipelines.demo.demonstration import run_demo
    from pipelines.demo.story import Story
    from pipelines.terminal.progress import bars

    root = FOLDER if options.workspace == WORKSPACE else options.workspace
    _clear(root)
    with bars() as progress:
        return run_demo(root, Story(seed=seed, machines=machines), progress=progress, say=_say)


def _clear(root: Path) -> None:
    from data_contracts.errors import UsageError

    if root.exists() and any(root.iterdir()) and not (root / MARKER).exists():
        raise UsageError(
            f"{root} holds something that is no demonstration", "an empty folder or an earlier demonstration",
            "Name another folder with --workspace",
        )  # fmt: skip
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir(parents=True)
    (root / MARKER).write_text("`forewarn demo` made this folder and deletes it the next time it runs.\n")


def _say(line: str) -> None:
    sys.stderr.write(f"  {line} ...\n")
