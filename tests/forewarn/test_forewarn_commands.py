"""The facade's verbs are the commands', and so are their errors."""

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import forewarn
from pipelines.cli.app import COMMANDS
from pipelines.cli.options import Options
from pipelines.commands import data, imports
from pipelines.commands.models import training
from pipelines.commands.operate import score

# Where a method is not called like its command, as the words of a command are no name in Python.
VERBS = {
    "init": "init",
    "simulate": "simulate",
    "import_files": "import.files",
    "ingest": "ingest",
    "report": "data.report",
    "train": "train",
    "models": "models.list",
}
# The workspace is the object itself, `--set` is repeated, and a layout has options of its own.
RENAMED = {"path": "options", "set": "override", "layout": "layout"}


def _parameters(path: str) -> set[str]:
    module, _, name = path.partition(":")
    function = getattr(__import__(module, fromlist=[name]), name)
    return set(inspect.signature(function).parameters)


@pytest.mark.parametrize(("method", "command"), VERBS.items())
def test_a_method_takes_what_its_command_takes(method: str, command: str) -> None:
    """Each argument of a method is one of the command of its name, but for showing how far it is."""
    own = set(inspect.signature(getattr(forewarn.Workspace, method)).parameters) - {"self", "progress"}
    assert {RENAMED.get(name, name) for name in own} <= _parameters(COMMANDS[command][0])


def _error(call: Callable[[], Any]) -> tuple[type, str]:
    with pytest.raises(forewarn.ForewarnError) as caught:
        call()
    return caught.type, str(caught.value)


def test_errors_are_those_of_the_commands(ws: forewarn.Workspace, tmp_path: Path) -> None:
    """What a command refuses, the method of its name refuses in the same words."""
    options, missing = Options(workspace=ws.path), tmp_path / "none"
    pairs: list[tuple[Callable[[], Any], Callable[[], Any]]] = [
        (lambda: forewarn.Workspace(missing), lambda: Options(workspace=missing).open()),
        (lambda: ws.champion("fleet-failur"), lambda: score(model="fleet-failur", options=options)),
        (lambda: ws.train("fleeet"), lambda: training.train("fleeet", options=options)),
        (
            lambda: ws.train("fleet", set={"horizon": "72h"}),
            lambda: training.train("fleet", override=["horizon=72h"], options=options),
        ),
        (
            lambda: ws.train("fleet", promote=True),
            lambda: training.train("fleet", promote=True, options=options),
        ),
        (lambda: ws.report(asset_type="cnc"), lambda: data.report(asset_type="cnc", options=options)),
        (
            lambda: ws.import_files(contract="cnc_machin", telemetry="a.csv"),
            lambda: imports.files(contract="cnc_machin", telemetry=(Path("a.csv"),), options=options),
        ),
    ]
    assert all(_error(own) == _error(command) for own, command in pairs)


@pytest.mark.parametrize(
    ("call", "hint"),
    [
        (lambda ws: ws.model("fleet-failur"), "Did you mean 'fleet-failure'?"),
        (lambda ws: ws.model("fleet-failure", 9), "Expected one of 1"),
        (lambda ws: ws.champion().predict("cnc-0012"), "Did you mean 'cnc-012'?"),
        (lambda ws: ws.champion().plot("calibraton"), "Did you mean 'calibration'?"),
        (lambda ws: ws.history("cnc_machne"), "Did you mean 'cnc_machine'?"),
        (lambda ws: ws.history("cnc_machine", assets="cnc-0012"), "Did you mean 'cnc-012'?"),
        (lambda ws: ws.samples("fleet", set={"horizon": "72h"}), "Did you mean 'label.horizon'?"),
        (lambda ws: ws.ingest("a.csv", contract="cnc_machine", time_zon="UTC"), "Did you mean 'time_zone'?"),
        (lambda ws: ws.history("cnc_machine", since="yesterday or so"), "Write it in ISO 8601"),
        (lambda ws: ws.champion().features(ws.models()), "Expected the columns asset and as_of"),
    ],
)
def test_what_is_misspelt_is_named(
    ws: forewarn.Workspace, call: Callable[[forewarn.Workspace], Any], hint: str
) -> None:
    """An unknown version, asset, name, key, option or time is named, with what was probably meant."""
    with pytest.raises(forewarn.ForewarnError, match=r".") as caught:
        call(ws)
    assert hint in str(caught.value)
