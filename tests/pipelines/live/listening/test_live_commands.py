"""Commands go out to machines until they are answered, over a real broker and through a kill of the listener."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from data_contracts.contract.contract_types import Column
from data_contracts.contract.registered import register
from data_contracts.records.records import open_records
from data_contracts.tables import tables
from data_contracts.twin_state.command_states import OPEN
from data_contracts.twin_state.commands import latest_commands, switch_commands
from data_contracts.twin_state.log import read_log
from data_contracts.twin_state.transitions import Change, write
from data_contracts.twin_state.twins import find_twin
from data_contracts.workspace import Workspace
from pipelines.fleet.live.machines.live_plant import ASSET_TYPE, make_live_plant
from pipelines.fleet.live.mqtt.commanded_machines import CommandedMachines
from pipelines.live.broker.connection import connect, disconnect
from pipelines.live.broker.start_broker import MosquittoProcess
from pipelines.live.listening.listen import listen
from pipelines.live.listening.listen_summary import ListenSummary
from pipelines.live.payloads.commands import CommandAnswer, decode_command, encode_answer
from pipelines.settings.sections import LiveSettings
from tests.live_ingester import wait_for as wait_for_it
from tests.live_presses import PRESS, configure_listener, press_workspace

LIMIT, LIMITED = "pressure_limit", "spindle_speed_limit"
wait_for = partial(wait_for_it, patience_s=120)
KILLED = """
import os, signal, time
import pipelines.live.southbound.command_publisher as publisher
from pipelines.cli import main
# The client's own thread puts it on the wire meanwhile.
publisher.note_published = lambda *_: (time.sleep(2), os.kill(os.getpid(), signal.SIGKILL))
main(["listen", "-w", {root!r}, "--no-follow"])
"""


class Press:
    """A machine that hears commands and says what the test wants."""

    def __init__(self, broker: MosquittoProcess) -> None:
        self.heard: list[tuple[dict[str, Any], Any]] = []  # with the properties of MQTT 5
        self._client = connect(broker.settings, "m1", on_message=self._hear)
        subscribed = threading.Event()
        self._client.on_subscribe = lambda *_: subscribed.set()
        self._client.on_connect = lambda client, *_: client.subscribe("forewarn/commands/m1", 1)  # the next time
        self._client.subscribe("forewarn/commands/m1", 1)
        assert subscribed.wait(30)

    def say(self, payload: bytes, topic: str = "forewarn/acknowledgements/m1", **options: Any) -> None:
        self._client.publish(topic, payload, **{"qos": 1, **options}).wait_for_publish(30)

    def answer(self, number: int = 0, *, accepted: bool = True, reason: str | None = None, **options: Any) -> None:
        self.say(encode_answer(CommandAnswer(self.heard[number][0]["id"], accepted, reason)), **options)

    def close(self) -> None:
        disconnect(self._client)

    def _hear(self, _: Any, message: Any) -> None:
        self.heard.append((json.loads(message.payload), message.properties))


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    made = press_workspace(tmp_path / "ws")
    settable = Column(LIMIT, "number", unit="bar", minimum=0.0, maximum=300.0), Column("strokes", "integer")
    register(made.contracts, replace(PRESS, version="2", settable=settable), now=pd.Timestamp("2026-01-02", tz="UTC"))
    add_asset(made, "m1", "press")
    switch_commands(open_records(made.records_url), on=True, now=now())
    return made


@pytest.fixture
def press(mosquitto: MosquittoProcess) -> Iterator[Press]:
    made = Press(mosquitto)
    yield made
    made.close()


@pytest.fixture
def settings(mosquitto: MosquittoProcess) -> LiveSettings:
    return LiveSettings(
        broker_port=mosquitto.port,
        metrics_port=0,
        commands=True,
        command_repeat=pd.Timedelta("10min"),
        hourly_report=False,
    )


def now() -> pd.Timestamp:
    return pd.Timestamp.now("UTC").as_unit("us")


def add_asset(workspace: Workspace, asset: str, asset_type: str) -> None:
    known = {"event_time": now() - pd.Timedelta("1D"), "known_time": now() - pd.Timedelta("1D")}
    described = {"asset": asset, "asset_type": asset_type, "model": "m", "plant": "p1", "line": "l1"}
    tables.append(workspace, "assets", pd.DataFrame([known | described]), asset)


def command(workspace: Workspace, value: float | None, name: str = LIMIT, *, asset: str = "m1", **options: Any) -> None:
    at, source = options.pop("at", now()), "manual_override" if name == "force" else "command"
    ends = None if value is None else at + pd.Timedelta(options.pop("within", "10min"))
    records, twin = open_records(workspace.records_url), find_twin(workspace, asset)
    written = write(records, twin, [Change(name, value, ends)], actor="ada", reason="why", now=at, source=source)
    assert written.accepted, written


def states(workspace: Workspace, asset: str = "m1") -> dict[str, str]:
    commands = latest_commands(open_records(workspace.records_url), asset, now())
    return {each.property: each.state for each in commands}


@contextmanager
def listening(workspace: Workspace, settings: LiveSettings) -> Iterator[list[ListenSummary]]:
    """Listen in a thread during the block; what it did is in the list once it has ended."""
    stopping, done, errors = threading.Event(), list[ListenSummary](), list[BaseException]()

    def run() -> None:
        try:
            done.append(listen(workspace, settings, stopping=stopping, environ={}))
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield done
    finally:
        stopping.set()
        thread.join(60)
        assert not errors, errors


def test_a_command_and_its_answer(workspace: Workspace, settings: LiveSettings, press: Press) -> None:
    """An override, its end and a set-point reach the machine with all they say; each answer counts once."""
    with listening(workspace, settings) as done:
        command(workspace, 5.0, "force")
        wait_for(lambda: len(press.heard) == 1)
        first, properties = press.heard[0]
        assert (first["command"], first["property"], first["value"], first["revision"]) == ("override", "force", 5.0, 1)
        assert properties.CorrelationData.decode() == first["id"]
        assert properties.ResponseTopic == "forewarn/acknowledgements/m1"
        assert 0 < properties.MessageExpiryInterval <= 600
        wait_for(lambda: states(workspace) == {"force": "sent"})
        press.answer(0, reason=None, qos=0)
        press.answer(0, accepted=False, reason="a second thought")
        press.say(b"\xff not JSON")
        press.say(b'{"id": "never given", "accepted": true}')
        press.say(json.dumps({"id": first["id"], "accepted": True}).encode(), "forewarn/acknowledgements/m2")
        command(workspace, None, "force")
        command(workspace, 120.0)
        wait_for(lambda: len(press.heard) == 3)
        assert [(each["command"], each["value"], each["unit"]) for each, _ in press.heard[1:]] == [
            ("release", None, None),
            ("set_point", 120.0, "bar"),
        ]
        press.answer(2, accepted=False, reason="the guard is open")
        press.answer(1)
        wait_for(lambda: not set(states(workspace).values()) & set(OPEN))
    assert states(workspace) == {"force": "acknowledged", LIMIT: "refused"}
    (summary,) = done
    assert summary.commands is not None
    counted = {"published": 3, "acknowledged": 2, "refused": 1, "repeated": 1, "unreadable": 1, "unknown": 2}
    assert summary.commands.counts == counted
    assert [words for words in summary.commands.strange if "never given" in words or "m2 answered" in words]
    log = read_log(open_records(workspace.records_url), "m1")
    assert [(entry.kind, entry.reason) for entry in log if entry.source == "command"][:3] == [
        ("acknowledged", None),
        ("refused", "the guard is open"),
        ("set_point", "why"),
    ]


def test_a_listener_that_is_killed_between_publishing_and_noting_it(
    workspace: Workspace, mosquitto: MosquittoProcess, press: Press, settings: LiveSettings
) -> None:
    """The next one publishes the same command once more; the machine's two answers are one entry."""
    configure_listener(workspace, mosquitto)
    (workspace.root / "forewarn.toml").open("a").write("commands = true\n")
    command(workspace, 120.0)
    code = KILLED.format(root=str(workspace.root))
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[4])}
    subprocess.run([sys.executable, "-c", code], env=environment, timeout=300, check=False, capture_output=True)
    assert states(workspace) == {LIMIT: "pending"}
    with listening(workspace, replace(settings, command_repeat=pd.Timedelta("100ms"))) as done:
        wait_for(lambda: len(press.heard) >= 2)  # before the kill, and again
        press.answer(0)
        wait_for(lambda: states(workspace) == {LIMIT: "acknowledged"})
        command(workspace, 130.0)
        wait_for(lambda: len(press.heard) >= 4)  # nobody answers: it is sent again
        press.answer(-1)
        press.answer(-1)
        wait_for(lambda: states(workspace) == {LIMIT: "acknowledged"})
    for value in (120.0, 130.0):
        assert len({heard["id"] for heard, _ in press.heard if heard["value"] == value}) == 1
    assert done[0].exit_status == 0
    answers = [entry for entry in read_log(open_records(workspace.records_url), "m1") if entry.kind == "acknowledged"]
    assert len(answers) == 2


