"""Commands that keep a champion at work: score, serve, monitor, retrain, run, schedule."""

import os
import sys
from typing import Any, Literal

import pandas as pd

from pipelines.cli.options import DEFAULTS, Shared
from pipelines.commands.models import model_name
from pipelines.settings.settings import read_settings
from pipelines.settings.timestamps import parse_timestamp
from pipelines.terminal.progress import bars


def score(*, model: str | None = None, as_of: str | None = None, options: Shared = DEFAULTS) -> Any:
    """Score the fleet from stored telemetry and store the predictions.

    Parameters
    ----------
    model : str, optional
        The model's name; not needed while the workspace has only one.
    as_of : str, optional
        Use nothing known later than this; by default the latest telemetry's known time.
    options : Options
        Where the state lies and how to answer.
    """
    from pipelines.jobs.score import score as work

    workspace = options.open()
    with bars() as progress:
        return work(workspace, model_name(workspace, model), as_of=_moment(as_of), progress=progress)


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
        How many processes answer; FOREWARN_SERVE_WORKERS, or else 1.
    options : Options
        Where the state lies.
    """
    options.open()  # complains of a workspace that is not there in the words of every other command
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
        Where the state lies and how to answer.
    """
    from pipelines.jobs.monitor import monitor as work

    workspace = options.open()
    settings = read_settings(workspace, os.environ)
    return work(workspace, model_name(workspace, model), now=_moment(now) or pd.Timestamp.now("UTC"), settings=settings)


def why(
    topic: Literal["retraining", "promotion", "alarm"],
    which: str | None = None,
    *,
    model: str | None = None,
    options: Shared = DEFAULTS,
) -> Any:
    """Say why something was decided, from the records: what was seen, which test, how sure, what held it back.

    Parameters
    ----------
    topic : str
        retraining, promotion or alarm.
    which : str, optional
        The number of a decision, the version that was promoted, or a prediction's id; the latest by default.
    model : str, optional
        The model's name; not needed while the workspace has only one.
    options : Options
        Where the state lies and how to answer.
    """
    from pipelines.jobs.why import why as work

    workspace = options.open()
    return work(workspace, topic, model_name(workspace, model), which)


def retrain(*, model: str | None = None, now: str | None = None, options: Shared = DEFAULTS) -> Any:
    """Train a challenger on data up to now; promote it if it is better than the champion.

    Parameters
    ----------
    model : str, optional
        The model's name; not needed while the workspace has only one.
    now : str, optional
        Use nothing known later than this; the present by default.
    options : Options
        Where the state lies and how to answer.
    """
    from pipelines.jobs.retrain import retrain as work

    workspace = options.open()
    settings = read_settings(workspace, os.environ)
    moment = _moment(now) or pd.Timestamp.now("UTC")
    with bars() as progress:
        return work(workspace, model_name(workspace, model), now=moment, settings=settings, progress=progress)


def run(
    flow: Literal["ingest", "train", "score", "monitor", "retrain"],
    *,
    parameter: list[str] | None = None,
    options: Shared = DEFAULTS,
) -> Any:
    """Run one Prefect flow now.

    It ends with 0 when the run was completed, whatever it decided: a challenger that was rejected is no failure of the
    flow.

    Parameters
    ----------
    flow : str
        ingest, train, score, monitor or retrain.
    parameter : list[str], optional
        ``name=value``: a parameter of the flow, such as ``now=2025-03-01``; a list is given one by one.
    options : Options
        Where the state lies and how to answer.
    """
    from pipelines.flows.schedules import run_flow

    return run_flow(options.open(), flow, parameter or [], verbose=options.verbose)


def schedule(*, options: Shared = DEFAULTS) -> None:
    """Run the flows on the schedules of the settings, until interrupted.

    Parameters
    ----------
    options : Options
        Where the state lies.
    """
    from pipelines.flows.schedules import serve_schedules

    workspace = options.open()
    serve_schedules(workspace, read_settings(workspace, os.environ))


def _moment(text: str | None) -> pd.Timestamp | None:
    return None if text is None else parse_timestamp(text)
