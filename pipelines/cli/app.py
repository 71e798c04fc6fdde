"""The command line: parse, run one command, show its result.

Results go to stdout, progress and errors to stderr. Exit status 0 means yes or done, 1 that the answer is no (a broken
contract, a worse model, something missing), 2 wrong usage, 130 interrupted. A command and what it needs are imported
when it is called, so that ``forewarn --help`` and a typo cost next to nothing.
"""

import gc
import os
import sys
from collections.abc import Sequence

from cyclopts import App, CycloptsError

from data_contracts.errors import ForewarnError, UsageError, did_you_mean
from data_contracts.tracing.export import start_tracing
from pipelines.cli.options import Options
from pipelines.cli.output import complain, show
from pipelines.settings.quiet import QUIET

COMMANDS: dict[str, tuple[str, str]] = {
    "init": ("pipelines.commands.workspace:init", "Create a workspace."),
    "import.cmapss": ("pipelines.commands.imports:cmapss", "Import NASA's turbofan degradation data."),
    "import.azure-pdm": ("pipelines.commands.imports:azure_pdm", "Import Microsoft's predictive-maintenance sample."),
    "import.files": ("pipelines.commands.imports:files", "Import your own telemetry, failures and work orders."),
    "import.sql": ("pipelines.commands.imports:sql", "Import the rows of a query from another database."),
    "twins.import": (
        "pipelines.commands.twins.twin_imports:import_",
        "Take over twins from DTDL, an MTConnect probe document or Asset Administration Shells.",
    ),
    "twins.compare": (
        "pipelines.commands.twins.twin_imports:compare",
        "Name what two descriptions of twins say differently.",
    ),
    "assets.list": (
        "pipelines.commands.twins.assets:listed",
        "List assets by plant, line, level and type.",
    ),
    "simulate": (
        "pipelines.commands.fleet:simulate",
        "Simulate a fleet of CNC machines: import its history, or send live telemetry.",
    ),
    "bridge.opcua": ("pipelines.commands.live.bridge:opcua", "Read machines over OPC-UA and publish their telemetry."),
    "bridge.mtconnect": (
        "pipelines.commands.live.bridge:mtconnect",
        "Read machines from an MTConnect agent and publish their telemetry.",
    ),
    "contract.infer": ("pipelines.commands.schema:infer", "Infer a contract to start from out of files of telemetry."),
    "contract.check": (
        "pipelines.commands.schema:check",
        "Explain a contract in words: its columns, what is enforced, and how its files are laid out.",
    ),
    "validate": ("pipelines.commands.data:validate", "Check a file against its contract; store nothing."),
    "ingest": ("pipelines.commands.data:ingest", "Check a file and store its good rows; quarantine the rest."),
    "listen": (
        "pipelines.commands.live.listen:listen",
        "Store telemetry that arrives at a broker, each message once.",
    ),
    "data.report": (
        "pipelines.commands.data:report",
        "Describe what is stored: spans, gaps, channels, failures, and what to try first.",
    ),
    "quarantine.list": ("pipelines.commands.quarantine:listed", "List quarantined rows with their reasons."),
    "quarantine.export": (
        "pipelines.commands.quarantine:export",
        "Write quarantined rows to a file, so that they can be fixed.",
    ),
    "quarantine.replay": (
        "pipelines.commands.quarantine:replay",
        "Check quarantined rows again and store the good ones.",
    ),
    "features": (
        "pipelines.commands.features:features",
        "Write the features of an experiment's samples into a folder of Parquet files.",
    ),
    "indicators.add": (
        "pipelines.commands.live.indicators:add",
        "Define indicators: features of short windows, stored as telemetry of their own.",
    ),
    "indicators.list": ("pipelines.commands.live.indicators:listed", "List the indicators of the workspace."),
    "indicators.backfill": (
        "pipelines.commands.live.indicators:backfill",
        "Compute indicators from the telemetry that is stored.",
    ),
    "train": (
        "pipelines.commands.models.training:train",
        "Train and register the predictor that an experiment describes.",
    ),
    "sweep": (
        "pipelines.commands.models.sweeps:sweep",
        "Search for a better configuration of an experiment, on its training data alone.",
    ),
    "reproduce": (
        "pipelines.commands.models.training:reproduce",
        "Train a registered version again and compare the predictions.",
    ),
    "compare": (
        "pipelines.commands.models.comparisons:compare",
        "Compare registered versions on the test samples they share.",
    ),
    "predictions": (
        "pipelines.commands.models.comparisons:predictions",
        "Show or export the test predictions of a version with their labels.",
    ),
    "models.list": (
        "pipelines.commands.models.versions:listed",
        "List registered versions, their metrics and aliases.",
    ),
    "models.promote": ("pipelines.commands.models.champions:promote", "Make a version the champion."),
    "models.accept-promise": (
        "pipelines.commands.models.promises:accept_promise",
        "Hold a version to its own promise although it is looser than the one before.",
    ),
    "models.baselines": (
        "pipelines.commands.models.baselines:baselines",
        "Measure assets that have run long enough by a baseline of their own.",
    ),
    "models.rollback": (
        "pipelines.commands.models.champions:rollback",
        "Make the previous champion the champion again.",
    ),
    "models.shadow": (
        "pipelines.commands.models.shadows:shadow",
        "Let a version score the endpoint's traffic without answering, or report how such versions compare.",
    ),
    "models.keygen": ("pipelines.commands.models.signatures:keygen", "Make a key to sign versions with."),
    "models.sign": ("pipelines.commands.models.signatures:sign", "Sign a registered version."),
    "models.delete": ("pipelines.commands.models.versions:delete", "Delete a version that has no alias."),
    "tokens.create": ("pipelines.commands.tokens:create", "Create a token for a program or a person."),
    "tokens.list": ("pipelines.commands.tokens:listed", "List the tokens with their scopes."),
    "tokens.revoke": ("pipelines.commands.tokens:revoke", "Revoke a token for good."),
    "actions.list": (
        "pipelines.commands.housekeeping.actions:listed",
        "List who changed what by the endpoint's pages.",
    ),
    "twins.list": ("pipelines.commands.twins.twins:listed", "List the assets with the revisions of their states."),
    "twins.show": (
        "pipelines.commands.twins.twins:show",
        "Show the state of an asset: each property with its source and times, now or as of an earlier time.",
    ),
    "twins.log": ("pipelines.commands.twins.twins:log", "List what was written about an asset, or rejected."),
    "twins.override": ("pipelines.commands.twins.twins:override", "Override properties of an asset until a time."),
    "twins.set": (
        "pipelines.commands.twins.twins:set_",
        "Command the machine of an asset to set writable properties.",
    ),
    "twins.release": ("pipelines.commands.twins.twins:release", "End overrides before they expire."),
    "twins.rollback": (
        "pipelines.commands.twins.twins:rollback",
        "Make the overrides of an asset what they were at a revision.",
    ),
    "twins.take-over": (
        "pipelines.commands.twins.take_over:take_over",
        "Command the machines and deliver events from this workspace, which was restored or copied.",
    ),
    "score": ("pipelines.commands.operate:score", "Score the fleet from stored telemetry and store the predictions."),
    "worklist": (
        "pipelines.commands.planning.worklist:worklist",
        "Plan which machines to repair on which day, from stored predictions.",
    ),
    "serve": ("pipelines.commands.operate:serve", "Answer prediction requests over HTTP."),
    "build": ("pipelines.commands.build:build", "Pack the endpoint with one model, to run without this workspace."),
    "monitor": ("pipelines.commands.operate:monitor", "Compare the champion's error rates with what it promised."),
    "retrain": ("pipelines.commands.operate:retrain", "Train a challenger; promote it if it is better."),
    "outbox.list": (
        "pipelines.commands.housekeeping.outbox:listed",
        "List events, and what became of each on its way out.",
    ),
    "outbox.replay": ("pipelines.commands.housekeeping.outbox:replay", "Send dead letters again."),
    "outbox.deliver": (
        "pipelines.commands.housekeeping.outbox:deliver",
        "Send the events that wait to the systems that want them.",
    ),
    "sap.notify": (
        "pipelines.commands.connectors.sap:notify",
        "Send the entries of a worklist to SAP as maintenance notifications.",
    ),
    "sap.pull": (
        "pipelines.commands.connectors.sap:pull",
        "Read malfunctions, orders and findings back from SAP.",
    ),
    "audits.draw": (
        "pipelines.commands.audits:draw",
        "Draw assets without an alert for inspection, so that misses show.",
    ),
    "audits.judge": (
        "pipelines.commands.audits:judge",
        "Estimate from the findings of audits how many assets without an alert had a defect.",
    ),
    "parts": (
        "pipelines.commands.planning.parts:parts",
        "Propose which spare parts to order now, and why.",
    ),
    "why": ("pipelines.commands.operate:why", "Say why a retraining, a promotion or an alarm was decided."),
    "value": (
        "pipelines.commands.planning.value:value",
        "Estimate what acting on alarms has avoided, by plant and month: failures, hours of downtime and money.",
    ),
    "backtest": ("pipelines.commands.backtest:backtest", "Replay the history under several rules of retraining."),
    "whatif": (
        "pipelines.commands.planning.what_if:whatif",
        "Compare another threshold, horizon, crew, stock or model with what is done today.",
    ),
    "schema": (
        "pipelines.commands.schema:schema",
        "Print the JSON Schema of an experiment, of a workspace's settings, of a contract or of a bridge's mapping.",
    ),
    "run": ("pipelines.commands.operate:run", "Run one Prefect flow now."),
    "upkeep": (
        "pipelines.commands.operate:upkeep",
        "Rewrite, thin and clean the tables of telemetry, so that reads stay fast and the disk does not fill.",
    ),
    "backup": (
        "pipelines.commands.housekeeping.maintenance:backup",
        "Copy the workspace as it is now into a folder, while others use it.",
    ),
    "restore": (
        "pipelines.commands.housekeeping.maintenance:restore",
        "Restore a workspace from a backup, at any place.",
    ),
    "upgrade": (
        "pipelines.commands.housekeeping.maintenance:upgrade",
        "Bring a workspace of an earlier version to this one's.",
    ),
    "prune": (
        "pipelines.commands.housekeeping.maintenance:prune",
        "Delete predictions, answers and trainings that are kept no longer and that nothing rests on.",
    ),
    "forget": (
        "pipelines.commands.housekeeping.maintenance:forget",
        "Remove the name of a person, or of all who changed an asset's twin, from the records.",
    ),
    "schedule": ("pipelines.commands.operate:schedule", "Run the flows on their schedules."),
    "demo": ("pipelines.commands.fleet:demo", "Watch a simulated fleet through a drift, end to end."),
    "doctor": (
        "pipelines.commands.workspace:doctor",
        "Show versions, settings, which stores are reachable and what is slow.",
    ),
}

