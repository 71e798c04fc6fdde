"""The command line: parse, run one command, show its answer.

Results go to stdout, progress and complaints to stderr. Exit status 0 is yes or done, 1 means the answer is no (a
contract is broken, a model is worse, something is missing), 2 means wrong usage. Commands are loaded when they are
called, so ``forewarn --help`` loads none of the platforms.
"""

import os
import sys
from collections.abc import Sequence
from typing import Any

from cyclopts import App, CycloptsError

from pipelines.cli.options import Options

QUIET = {
    # A plant's network has no way out, and what runs there is nobody else's business.
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "BENTOML_DO_NOT_TRACK": "True",
    "GX_ANALYTICS_ENABLED": "false",
    # Plots are written to files; no window may open.
    "MPLBACKEND": "Agg",
    # Each says on stderr what the command's own answer says better.
    "MLFLOW_LOGGING_LEVEL": "ERROR",
    "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "WARNING",
    "GIT_PYTHON_REFRESH": "quiet",
}

COMMANDS: dict[str, tuple[str, str]] = {
    "init": ("pipelines.commands.workspace:init", "Make a workspace."),
    "import.cmapss": ("pipelines.commands.imports:cmapss", "Import NASA's turbofan degradation data."),
    "import.azure-pdm": ("pipelines.commands.imports:azure_pdm", "Import Microsoft's predictive-maintenance sample."),
    "import.files": ("pipelines.commands.imports:files", "Import your own telemetry, failures and work orders."),
    "simulate": ("pipelines.commands.fleet:simulate", "Simulate a fleet of CNC machines and import its history."),
    "validate": ("pipelines.commands.data:validate", "Check a file against its contract; store nothing."),
    "ingest": ("pipelines.commands.data:ingest", "Check a file and store its good rows; quarantine the rest."),
    "quarantine.list": ("pipelines.commands.quarantine:listed", "List the rows that were refused, with the reasons."),
    "quarantine.export": ("pipelines.commands.quarantine:export", "Write refused rows to a file, to be mended."),
    "quarantine.replay": ("pipelines.commands.quarantine:replay", "Check refused rows again and store the good ones."),
    "features": (
        "pipelines.commands.features:features",
        "Write the features of an experiment's samples into a folder of Parquet files.",
    ),
    "train": ("pipelines.commands.models:train", "Train and register the predictor that an experiment describes."),
    "reproduce": (
        "pipelines.commands.models:reproduce",
        "Train a registered version again; are the predictions the same?",
    ),
    "models.list": ("pipelines.commands.models:listed", "List registered versions, their figures and aliases."),
    "models.promote": ("pipelines.commands.models:promote", "Make a version the champion."),
    "models.rollback": ("pipelines.commands.models:rollback", "Make the previous champion the champion again."),
    "models.shadow": ("pipelines.commands.models:shadow", "Let a version score the traffic without being answered."),
    "models.delete": ("pipelines.commands.models:delete", "Delete a version that bears no alias."),
    "tokens.create": ("pipelines.commands.tokens:create", "Make a token for a program that asks the endpoint."),
    "tokens.list": ("pipelines.commands.tokens:listed", "List who may ask the endpoint, and for what."),
    "tokens.revoke": ("pipelines.commands.tokens:revoke", "Revoke a token for good."),
    "score": ("pipelines.commands.operate:score", "Score the fleet from stored telemetry and store the predictions."),
    "serve": ("pipelines.commands.operate:serve", "Answer prediction requests over HTTP."),
    "build": ("pipelines.commands.build:build", "Pack the endpoint with one model, to run without this workspace."),
    "monitor": ("pipelines.commands.operate:monitor", "Compare the champion's error rates with what it promised."),
    "retrain": ("pipelines.commands.operate:retrain", "Train a challenger; promote it if it is better."),
    "audits.draw": ("pipelines.commands.audits:draw", "Draw silent assets for inspection, so that misses show."),
    "audits.judge": (
        "pipelines.commands.audits:judge",
        "Estimate from the findings of audits how many silent assets had a defect.",
    ),
    "why": ("pipelines.commands.operate:why", "Say why a retraining, a promotion or an alarm was decided."),
    "backtest": ("pipelines.commands.backtest:backtest", "Replay the history under several rules of retraining."),
    "run": ("pipelines.commands.operate:run", "Run one Prefect flow now."),
    "schedule": ("pipelines.commands.operate:schedule", "Run the flows on their schedules."),
    "demo": ("pipelines.commands.demo:demo", "Watch a simulated fleet through a drift, end to end."),
    "doctor": ("pipelines.commands.workspace:doctor", "Tell versions, settings, what is reachable and what is slow."),
}

GROUPS = {
    "audits": "Inspect assets of which the champion said nothing.",
    "import": "Bring data into the workspace.",
    "quarantine": "Look after the rows that were refused.",
    "models": "List, promote, roll back, try and delete registered models.",
    "tokens": "Say who may ask the endpoint, and for what.",
}


def build() -> App:
    """Return the command line's parser; no command is imported yet.

    Returns
    -------
    App
        The parser, with every command registered by its import path.
    """
    app = App(name="forewarn", help="Machine-learning operations for predictive maintenance.", version=_version)
    groups = {name: App(name=name, help=text) for name, text in GROUPS.items()}
    for name, (path, text) in COMMANDS.items():
        group, _, verb = name.rpartition(".")
        (groups[group] if group else app).command(path, name=verb, help=text)
    for group_app in groups.values():
        app.command(group_app)
    return app


def main(tokens: Sequence[str] | None = None) -> None:
    """Run one command and leave with its exit status.

    Parameters
    ----------
    tokens : Sequence[str], optional
        The words after ``forewarn``; those of the process by default.

    Raises
    ------
    SystemExit
        Always: 0 yes or done, 1 the answer is no, 2 wrong usage, 130 interrupted.
    """
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    words = list(sys.argv[1:] if tokens is None else tokens)
    try:
        sys.exit(_run(words))
    except KeyboardInterrupt:
        sys.stderr.write("\nInterrupted. What was stored stays; run the same command again to go on.\n")
        sys.exit(130)
    except BrokenPipeError:
        # The reader (`| head`) has seen enough; closing stdout quietly keeps Python from complaining at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)


def _run(words: list[str]) -> int:
    try:
        command, bound, _ = build().parse_args(words, exit_on_error=False, print_error="--json" not in words)
    except CycloptsError as error:
        return _refuse(error, words)
    options = next((value for value in bound.arguments.values() if isinstance(value, Options)), Options())
    if command.__module__.startswith("cyclopts"):
        command(*bound.args, **bound.kwargs)
        return 0
    return _answer(lambda: command(*bound.args, **bound.kwargs), options)


def _refuse(error: CycloptsError, words: Sequence[str]) -> int:
    """Answer a command line that cannot be understood; people have been told by the parser already."""
    from data_contracts.errors import UsageError
    from pipelines.cli.output import complain

    if "--json" in words:
        found = " ".join(str(error).split())
        remedy = "See `forewarn --help`, or --help after a command"
        return complain(UsageError(found, "a command as its help describes it", remedy), Options(json=True))
    return UsageError.exit_status


def _answer(work: Any, options: Options) -> int:
    from data_contracts.errors import ForewarnError
    from pipelines.cli.output import complain, show

    try:
        return show(work(), options)
    except ForewarnError as error:
        if options.verbose:
            raise
        return complain(error, options)


def _version() -> str:
    from importlib.metadata import version

    return f"forewarn {version('forewarn')}"
