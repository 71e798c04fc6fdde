"""`forewarn simulate --live` as a program: what it prints, how it ends, what it refuses."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import httpx
import pandas as pd
import pytest

from data_contracts.errors import ForewarnError, UsageError
from pipelines.cli import main
from pipelines.cli.live_options import LiveOptions, duration
from pipelines.fleet.live.outputs import OutputSettings, check_settings
from pipelines.live.broker.connection import connect, disconnect
from pipelines.live.broker.start_broker import MosquittoProcess, free_port

NOW = pd.Timestamp("2026-11-30T12:00:00.5Z")


def _start(*words: str) -> "subprocess.Popen[str]":
    command = [
        sys.executable,
        "-c",
        "import sys; from pipelines.cli import main; main(sys.argv[1:])",
        "simulate",
        "--live",
    ]
    return subprocess.Popen(
        [*command, "--json", *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=dict(os.environ)
    )


def _ended(process: "subprocess.Popen[str]") -> dict[str, Any]:
    out, err = process.communicate(timeout=240)
    assert process.returncode == 0, err
    assert "Traceback" not in err
    answer: dict[str, Any] = json.loads(out)
    return answer


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_end_an_endless_plant(mosquitto: MosquittoProcess, tmp_path: Path, number: int) -> None:
    """With every protocol at once, in order: what was sent has arrived, and the result is printed."""
    ports = free_port(), free_port()
    process = _start(
        *("--machines", "2", "--broker", f"127.0.0.1:{mosquitto.port}", "--write", str(tmp_path / "files")),
        *("--over", "arrow", "--over", "json", "--over", "sparkplug", "--over", "opcua", "--over", "mtconnect"),
        *("--opcua-port", str(ports[0]), "--mtconnect-port", str(ports[1])),
        *("--faults", "0.5", "--fault-log", str(tmp_path / "faults.jsonl")),
    )
    _wait_until_it_answers(f"http://127.0.0.1:{ports[1]}/cnc-001/current", "AVAILABLE")
    process.send_signal(number)
    answer = _ended(process)
    assert answer["ended"] == "interrupted"
    assert set(answer["sent"]) == {"files", "arrow", "json", "sparkplug", "opcua", "mtconnect"}
    faults = [json.loads(line) for line in (tmp_path / "faults.jsonl").read_text().splitlines()]
    assert sum(sum(kinds.values()) for kinds in answer["faults"].values()) == len(faults)
    assert list((tmp_path / "files" / "telemetry").iterdir())


def _wait_until_it_answers(url: str, word: str) -> None:
    ends = time.monotonic() + 180
    while time.monotonic() < ends:
        try:
            if f">{word}<" in httpx.get(url, trust_env=False).text:
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.1)
    raise AssertionError(f"nothing at {url}")


def test_ctrl_c_ends_a_plant_whose_broker_is_gone(mosquitto: MosquittoProcess) -> None:
    """It says what did not arrive, and does not wait for ever."""
    arrived = threading.Event()
    listener = connect(
        mosquitto.settings,
        "listener",
        on_message=lambda *_: arrived.set(),
        on_connect=lambda client: client.subscribe("forewarn/telemetry/#", qos=1),
    )
    process = _start("--broker", f"127.0.0.1:{mosquitto.port}", "--machines", "2")
    assert arrived.wait(180)
    disconnect(listener)
    mosquitto.kill()
    time.sleep(2)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=240)
    assert process.returncode == 1
    assert "did not acknowledge" in out + err
    assert "Traceback" not in err


def test_a_written_history_can_be_imported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The command's files are what `forewarn import files` reads, nothing quarantined."""
    folder, workspace = tmp_path / "plant", str(tmp_path / "workspace")
    written = _answer(
        capsys, "simulate", "--live", "--write", folder, "--machines", "2", "--for", "2m",
        "--wearing-out", "cnc-002", "--within", "50s",
    )  # fmt: skip
    assert written["ended"] == "time is up"
    assert [failure["asset"] for failure in written["failures"]] == ["cnc-002"]
    files = {name: folder / f"{name}.csv" for name in ("assets", "failures")}
    imported = _answer(
        capsys, "import", "files", "--contract", "cnc_signals", "--telemetry", folder / "telemetry",
        "--assets", files["assets"], "--failures", files["failures"], "-w", workspace,
    )  # fmt: skip
    tables = imported["tables"]
    [telemetry] = [counts for name, counts in tables.items() if name.startswith("telemetry")]
    assert telemetry["accepted"] == (120 + 50) * 100
    assert tables["failures"]["accepted"] == 1
    assert all(table["quarantined"] == 0 for table in tables.values())


