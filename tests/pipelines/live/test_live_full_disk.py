"""The disk of the workspace is full for a while: nothing is acknowledged meanwhile, and everything stored after."""

import errno
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

from data_contracts.streams.stream_gaps import read_gaps
from data_contracts.tables import tables
from pipelines.live.broker.start_broker import MosquittoProcess
from pipelines.live.edge.edge import Edge, open_edge
from pipelines.live.edge.edge_settings import SendingSettings, SpoolSettings
from tests.live_presses import PRESS, ROWS, configure_listener, press_rows, press_workspace, start_listener

pytestmark = pytest.mark.verify
ASSETS = ("press-1", "press-2", "press-3")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Mount a disk of 32 MB, in memory, or skip."""
    folder, mount, umount = tmp_path / "disk", shutil.which("mount"), shutil.which("umount")
    folder.mkdir()
    if mount is None or umount is None:
        pytest.skip("mount is not installed")
    words = [mount, "-t", "tmpfs", "-o", "size=32m", "forewarn-test", str(folder)]
    mounted = subprocess.run(words, check=False, capture_output=True, text=True)
    if mounted.returncode:
        pytest.skip(f"no disk can be mounted: {mounted.stderr.strip()}")
    yield folder
    subprocess.run([umount, "--lazy", str(folder)], check=True)


def _fill(file: Path) -> None:
    """Write until nothing is left, to the last byte."""
    with file.open("wb", buffering=0) as stream:
        for size in (1_000_000, 4096, 1):
            try:
                while True:
                    stream.write(bytes(size))
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise


def _put(edge: Edge, first: int, last: int) -> None:
    for number in range(first, last):
        for asset in ASSETS:
            edge.put(asset, "press", press_rows(number), plant="p1")
        time.sleep(0.05)


def test_a_full_disk_costs_nothing(tmp_path: Path, small_disk: Path, mosquitto: MosquittoProcess) -> None:
    """The listener lives on, confirms nothing that it cannot store, and goes on as soon as there is room."""
    workspace = press_workspace(small_disk / "ws")
    configure_listener(workspace, mosquitto)
    listener = start_listener(workspace)
    sending = SendingSettings(confirmed_within=pd.Timedelta("2s"))
    try:
        with open_edge(
            mosquitto.settings, SpoolSettings(folder=tmp_path / "spool"), client_id="edge", sending=sending
        ) as edge:
            _put(edge, 0, 20)
            assert edge.wait_until_confirmed(180)
            _fill(small_disk / "filler")
            _put(edge, 20, 80)
            time.sleep(3)
            counts = edge.counts()
            assert listener.poll() is None
            assert counts.confirmed < len(ASSETS) * 40
            (small_disk / "filler").unlink()
            _put(edge, 80, 100)
            assert edge.wait_until_confirmed(180)
    finally:
        listener.send_signal(signal.SIGTERM)
        ended = listener.wait(180)
    assert ended == 0
    rows = tables.read(workspace, PRESS.table)
    assert not rows.duplicated(["asset", "event_time"]).any()
    assert rows.groupby("asset").size().to_dict() == dict.fromkeys(ASSETS, 100 * ROWS)
    assert set(read_gaps(workspace)["kind"]) == {"start"}
