"""The command line: help, exit statuses, answers for people and programs."""

import importlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from data_contracts.workspace import init_workspace
from pipelines.cli import app, renderers
from tests.otlp_collector import running_collector

PLATFORMS = {
    "bentoml",
    "deltalake",
    "great_expectations",
    "lightgbm",
    "matplotlib",
    "mlflow",
    "numba",
    "pandas",
    "prefect",
    "sklearn",
    "sqlalchemy",
    "tsfresh",
}


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    """Run one command in this process; return its exit status, stdout and stderr."""
    with pytest.raises(SystemExit) as leaving:
        app.main(words)
    out, err = capsys.readouterr()
    return int(leaving.value.code or 0), out, err


def test_help_loads_no_platform() -> None:
    """`forewarn --help` must answer at once: none of the platforms is imported for it."""
    script = """
import sys
from pipelines.cli import main
try:
    main(["--help"])
except SystemExit:
    print(*sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    loaded = {name.partition(".")[0] for name in done.stdout.split()}
    assert "demo" in done.stdout
    assert not loaded & PLATFORMS


@pytest.mark.parametrize("name", sorted(app.COMMANDS))
def test_every_command_explains_itself(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Each command's help says what it does, in the words of the list, and describes its options."""
    status, out, _ = run(capsys, *name.split("."), "--help")
    words = " ".join(out.split())
    assert status == 0
    assert app.COMMANDS[name][1].split(";")[0].rstrip(".?") in words.replace("│ ", "")
    assert "--workspace" in out


@pytest.mark.parametrize("name", sorted(app.COMMANDS))
def test_every_command_stands_in_the_documentation(name: str, repository: Path) -> None:
    """A command that docs/reference/commands.md does not name does not exist for a reader."""
    assert f"`forewarn {name.replace('.', ' ')}`" in (repository / "docs" / "reference" / "commands.md").read_text(
        encoding="utf-8"
    )


def test_an_unknown_command_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    """A mistyped command ends with 2 and names the one that was meant."""
    status, out, err = run(capsys, "trian")
    assert status == 2
    assert "train" in out + err


def test_a_missing_workspace_is_commands_what_to_do(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without a workspace a command ends with 1 and says how to make one, on stderr."""
    status, out, err = run(capsys, "models", "list", "--workspace", str(tmp_path / "nowhere"))
    assert (status, out) == (1, "")
    assert "forewarn init" in err
    assert "Traceback" not in err


def test_an_error_is_json_for_programs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With --json an error is one JSON document on stdout, and the exit status stays."""
    status, out, _ = run(capsys, "models", "list", "--workspace", str(tmp_path / "nowhere"), "--json")
    assert status == 1
    assert set(json.loads(out)) == {"error", "found", "expected", "remedy"}


def test_a_broken_experiment_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A TOML file that does not parse is wrong usage, and the file is named."""
    broken = tmp_path / "broken.toml"
    broken.write_text("name = \n")
    run(capsys, "init", "--workspace", str(tmp_path / "w"))
    status, _, err = run(capsys, "train", str(broken), "--workspace", str(tmp_path / "w"))
    assert status == 2
    assert "broken.toml" in err.replace("\n", "")


def test_init_twice_is_init_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Making a workspace that is there already changes nothing and says so."""
    first = run(capsys, "init", "--workspace", str(tmp_path / "w"), "--json")
    second = run(capsys, "init", "--workspace", str(tmp_path / "w"), "--json")
    assert (first[0], second[0]) == (0, 0)
    assert json.loads(first[1])["made"] is True
    assert json.loads(second[1])["made"] is False


@pytest.mark.slow
def test_a_job_is_a_trace_of_its_own(tmp_path: Path) -> None:
    """Exported before the process ends."""
    init_workspace(tmp_path / "ws")
    file = tmp_path / "failures.csv"
    file.write_text("failure_id,asset,event_time,known_time,mode\nf1,a,2026-01-01T00:00Z,2026-01-01T00:00Z,broken\n")
    command = ["ingest", str(file), "--contract", "failures", "--workspace", str(tmp_path / "ws")]
    script = f"from pipelines.cli import main; main({command!r})"
    with running_collector() as collector:
        variables = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "OTEL_BSP_EXPORT_TIMEOUT": "60000"}
        subprocess.run([sys.executable, "-c", script], env={**os.environ, **variables}, check=True)
    [job] = [span for span in collector.spans if not span.parent_id]
    assert (job.name, job.status, job.resource["service.name"]) == ("ingest files", 0, "forewarn")
    assert b"failures.csv" not in b"".join(collector.bodies)


def test_the_readme_names_only_commands_that_exist(repository: Path) -> None:
    """Whatever the README tells a reader to run must be there to run."""
    text = (repository / "README.md").read_text(encoding="utf-8")
    commands = re.findall(r"(?:`|\$ )forewarn ([a-z]+)(?: ([a-z-]+))?", text)
    known = {*app.COMMANDS, *(name.rpartition(".")[0] for name in app.COMMANDS)}
    assert len(commands) > 5
    assert [words for words in commands if words[0] not in known and ".".join(words) not in known] == []


def test_serve_hands_on_only_what_was_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is not said on the command line is left to the environment, and then to the endpoint's own defaults."""
    replaced: list[list[str]] = []
    monkeypatch.setattr("os.execv", lambda _, words: replaced.append(words))
    init_workspace(tmp_path)
    run(capsys, "serve", "--workspace", str(tmp_path))
    run(capsys, "serve", "--workspace", str(tmp_path), "--port", "4000")
    assert [words[3:] for words in replaced] == [
        ["--workspace", str(tmp_path)],
        ["--workspace", str(tmp_path), "--port", "4000"],
    ]
    assert replaced[0][1:3] == ["-m", "serving"]


@pytest.mark.parametrize("path", sorted(renderers._RENDERERS))
def test_every_renderer_belongs_to_a_class_that_is_there(path: str) -> None:
    """A renderer is looked up by the import path of its class, which is defined there and not only imported."""
    module, _, name = path.partition(":")
    assert getattr(importlib.import_module(module), name).__module__ == module