def _answer(capsys: pytest.CaptureFixture[str], *words: object) -> dict[str, Any]:
    with pytest.raises(SystemExit) as ended:
        main([*map(str, words), "--json"])
    captured = capsys.readouterr()
    assert ended.value.code == 0, captured.err
    answer: dict[str, Any] = json.loads(captured.out)
    return answer


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--for", "2m"), "Add --live"),
        (("--live", "--days", "3"), "--for says how long"),
        (("--live", "--over", "arow"), "Did you mean 'arrow'"),
        (("--live", "--over", "json", "--spool", "x"), "a spool without Arrow messages"),
        (("--live", "--speed", "5"), "Say how long"),
        (("--live", "--start", "soon"), "a start at 'soon'"),
        (("--live", "--start", "1999-01-01"), "a time from 2025-01-01"),
        (("--live", "--broker", "localhost"), "HOST:PORT"),
        (("--live", "--faults", "2"), "0 to 1"),
        (("--live", "--fault-kind", "los"), "Did you mean 'lost'"),
        (("--live", "--scalar-rate", "200"), "0 to 100"),
        (("--live", "--buffer-size", "0"), "at least 1"),
        (("--live", "--wearing-out", "cnc-999"), "no machine 'cnc-999'"),
        (("--live", "--for", "soon"), "soon"),
    ],
)
def test_wrong_usage_is_refused(capsys: pytest.CaptureFixture[str], words: tuple[str, ...], message: str) -> None:
    """Before anything is sent, with what to do."""
    with pytest.raises(SystemExit) as ended:
        main(["simulate", "--machines", "3", *words])
    assert ended.value.code in (1, 2)
    captured = capsys.readouterr()
    assert message in " ".join((captured.out + captured.err).split())


def test_faster_than_real_time_ends_at_present() -> None:
    """So that no reading lies in the future; in real time the plant begins at present."""
    begin = int(NOW.timestamp())
    assert LiveOptions(live=True).pace(NOW).since == begin
    assert LiveOptions(live=True).pace(NOW).until is None
    faster = LiveOptions(live=True, for_="1h", speed=60).pace(NOW)
    assert (faster.since, faster.until, faster.speed) == (begin - 3600, begin, 60)
    real = LiveOptions(live=True, for_="2m").pace(NOW)
    assert (real.since, real.until, real.speed) == (begin, begin + 120, 1.0)
    files = LiveOptions(live=True, for_="1d", write=Path("x")).pace(NOW)
    assert (files.until, files.speed) == (begin, 0.0)
    assert LiveOptions(live=True, start="2026-01-01", for_="5s").pace(NOW).since == 1_767_225_600


def test_durations_are_the_usual_ones() -> None:
    """And minutes may be written as m."""
    assert duration("2m") == duration("2min") == duration("120s") == pd.Timedelta(minutes=2)
    with pytest.raises(UsageError):
        duration("2 months")


def test_without_an_output_nothing_is_run() -> None:
    """A plant that nobody hears is a mistake."""
    with pytest.raises(UsageError, match="sends nothing"):
        check_settings(OutputSettings())


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the extra the error says how to install it."""
    monkeypatch.setattr("pipelines.fleet.live.outputs.find_spec", lambda _: None)
    with pytest.raises(ForewarnError, match=r"forewarn\[live\]"):
        check_settings(OutputSettings(over=("opcua",)))
