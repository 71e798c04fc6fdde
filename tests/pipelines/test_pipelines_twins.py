"""The commands about twins: show, override, release, roll back, and what was rejected."""

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from data_contracts.contract.contract import telemetry_contract
from data_contracts.contract.file_layout import FileLayout
from data_contracts.contract.registered import register
from data_contracts.records.records import open_records
from data_contracts.tables import tables
from data_contracts.twin_state.commands import record_answer, switch_commands
from data_contracts.workspace import Workspace, init_workspace
from pipelines.cli import app

HEAT, ASSET = "bearing_temperature", "cnc-01"
Run = Any


@pytest.fixture
def machines(tmp_path: Path) -> Workspace:
    """Return a workspace with one machine and a reading of two hours ago."""
    made = init_workspace(tmp_path / "ws")
    past = pd.Timestamp.now("UTC").as_unit("us") - pd.Timedelta("2h")
    known = {"asset": ASSET, "event_time": past, "known_time": past}
    described = {"asset_type": "cnc_machine", "model": "m", "plant": "plant-01", "line": "line-1"}
    tables.append(made, "assets", pd.DataFrame([known | described]), "assets")
    tables.append(made, "telemetry/cnc_machine", pd.DataFrame([known | {"source": "physical", HEAT: 150.0}]), "rows")
    return made


@pytest.fixture
def run(machines: Workspace, capsys: pytest.CaptureFixture[str]) -> Run:
    """Return a function that runs `forewarn twins` and returns its exit status and JSON, or its text."""

    def command(*words: str, text: bool = False) -> tuple[int, Any]:
        with pytest.raises(SystemExit) as exited:
            app.main(["twins", *words, "-w", str(machines.root), *([] if text else ["--json"])])
        printed = capsys.readouterr()
        return int(exited.value.code or 0), printed.out if text else json.loads(printed.out)

    return command


def override(run: Run, *words: str, change: str = f"{HEAT}=60", text: bool = False) -> tuple[int, Any]:
    ends = () if "--until" in words else ("--expires-in", "8h")
    return run("override", ASSET, change, "--reason", "the sensor hangs", *ends, *words, text=text)


def test_an_override_from_beginning_to_end(run: Run) -> None:
    """Foreseen, made, shown with what it covers, ended early, rolled back; the log has all of it."""
    status, foreseen = override(run, "--dry-run")
    assert (status, foreseen["dry_run"], foreseen["revision"]) == (0, True, 1)
    assert (foreseen["changes"][0]["before"]["value"], foreseen["changes"][0]["after"]["value"]) == (150.0, 60.0)
    assert run("log", ASSET)[1]["entries"] == []
    status, made = override(run, "--actor", "ada", "--if-revision", "0")
    assert (status, made["accepted"], made["revision"]) == (0, True, 1)
    shown = run("show", ASSET)[1]
    heat = shown["properties"][HEAT]
    assert (heat["current"]["actor"], heat["covered"][0]["value"], heat["unit"]) == ("ada", 150.0, "degC")
    status, ended = run("release", ASSET, HEAT, "--reason", "sensor replaced")
    assert (status, ended["changes"][0]["after"]["source"]) == (0, "physical")
    status, back = run("rollback", ASSET, "--to", "1", "--reason", "not replaced")
    assert (status, back["revision"], back["changes"][0]["after"]["value"]) == (0, 3, 60.0)
    kinds = [entry["kind"] for entry in run("log", ASSET)[1]["entries"]]
    assert kinds == ["roll_back", "release", "override"]
    assert run("list")[1]["twins"] == [
        {"asset": ASSET, "asset_type": "cnc_machine", "plant": "plant-01", "line": "line-1", "revision": 3}
    ]
    hour_ago = (pd.Timestamp.now("UTC") - pd.Timedelta("1h")).isoformat()
    assert run("show", ASSET, "--as-of", hour_ago)[1]["revision"] == 0


def test_people_read_what_happened(run: Run) -> None:
    """The tables name the values, who overrode what and why; a rejected attempt says which rule it broke."""
    status, text = override(run, "--actor", "ada", text=True)
    assert status == 0
    assert "150 (physical)" in text
    assert "is at revision 1" in text
    status, text = override(run, "--dry-run", change=f"{HEAT}=61", text=True)
    assert "would be at revision 2. Nothing was stored" in " ".join(text.split())
    status, text = override(run, change=f"{HEAT}=500", text=True)
    assert status == 1
    assert "stays at revision 1" in text
    assert "overridden by ada, revision 1" in " ".join(run("show", ASSET, text=True)[1].split())
    assert "-20 to 200 degC" in " ".join(run("log", ASSET, "--rejected", text=True)[1].split())
    assert "Nobody has written" not in run("log", ASSET, text=True)[1]
    assert "cnc-01" in run("list", text=True)[1]