def test_what_has_expired_is_never_published(workspace: Workspace, settings: LiveSettings, press: Press) -> None:
    """Nor is what was replaced; what no topic or payload can carry is named, and holds up nobody."""
    add_asset(workspace, "line/7", "press")
    command(workspace, 1.0, at=now() - pd.Timedelta("1h"))
    command(workspace, 2.0, "force")
    command(workspace, 3.0, "force")
    command(workspace, 4.0, asset="line/7")
    command(workspace, 2**70, "strokes")
    with listening(workspace, settings) as done:
        wait_for(lambda: states(workspace)["force"] == "sent")
        wait_for(lambda: len(press.heard) == 1)
        press.answer()
        wait_for(lambda: states(workspace)["force"] == "acknowledged")
    assert [heard["value"] for heard, _ in press.heard] == [3.0]
    assert states(workspace)[LIMIT] == "expired"
    assert states(workspace, "line/7") == {LIMIT: "pending"}
    assert done[0].commands is not None
    assert sorted(words.partition(" (")[0] for words in done[0].commands.strange) == [
        "line/7: the command about pressure_limit cannot be sent",
        "m1: the command about strokes cannot be sent",
    ]


def test_what_expires_while_the_broker_is_away_is_never_published(
    workspace: Workspace, settings: LiveSettings, mosquitto: MosquittoProcess, press: Press
) -> None:
    """What has not expired is published when it is back, also if it was on its way when the broker was killed."""
    with listening(workspace, replace(settings, command_repeat=pd.Timedelta("1s"), command_repeats=30)) as done:
        command(workspace, 5.0, "force")
        wait_for(lambda: len(press.heard) == 1)
        mosquitto.kill()
        command(workspace, 120.0, within="1s")
        wait_for(lambda: states(workspace)[LIMIT] == "expired")
        command(workspace, 6.0, "force")
        mosquitto.start()
        wait_for(lambda: any(heard["value"] == 6.0 for heard, _ in press.heard))
        press.answer(-1)
        wait_for(lambda: states(workspace)["force"] == "acknowledged")
    assert {heard["value"] for heard, _ in press.heard} == {5.0, 6.0}
    assert done[0].connections > 1


