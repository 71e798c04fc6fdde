"""Commands about the simulated fleet: simulate, demo."""

import shutil
import sys
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from pipelines.cli.live_options import NO_LIVE, LiveOptions
from pipelines.cli.options import DEFAULTS, WORKSPACE, Shared

FOLDER = Path(".forewarn-demo")
MARKER = "demonstration"
_START = "2025-01-01"
_DAYS = 120


def simulate(
    *,
    machines: int = 60,
    days: int = _DAYS,
    seed: int = 7,
    scenario: Annotated[tuple[str, ...], Parameter(negative="")] = (),
    change_day: Annotated[tuple[int, ...], Parameter(negative="")] = (),
    unreported: Annotated[bool, Parameter(negative="")] = False,
    live: Annotated[LiveOptions, Parameter(name="*")] = NO_LIVE,
    options: Shared = DEFAULTS,
) -> Any:
    """Simulate a fleet of CNC machines: import its history, or send live telemetry.

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
    live : LiveOptions
        What a plant sends that is run live.
    options : Options
        The workspace, created if it does not exist, and the form of the output.
    """
    import pandas as pd

    from data_contracts.errors import UsageError
    from pipelines.fleet.scenario import make_scenarios
    from pipelines.fleet.simulation import Fleet
    from pipelines.importers.batch import import_batch
    from pipelines.terminal.progress import bars

    if live.live:
        if days != _DAYS or scenario or change_day or unreported:
            found = "--live with --days, --scenario, --change-day or --unreported"
            raise UsageError(found, "options of a plant that is run live", "Leave them out; --for says how long")
        return _run_plant(machines, seed, live)
    if live.given():
        raise UsageError(", ".join(live.given()), "--live with it", "Add --live, or leave it out")
    if days < 1:
        raise UsageError(f"a simulation of {days} days", "at least one day", "Give a larger number to --days")
    changes = make_scenarios(scenario, change_day, length=days, reported=not unreported)
    start = pd.Timestamp(_START, tz="UTC")
    fleet = Fleet(seed=seed, machines=machines, start=start, scenario=changes)
    end = start + pd.Timedelta(days=days)
    workspace = options.open_or_create()
    with bars() as progress:
        return import_batch(workspace, fleet.advance(end), now=end, progress=progress)


def demo(
    *,
    seed: int = 7,
    machines: int | None = None,
    live: Annotated[bool, Parameter(negative="")] = False,
    open_pages: Annotated[bool, Parameter(name="--open", negative="")] = False,
    options: Shared = DEFAULTS,
) -> Any:
    """Watch a simulated fleet through a drift, end to end.

    A predictor is trained and served; a process change makes it miss failures; the drift is noticed, a better model is
    trained, promoted and served. All of it is real: the endpoint, the registry, the stores. It takes a few minutes.

    Parameters
    ----------
    seed : int
        The same seed plays the same story.
    machines : int, optional
        The number of machines in the fleet: 60, or 20 live.
    live : bool
        Instead, watch live telemetry: machines at 100 Hz send over a broker that fails once; what arrives is stored
        once, becomes indicators and predictions, and the bearing that wears out is found; so is a pump that clogs up,
        of a type that has never failed. It takes three minutes.
    open_pages : bool
        Afterwards serve the pages of the fleet that was played, on this machine alone, until interrupted, and open them
        in a browser if there is one.
    options : Options
        The workspace, .forewarn-demo by default, and the form of the output. An earlier demonstration there is
        replaced; a folder that holds anything else is left alone.
    """
    from pipelines.demo.demonstration import run_demo
    from pipelines.demo.story import Story
    from pipelines.terminal.progress import bars

    root = FOLDER if options.workspace == WORKSPACE else options.workspace
    if live and open_pages:
        from data_contracts.errors import UsageError

        remedy = "Leave --open out, then run `forewarn serve` on its workspace"
        raise UsageError("--open with --live", "one of them", remedy)
    if live:
        from pipelines.demo.live.live_demo import LiveStory, run_live_demo
        from pipelines.fleet.live.outputs import OutputSettings, check_settings

        check_settings(OutputSettings(over=("arrow",)))
        live_story = LiveStory(seed) if machines is None else LiveStory(seed, machines)
        _clear(root)
        with bars() as progress:
            return run_live_demo(root, live_story, progress=progress, say=_say)
    story = Story(seed=seed) if machines is None else Story(seed=seed, machines=machines)
    _clear(root)
    with bars() as progress:
        result = run_demo(root, story, progress=progress, say=_say)
    if open_pages:
        from pipelines.cli.output import show
        from pipelines.demo.open_pages import serve_pages

        show(result, options)
        sys.stdout.flush()
        serve_pages(root, result.model, result.fleet_page, say=_say)
    return result


def _run_plant(machines: int, seed: int, live: LiveOptions) -> Any:
    import asyncio

    import pandas as pd

    from pipelines.cli.live_options import duration
    from pipelines.fleet.live.faults import fault_log, plan_faults
    from pipelines.fleet.live.machines.live_plant import make_live_plant, wear_out
    from pipelines.fleet.live.outputs import check_settings, opened_outputs
    from pipelines.fleet.live.run import LiveResult, run_live, stopped_by_signals

    pace, settings = live.pace(pd.Timestamp.now("UTC")), live.outputs()
    check_settings(settings)
    plant = make_live_plant(seed, machines)
    for asset in live.wearing_out:
        wear_out(plant, asset, pd.Timestamp(pace.since, unit="s", tz="UTC"), duration(live.within))

    async def run() -> LiveResult:
        with stopped_by_signals() as stop, fault_log(live.fault_log) as on_fault:
            faults = plan_faults(seed, live.faults, live.fault_kind, on_fault)
            return await run_live(plant, pace, opened_outputs(plant, faults, pace, settings), faults, stop)

    for line in settings.lines():
        _say(line)
    return asyncio.run(run())


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