def test_an_asset_that_counts_cycles_is_shown_at_its_latest(machines: Workspace, run: Run) -> None:
    """However long ago the time is that the cycle stands for."""
    layout = FileLayout(time_format="cycle", cycle="1h", start="2000-01-01T00:00Z")
    engines = replace(telemetry_contract("cnc_machine"), name="engines", asset_type="engine", clock="cycle")
    now = pd.Timestamp.now("UTC").as_unit("us")
    register(machines.contracts, replace(engines, file_layout=layout), now=now)
    at = dict.fromkeys(("event_time", "known_time"), pd.Timestamp("2000-01-02T06:00Z").as_unit("us"))
    telemetry = pd.DataFrame([{"asset": "e1", "source": "physical", HEAT: 70.0, "coolant_flow": math.nan} | at])
    tables.append(machines, "telemetry/engine", telemetry, "cycles")
    record = {"asset": "e1", "event_time": now, "known_time": now, "asset_type": "engine", "model": "m", "plant": "p"}
    tables.append(machines, "assets", pd.DataFrame([record | {"line": "line-1"}]), "engine")
    status, shown = run("show", "e1")
    assert (status, shown["clock"]) == (0, "cycle")
    assert (shown["properties"][HEAT]["current"]["value"], shown["properties"][HEAT]["current"]["cycle"]) == (70.0, 30)
    text = run("show", "e1", text=True)[1]
    assert "cycle 30" in text
    assert "no reading since cycle -1,410" in text
    assert "clock" not in run("show", ASSET)[1]


def test_a_rejected_override_is_exit_1(run: Run) -> None:
    """It says why, changes nothing, and is in the log."""
    status, answer = override(run, change=f"{HEAT}=500")
    assert (status, answer["accepted"], answer["revision"]) == (1, False, 0)
    assert "expected -20 to 200 degC" in answer["changes"][0]["rejection"]
    assert answer["changes"][0]["after"]["value"] == 150.0
    entries = run("log", ASSET, "--rejected")[1]["entries"]
    assert [entry["rejection"] for entry in entries] == [answer["changes"][0]["rejection"]]


@pytest.mark.parametrize(
    ("words", "status", "found"),
    [
        (("show", "cnc-1"), 1, "unknown asset 'cnc-1'"),
        (("show", ASSET, "--as-of", "2999-01-01"), 2, "the future time"),
        (("override", ASSET, f"{HEAT}=60", "--reason", "x"), 2, "no end of the override"),
        (("override", ASSET, HEAT, "--reason", "x", "--expires-in", "8h"), 2, f"the change '{HEAT}'"),
        (("override", ASSET, "a=1", "--reason", "x", "--expires-in", "8h", "--if-revision", "4"), 1, "revision 4"),
        (("rollback", ASSET, "--to", "4", "--reason", "x"), 2, "revision 4"),
        (("log", ASSET, "--limit", "0"), 2, "a limit of 0"),
    ],
)
def test_what_cannot_be_done_is_said(run: Run, words: tuple[str, ...], status: int, found: str) -> None:
    """A clear error each, with exit 1 for no and 2 for wrong usage."""
    exit_status, answer = run(*words)
    assert exit_status == status, answer
    assert found in answer["found"]


def test_a_commanded_set_point(machines: Workspace, run: Run) -> None:
    """Refused where nothing is writable or nobody publishes; then shown until the machine has answered."""
    past = pd.Timestamp.now("UTC").as_unit("us") - pd.Timedelta("2h")
    known = {"asset": "cnc-s1", "event_time": past, "known_time": past}
    described = {"asset_type": "cnc_signals", "model": "m", "plant": "plant-01", "line": "line-1"}
    tables.append(machines, "assets", pd.DataFrame([known | described]), "signals")
    records, change = open_records(machines.records_url), ("spindle_speed_limit=4000", "--reason", "noise")
    status, answer = run("set", "cnc-s1", *change)
    assert (status, answer["accepted"]) == (1, False)
    assert "no listener publishes any" in answer["changes"][0]["rejection"]
    switch_commands(records, on=True, now=past)
    assert "not writable" in run("set", ASSET, *change)[1]["changes"][0]["rejection"]
    status, answer = run("set", "cnc-s1", *change, "--within", "5min")
    assert (status, answer["changes"][0]["kind"], answer["changes"][0]["after"]["value"]) == (0, "set_point", 4000.0)
    (shown,) = run("show", "cnc-s1")[1]["commands"]
    assert (shown["state"], shown["attempts"], shown["unit"]) == ("pending", 0, "rpm")
    assert "set-point 4000 rpm" in " ".join(run("show", "cnc-s1", text=True)[1].split())
    now = pd.Timestamp.now("UTC").as_unit("us")
    record_answer(records, "cnc-s1", shown["command_id"], accepted=False, words="the door is open", now=now)
    text = " ".join(run("show", "cnc-s1", text=True)[1].split())
    assert "refused (the door is open)" in text
    text = " ".join(run("log", "cnc-s1", text=True)[1].split())
    assert "by cnc-s1: refuses entry 2: spindle_speed_limit = 4000" in text
