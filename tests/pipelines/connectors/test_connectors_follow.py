"""Delivery that goes on: one channel's trouble is none of another's, and what is repaired goes out."""

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from data_contracts.errors import UsageError
from data_contracts.records.answer_records import AlarmTerms, add_predictions
from data_contracts.records.outbox.outbox import open_channel
from data_contracts.records.records import Prediction, open_records
from data_contracts.workspace import Workspace, init_workspace
from pipelines.connectors import follow_channels, run_channels
from pipelines.connectors.follow_channels import follow_outbox
from pipelines.connectors.run_channels import OutboxRun
from pipelines.terminal.stop_signals import StopFlag
from tests.pipelines.connectors.webhook_receiver import Receiver, running_receiver

PATIENCE = 120.0
TERMS = AlarmTerms(gap=pd.Timedelta(hours=6), claim=pd.Timedelta(hours=76))


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with running_receiver() as receiver:
        yield receiver


def alarm(workspace: Workspace, number: int) -> None:
    now = pd.Timestamp.now("UTC").as_unit("us")
    numbers = (259200.0, 14400.0, 0.7, None, 0.5, True)
    alert = Prediction(f"p{number}", f"m{number}", now, now, *numbers, "cnc", 1, "batch")
    add_predictions(open_records(workspace.records_url), [alert], announce=TERMS)


def write(file: Path, text: str) -> None:
    """Replace a file at once: who reads it meanwhile must not find half of it."""
    new = file.with_suffix(".new")
    new.write_text(text)
    new.replace(file)


def await_true(condition: Callable[[], bool]) -> None:
    ends = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < ends
        time.sleep(0.02)


def test_a_channel_in_trouble_holds_up_no_other(
    tmp_path: Path, receiver: Receiver, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its problem is said once; repaired, it sends what waited for it; the summary counts what each did."""
    workspace, stopping, ran = init_workspace(tmp_path / "plant"), StopFlag(), list[OutboxRun]()
    with pytest.raises(UsageError, match="no file in"):
        follow_outbox(workspace, None, stopping=stopping)
    files = [workspace.root / "channels" / f"{name}.toml" for name in ("eam", "mes")]
    files[0].parent.mkdir()
    files[0].write_text(f'[webhook]\nurl = "{receiver.url}"\n')
    files[1].write_text('[message]\nurls_file = "urls"\ndigest = "0s"\n')
    (workspace.root / "urls").write_text(f"json://127.0.0.1:{receiver.port}/\n")
    monkeypatch.setenv("FOREWARN_LINK_ENDPOINT", "https://plant.example")
    for file in files:
        open_channel(open_records(workspace.records_url), file.stem, pd.Timestamp.now("UTC").as_unit("us"))
    following = threading.Thread(target=lambda: ran.append(follow_outbox(workspace, None, stopping=stopping)))
    following.start()
    try:
        alarm(workspace, 1)
        await_true(lambda: len(receiver.taken) == 2)
        write(files[0], "[webhook]\naddress = 1\n")
        alarm(workspace, 2)
        await_true(lambda: len(receiver.taken) == 3)
        said: list[str] = []

        def is_said() -> bool:
            said.append(capsys.readouterr().err)
            return "eam.toml" in "".join(said)

        await_true(is_said)
        alarm(workspace, 3)
        await_true(lambda: len(receiver.taken) == 4)
        write(files[0], f'[webhook]\nurl = "{receiver.url}"\n')
        await_true(lambda: len(receiver.taken) == 6)
    finally:
        stopping.asked = True
        following.join()
    assert ("".join(said) + capsys.readouterr().err).count("eam: ") == 1
    assert {each.channel: each.delivered for each in ran[0].channels} == {"eam": 3, "mes": 3}
    messages = [each.event["message"] for each in receiver.taken if "message" in each.event]
    assert [message.splitlines()[1] for message in messages] == [
        f"https://plant.example/ui/machines/m{number}" for number in (1, 2, 3)
    ]


def noted(function: Callable[..., Any], calls: list[object]) -> Callable[..., Any]:
    """Return the function as it is, but for a list of its calls."""

    def call(*arguments: Any) -> Any:
        calls.append(arguments)
        return function(*arguments)

    return call


def test_what_quiet_hours_hold_is_looked_at_again_when_something_happens(
    tmp_path: Path, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not in every round: with an event of any kind, once its channel's file is another, or when they end."""
    workspace, stopping, now = init_workspace(tmp_path / "plant"), StopFlag(), pd.Timestamp.now("UTC").as_unit("us")
    rounds, openings = list[object](), list[object]()
    monkeypatch.setattr(follow_channels, "_LOOK_EVERY_S", 0.02)
    monkeypatch.setattr(follow_channels, "read_channel", noted(follow_channels.read_channel, rounds))
    monkeypatch.setattr(run_channels, "open_people", noted(run_channels.open_people, openings))
    file = workspace.root / "channels" / "shift.toml"
    file.parent.mkdir()
    hours = "-".join(f"{now + pd.Timedelta(hours=hours):%H:%M}" for hours in (-1, 9))
    file.write_text(f'[message]\nurls_file = "urls"\ndigest = "0s"\nquiet = "{hours}"\n')
    (workspace.root / "urls").write_text(f"json://127.0.0.1:{receiver.port}/\n")
    open_channel(open_records(workspace.records_url), "shift", now)
    alarm(workspace, 1)
    following = threading.Thread(target=lambda: follow_outbox(workspace, None, stopping=stopping))
    following.start()

    def await_rounds(count: int) -> None:
        until = len(rounds) + count
        await_true(lambda: len(rounds) >= until)

    try:
        await_rounds(65)
        assert len(openings) == 1, "nor in a minute's round"
        alarm(workspace, 2)
        await_true(lambda: len(openings) == 2)
        await_rounds(5)
        assert (len(openings), receiver.taken) == (2, [])
        write(file, '[message]\nurls_file = "urls"\ndigest = "0s"\n')
        await_true(lambda: len(receiver.taken) == 1)
    finally:
        stopping.asked = True
        following.join()
    assert receiver.taken[0].event["title"] == "2 alarms"