def test_the_simulated_plant_answers(workspace: Workspace, settings: LiveSettings, mosquitto: MosquittoProcess) -> None:
    """It takes what its interface lets be written, and each command once."""
    plant = make_live_plant(7, 2)
    for asset in plant.assets:
        add_asset(workspace, asset, ASSET_TYPE)
    machines = CommandedMachines.start(plant, mosquitto.settings)
    try:
        with listening(workspace, settings):
            command(workspace, 4000.0, "spindle_speed_limit", asset="cnc-002")
            wait_for(lambda: states(workspace, "cnc-002") == {"spindle_speed_limit": "acknowledged"})
    finally:
        machines.close()
    assert machines.machines["cnc-002"].settings == {"spindle_speed_limit": 4000.0}
    assert machines.machines["cnc-001"].settings == {}


def test_a_machine_carries_a_command_out_once() -> None:
    """The same answer to the same command; what is late, out of range, of no such property or overtaken is refused."""
    machine = CommandedMachines(make_live_plant(7, 1), lambda: 0).machines["cnc-001"]

    def answer_to(
        value: Any, number: int, name: str = "spindle_speed_limit", kind: str = "set_point", ends: int = 9
    ) -> Any:
        fields = {"id": f"c{number}", "command": kind, "property": name, "value": value, "number": number}
        return machine.answer(decode_command(json.dumps(fields | {"expires_at": ends}).encode()), 5)

    assert answer_to(4000.0, 2).accepted
    assert answer_to(9.0, 2).accepted  # the same identifier
    assert machine.settings == {"spindle_speed_limit": 4000.0}
    assert "later command" in answer_to(3000.0, 1).reason
    assert "takes 0 to 30000 rpm" in answer_to(40_000, 3).reason
    assert "takes a number" in answer_to("fast", 4).reason
    assert "expired" in answer_to(1.0, 5, ends=5).reason
    assert "nothing to set" in answer_to(1.0, 6, "lamp").reason
    assert answer_to(60.0, 7, "bearing_temperature", "override").accepted
    assert machine.overridden == {"bearing_temperature": 60.0}
    assert answer_to(None, 8, "bearing_temperature", "release").accepted
    assert machine.overridden == {}
    assert machine.settings == {"spindle_speed_limit": 4000.0}
