import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from data_contracts.workspace import Workspace, init_workspace
from models.registry.registry import CHAMPION, Registry
from serving import start
from serving.command_line import main
from serving.settings import Settings
from tests.serving.conftest import PATIENCE, REPOSITORY, free_port


def error_output(capsys: pytest.CaptureFixture[str]) -> str:
    written = capsys.readouterr()
    assert "Traceback" not in written.err
    return written.err


def test_a_missing_workspace_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without a workspace nothing starts: exit status 1 and what to do."""
    assert main(["--workspace", str(tmp_path / "none"), "--model", "m"], {}) == 1
    assert "forewarn init" in error_output(capsys)


def test_damaged_records_are_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without records nothing starts, for nothing could be stored: exit status 1."""
    workspace = init_workspace(tmp_path)
    (workspace.root / "records.db").write_bytes(b"no database" * 1000)
    assert main(["--workspace", str(tmp_path), "--model", "m"], {}) == 1
    assert "damaged" in error_output(capsys)


def test_a_taken_port_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A port someone else listens on is wrong usage: exit status 2."""
    init_workspace(tmp_path)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert main(["--workspace", str(tmp_path), "--model", "m", "--port", str(port)], {}) == 2
    assert str(port) in error_output(capsys)


def test_a_wrong_setting_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    """A setting that cannot be understood is wrong usage: exit status 2."""
    assert main(["--port", "0"], {}) == 2
    assert "1 to 65535" in error_output(capsys)


@pytest.mark.parametrize(
    ("option", "value"), [("--port", "99999"), ("--port", "0"), ("--workers", "0"), ("--port", "-1")]
)
def test_a_wrong_option_is_named(option: str, value: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The error names the mistyped option, not a variable that was never set."""
    assert main([option, value], {}) == 2
    written = error_output(capsys)
    assert written.startswith(f"{option} is the number {value}. Expected ")
    assert "FOREWARN" not in written


def test_a_wrong_variable_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    """A variable that is wrong is named, whatever the command line says."""
    assert main(["--port", "4000"], {"FOREWARN_SERVE_PORT": "99999"}) == 2
    assert error_output(capsys).startswith(
        "FOREWARN_SERVE_PORT is the number 99999. Expected a whole number from 1 to 65535"
    )


def test_the_model_waited_for_is_named(
    registry: Registry, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An endpoint that is not ready prints the model it waits for, and the registered names."""
    monkeypatch.setattr(start, "_await_ready", lambda _: False)
    start._announce(Settings(model="tony", port=4321), registry.workspace)
    written = capsys.readouterr()
    assert written.out == "forewarn listens at http://127.0.0.1:4321, not ready yet\n"
    assert written.err == (
        "the endpoint is waiting for a champion of 'tony', which is not a registered model. Expected one of tiny. "
        "Did you mean 'tiny'?\n"
    )
    start._announce(Settings(model="tiny"), registry.workspace)
    assert "forewarn models promote" in error_output(capsys)


def test_an_endpoint_with_tokens_is_ready_too(
    workspace: Workspace, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The version is behind a token and left out of the line."""
    monkeypatch.setattr(start, "_await_ready", lambda _: True)
    start._announce(Settings(model="tiny", port=1), workspace)
    assert capsys.readouterr().out == "forewarn serves tiny at http://127.0.0.1:1\n"


def test_the_only_champion_is_served_without_naming_it(workspace: Workspace, registry: Registry) -> None:
    """Where exactly one model has a champion, it need not be named."""
    registry.set_alias("tiny", CHAMPION, 1)
    assert start._only_champion(workspace) == "tiny"


def test_no_champion_and_no_name_is_an_error(registry: Registry, capsys: pytest.CaptureFixture[str]) -> None:
    """Where nothing can be served, nothing starts: exit status 1 and what to do."""
    registry.delete_alias("tiny", CHAMPION)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    assert main(["--workspace", str(registry.workspace.root), "--port", str(port)], {}) == 1
    assert "forewarn models promote" in error_output(capsys)


@pytest.mark.parametrize("moment", ["imports", "server"])
def test_an_interrupted_start_ends_with_one_line(tmp_path: Path, moment: str) -> None:
    """SIGINT while the endpoint starts, or its server does, gives exit status 130 and no traceback."""
    if not Path("/proc/self/status").exists():
        return  # how to look at another process without a dependency is known for Linux only
    port, folder = free_port(), init_workspace(tmp_path).root
    command = [sys.executable, "-m", "serving", "--workspace", str(folder), "--model", "m", "--port", str(port)]
    process = subprocess.Popen(
        command, stderr=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": REPOSITORY}, cwd=tmp_path
    )
    try:
        await_true(lambda: awaits_interrupt(process.pid))
        if moment == "server":
            await_true((folder / "serving" / str(port)).exists)
        process.send_signal(signal.SIGINT)
        _, written = process.communicate(timeout=PATIENCE)
    finally:
        process.kill()
    assert (process.returncode, written) == (
        130,
        "Interrupted. What was stored stays; run the same command again to go on.\n",
    )


def awaits_interrupt(pid: int) -> bool:
    """Tell whether a process blocks SIGINT, as the endpoint does before it imports anything that takes long."""
    status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return bool(int(status["SigBlk"], 16) & 1 << (signal.SIGINT - 1))


def await_true(condition: Callable[[], bool]) -> None:
    ends = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < ends
        time.sleep(0.01)