GROUPS = {
    "actions": "Who changed what by the endpoint's pages.",
    "assets": "Plants, lines, machines and components.",
    "indicators": "Features of short windows of high-rate telemetry.",
    "audits": "Inspect assets without an alert.",
    "bridge": "Carry machines' telemetry to the broker.",
    "contract": "Infer a contract from files, and explain one.",
    "data": "Look at what is stored.",
    "import": "Bring data into the workspace.",
    "outbox": "Events on their way to other systems and people.",
    "sap": "SAP plant maintenance: what is planned goes out, what was done comes back.",
    "quarantine": "List, export and replay quarantined rows.",
    "models": "List, promote, roll back, shadow, sign and delete registered models.",
    "tokens": "Create, list and revoke tokens for the endpoint.",
    "twins": "Show and override the states of assets; import and compare their twins.",
}


_COLLECT_EVERY = 1_000_000


def build() -> App:
    """Return the parser, with every command registered by its import path and not yet imported."""
    app = App(name="forewarn", help="Machine-learning operations for predictive maintenance.", version=_version)
    groups = {name: App(name=name, help=text) for name, text in GROUPS.items()}
    for name, (path, text) in COMMANDS.items():
        group, _, verb = name.rpartition(".")
        (groups[group] if group else app).command(path, name=verb, help=text)
    for group_app in groups.values():
        app.command(group_app)
    return app


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command and exit: 0 yes or done, 1 the answer is no, 2 wrong usage, 130 interrupted.

    Parameters
    ----------
    arguments : Sequence[str], optional
        The words after ``forewarn``; those of the process by default.

    Raises
    ------
    SystemExit
        Always.
    """
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    # Imports make hundreds of thousands of objects that stay; collecting among them takes a fifth of the start-up.
    gc.set_threshold(_COLLECT_EVERY)
    words = list(sys.argv[1:] if arguments is None else arguments)
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
    # cyclopts would import every command before it says that there is no such command.
    unknown = _unknown_command(words)
    if unknown is not None:
        return complain(unknown, Options(json="--json" in words))
    try:
        command, bound, _ = build().parse_args(words, exit_on_error=False, print_error="--json" not in words)
    except CycloptsError as error:
        return _usage_error(error, words)
    options = next((value for value in bound.arguments.values() if isinstance(value, Options)), Options())
    if command.__module__.startswith("cyclopts"):
        command(*bound.args, **bound.kwargs)
        return 0
    refused = "" if words[0] == "serve" else start_tracing("forewarn", os.environ)  # the endpoint's workers do it
    if refused:
        sys.stderr.write(f"{refused}\n")
    try:
        return show(command(*bound.args, **bound.kwargs), options)
    except ForewarnError as error:
        if options.verbose:
            raise
        return complain(error, options)


def _unknown_command(words: Sequence[str]) -> UsageError | None:
    group, prefix = "", ""
    if words and words[0] in GROUPS:
        group, prefix, words = f"{words[0]}.", f"{words[0]} ", words[1:]
    if not words or words[0].startswith("-"):
        return None
    known = [name.removeprefix(group).partition(".")[0] for name in COMMANDS if name.startswith(group)]
    if words[0] in known:
        return None
    hint = did_you_mean(words[0], known) or "See `forewarn --help`"
    return UsageError(f"no command {prefix}{words[0]}", f"one of {', '.join(dict.fromkeys(known))}", hint)


def _usage_error(error: CycloptsError, words: Sequence[str]) -> int:
    """Report a command line that cannot be parsed; cyclopts has printed it already unless a program reads."""
    if "--json" in words:
        found = " ".join(str(error).split())
        remedy = "See `forewarn --help`, or --help after a command"
        return complain(UsageError(found, "a command as its help describes it", remedy), Options(json=True))
    return UsageError.exit_status


def _version() -> str:
    from importlib.metadata import version

    return f"forewarn {version('forewarn')}"
