"""Delivery that goes on: one channel's trouble is none of another's, and what is repaired goes out."""

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd
import pytest

from data_contracts.errors import UsageError
from data_contracts.records.outbox.event_kinds import ALARM_OPENED
from data_contracts.records.outbox.outbox import add_events, open_channel
from data_contracts.records.outbox.outbox_records import OutboxEvent
from data_contracts.records.records import open_records
from data_contracts.workspace import Workspace, init_workspace
from pipelines.connectors.follow_channels import follow_outbox
from pipelines.connectors.run_channels import OutboxRun
from pipelines.terminal.stop_signals import StopFlag
from tests.pipelines.connectors.webhook_receiver import Receiver, running_receiver

PATIENCE = 120.0


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with running_receiver() as receiver:
        yield receiver


def alarm(workspace: Workspace, number: int) -> None:
    now = pd.Timestamp.now("UTC").as_unit("us")
    with open_records(workspace.records_url).begin() as connection:
        add_events(connection, [OutboxEvent(f"e{number}", ALARM_OPENED, "m1", now, {"n": number})])


def await_true(condition: Callable[[], bool]) -> None:
    ends = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < ends
        time.sleep(0.02)


def test_a_channel_in_trouble_holds_up_no_other(
    tmp_path: Path, receiver: Receiver, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its problem is said once; repaired, it sends what waited for it; the summary counts what each did."""
    workspace, stopping, ran = init_workspace(tmp_path / "plant"), StopFlag(), list[OutboxRun]()
    with pytest.raises(UsageError, match="no file in"):
        follow_outbox(workspace, None, stopping=stopping)
    files = [workspace.root / "channels" / f"{name}.toml" for name in ("eam", "mes")]
    files[0].parent.mkdir()
    for file in files:
        file.write_text(f'[webhook]\nurl = "{receiver.url}"\n')
        open_channel(open_records(workspace.records_url), file.stem, pd.Timestamp.now("UTC").as_unit("us"))
    following = threading.Thread(target=lambda: ran.append(follow_outbox(workspace, None, stopping=stopping)))
    following.start()
    try:
        alarm(workspace, 1)
        await_true(lambda: len(receiver.taken) == 2)
        files[0].write_text("[webhook]\naddress = 1\n")
        alarm(workspace, 2)
        await_true(lambda: len(receiver.taken) == 3)
        said: list[str] = []

        def is_said() -> bool:
            said.append(capsys.readouterr().err)
            return "eam.toml" in "".join(said)

        await_true(is_said)
        alarm(workspace, 3)
        await_true(lambda: len(receiver.taken) == 4)
        files[0].write_text(f'[webhook]\nurl = "{receiver.url}"\n')
        await_true(lambda: len(receiver.taken) == 6)
    finally:
        stopping.asked = True
        following.join()
    assert ("".join(said) + capsys.readouterr().err).count("eam: ") == 1
    assert {each.channel: each.delivered for each in ran[0].channels} == {"eam": 3, "mes": 3}
