"""Commands that keep a champion at work: score, serve, monitor, retrain, why, run, upkeep, schedule."""

import os
import sys
from dataclasses import replace
from typing import Annotated, Any, Literal

from cyclopts import Parameter, validators

from pipelines.cli.arguments import event_time, model_name, settings_of, time_or_now, types_without_model
from pipelines.cli.options import DEFAULTS, Shared


def score(
    *,
    model: str | None = None,
    as_of: str | None = None,
    stale_after: str | None = None,
    top: Annotated[int | None, Parameter(validator=validators.Number(gte=1))] = None,
    options: Shared = DEFAULTS,
) -> Any:
    """Score the fleet from stored telemetry and store the predictions.

    Lists the assets over the threshold, the riskiest first, without those whose alarm is held back (policy.hold_back).

    Parameters
    ----------
    model : str, optional
        The model's name; not needed while the workspace has only one.
    as_of : str, optional
        Use nothing known later than this, a time or ``"cycle 200"``; by default the latest telemetry's known time, and
        where times count cycles each asset's own.
    stale_after : str, optional
        The age from which telemetry is stale, such as 6h, or none; by default what its contract or rhythm says.
    top : int, optional
        List so many of the riskiest assets instead, whether they are over the threshold or not.
    options : Options
        The workspace and the form of the output.
    """
    from pipelines.compute.engine import compute_engine
    from pipelines.jobs.score import score_fleet
    from pipelines.terminal.progress import bars

    workspace = options.open()
    name = model_name(workspace, model)
    cut_off = None if as_of is None else event_time(workspace, name, as_of)
    settings = settings_of(workspace)
    with compute_engine(settings.compute, workspace) as engine, bars() as progress:
        result = score_fleet(
            workspace,
            name,
            as_of=cut_off,
            stale_after=stale_after or "",
            policy=settings.policy,
            engine=engine,
            progress=progress,
        )
    return replace(result, top=top, no_model=types_without_model(workspace))


def serve(
    *,
    model: str | None = None,
    host: str | None = None,
    port: int | None = None,
    workers: int | None = None,
    options: Shared = DEFAULTS,
) -> None:
    """Answer prediction requests over HTTP, until interrupted.

    Parameters
    ----------
    model : str, optional
        The model's name; not needed while the workspace has only one.
    host : str, optional
        The address to listen on; FOREWARN_SERVE_HOST, or else 127.0.0.1.
    port : int, optional
        The port to listen on; FOREWARN_SERVE_PORT, or else 3000.
    workers : int, optional
        The number of worker processes; FOREWARN_SERVE_WORKERS, or else 1.
    options : Options
        The workspace.
    """
    options.open()  # a missing workspace gets the same error as with every other command
    given = {"--model": model, "--host": host, "--port": port, "--workers": workers}
    command = [sys.executable, "-m", "serving", "--workspace", str(options.workspace)]
    command += [word for name, value in given.items() if value is not None for word in (name, str(value))]
    # This process becomes the endpoint: a signal meant for it reaches it, and nothing is left behind.
    os.execv(sys.executable, command)  # noqa: S606 - our own interpreter, our own arguments


def monitor(*, model: str | None = None, now: str | None = None, options: Shared = DEFAULTS) -> Any:
    """Compare the champion's error rates with what it promised, and write the report.

    Parameters
    ----------
    model : str, optional
        The model's name; not needed while the workspace has only one.
    now : str, optional
        Use nothing known later than this; the present by default.
    options : Options
        The workspace and the form of the output.
    """
    from pipelines.compute.engine import compute_engine
    from pipelines.jobs.monitor import monitor_champion

    workspace = options.open()
    name, settings = model_name(workspace, model), settings_of(workspace)
    with compute_engine(settings.compute, workspace) as engine:
        return monitor_champion(workspace, name, now=time_or_now(now), settings=settings, engine=engine)


def why(
    topic: Literal["retraining", "promotion", "alarm"],
    which: str | None = None,
    *,
    model: str | None = None,
    options: Shared = DEFAULTS,
) -> Any:
    """Say why something was decided, from the records: what was seen, which test, how sure, what blocked it.

    Parameters
    ----------
    topic : str
        retraining, promotion or alarm.
    which : str, optional
        The number of a decision, the version that was promoted, or a prediction's id; the latest by default.
    model : str, optional
        The model's name; not needed while the workspace has only one.
    options : Options
        The workspace and the form of the output.
    """
    from pipelines.jobs.why import explain_decision

    workspace = options.open()
    return explain_decision(workspace, topic, model_name(workspace, model), which)


def retrain(*, model: str | None = None, now: str | None = None, options: Shared = DEFAULTS) -> Any:
    """Train a challenger on data up to now; promote it if it is better than the champion.

    Parameters
    ----------
    model : str, optional
        The model's name; not needed while the workspace has only one.
    now : str, optional
        Use nothing known later than this; the present by default.
    options : Options
        The workspace and the form of the output.
    """
    from pipelines.compute.engine import compute_engine
    from pipelines.jobs.retrain import retrain_champion
    from pipelines.terminal.progress import bars
    from pipelines.terminal.termination import termination_interrupts

    workspace = options.open()
    name, settings, at = model_name(workspace, model), settings_of(workspace), time_or_now(now)
    engines = compute_engine(settings.compute, workspace)
    with termination_interrupts(), engines as engine, bars() as progress:
        return retrain_champion(workspace, name, now=at, settings=settings, engine=engine, progress=progress)


def run(
    flow: Literal["ingest", "train", "score", "monitor", "retrain", "upkeep", "prune", "deliver"],
    *,
    parameter: list[str] | None = None,
    options: Shared = DEFAULTS,
) -> Any:
    """Run one Prefect flow now.

    The exit status is 0 when the run completed, whatever it decided: a rejected challenger is no failure of the flow.

    Parameters
    ----------
    flow : str
        ingest, train, score, monitor, retrain, upkeep or prune.
    parameter : list[str], optional
        ``name=value``: a parameter of the flow, such as ``now=2025-03-01``; repeat it for a list.
    options : Options
        The workspace and the form of the output.
    """
    from pipelines.flows.schedules import run_flow

    return run_flow(options.open(), flow, parameter or [], verbose=options.verbose)


def upkeep(*, dry_run: Annotated[bool, Parameter(negative="")] = False, options: Shared = DEFAULTS) -> Any:
    """Rewrite small files of telemetry by asset, delete raw telemetry that is kept no longer, and remove unused files.

    Killed or repeated, it goes on where it is due; a listener may store meanwhile.

    Parameters
    ----------
    dry_run : bool
        Only say what would be done.
    options : Options
        The workspace and the form of the output.
    """
    from pipelines.terminal.progress import bars
    from pipelines.upkeep.upkeep import run_upkeep

    workspace = options.open()
    with bars() as progress:
        settings = settings_of(workspace).upkeep
        return run_upkeep(workspace, settings, now=time_or_now(None), dry_run=dry_run, progress=progress)


def schedule(*, options: Shared = DEFAULTS) -> None:
    """Run the flows on the schedules of the settings, until interrupted.

    Parameters
    ----------
    options : Options
        The workspace.
    """
    from pipelines.cli.long_running import run_long

    run_long()
    from pipelines.flows.schedules import serve_schedules

    workspace = options.open()
    serve_schedules(workspace, settings_of(workspace))
