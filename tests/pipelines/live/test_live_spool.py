"""The spool: what was appended is pending, confirmed or reported as lost, whatever happens to the process."""

import errno
import os
import shutil
from collections.abc import Iterable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from data_contracts.errors import StorageError
from pipelines.live.edge import segment as segment_module
from pipelines.live.edge.record import DamagedRecordError, Record, pack, unpack
from pipelines.live.edge.segment import segment_files
from pipelines.live.edge.session_files import locked_folder
from pipelines.live.edge.spool import Lost, Spool, open_spool

ASSETS = ("cnc-001", "cnc-002", "Drehmaschine-ß")


@pytest.fixture(autouse=True)
def _no_fsync(monkeypatch: pytest.MonkeyPatch) -> None:
    """Do without: a killed process loses nothing that it has written, and a power cut is not tested here."""
    monkeypatch.setattr(os, "fsync", lambda _: None)


def _open(
    folder: Path, *, max_bytes: int = 1_000_000, segment_bytes: int = 400, lost: list[Lost] | None = None
) -> Spool:
    folder.mkdir(parents=True, exist_ok=True)
    reported = [] if lost is None else lost

    def on_lost(ranges: Iterable[Lost]) -> None:
        reported.extend(ranges)

    return open_spool(folder, max_bytes=max_bytes, segment_bytes=segment_bytes, on_lost=on_lost)


def _record(asset: str, epoch: int, sequence: int, size: int = 20) -> Record:
    payload = bytes((sequence + index) % 256 for index in range(size))
    return Record("plant-01", asset, epoch, sequence, sequence * 10, sequence * 10 + 9, payload)


def _pending(spool: Spool) -> dict[str, list[tuple[int, int]]]:
    """Read everything back from the disk; each payload must be what was appended."""
    content: dict[str, list[tuple[int, int]]] = {}
    for asset, lane in spool.lanes.items():
        for run in lane.runs:
            for index in range(run.done, len(run.offsets)):
                record = spool.read(run, index)
                assert record == _record(asset, record.epoch, record.sequence, len(record.payload))
                content.setdefault(asset, []).append((record.epoch, record.sequence))
    assert sum(map(len, content.values())) == spool.pending
    return content


def _crash(spool: Spool) -> None:
    """Leave the spool as a killed process does: nothing is synced or tidied."""
    if spool._handle >= 0:
        os.close(spool._handle)
    spool._handle = -1


@given(st.binary(max_size=60))
def test_arbitrary_bytes_are_no_record(data: bytes) -> None:
    """Reading damaged bytes gives one error and no other."""
    with pytest.raises(DamagedRecordError):
        unpack(data)


@given(st.integers(0, 122), st.integers(0, 7))
def test_a_changed_bit_is_noticed(place: int, bit: int) -> None:
    """The checksum covers the length, the names and the payload."""
    data = bytearray(pack(_record("cnc-001", 1_790_000_000_000_000, 5, size=64)))
    assert len(data) == 123
    data[place] ^= 1 << bit
    with pytest.raises(DamagedRecordError):
        unpack(bytes(data))


def test_a_tail_cut_at_any_byte_leaves_what_was_whole(tmp_path: Path) -> None:
    """A kill at any byte of a write costs that record and no other, and the spool goes on."""
    spool = _open(tmp_path / "spool", segment_bytes=10_000)
    ends = []
    for sequence in range(6):
        spool.append(_record("cnc-001", spool.epoch, sequence))
        ends.append(spool.size)
    epoch = spool.epoch
    _crash(spool)
    (_, path) = segment_files(tmp_path / "spool")[0]
    whole = path.read_bytes()
    for cut in range(len(whole) + 1):
        folder = tmp_path / "cut"
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(tmp_path / "spool", folder)
        (folder / path.name).write_bytes(whole[:cut])
        kept = sum(end <= cut for end in ends)
        again = _open(folder, segment_bytes=10_000)
        assert _pending(again) == ({"cnc-001": [(epoch, number) for number in range(kept)]} if kept else {})
        assert again.recovered.torn_bytes == cut - (ends[kept - 1] if kept else min(cut, 8))
        assert again.epoch > epoch
        again.append(_record("cnc-001", again.epoch, 0))
        assert _pending(again)["cnc-001"][-1] == (again.epoch, 0)
        again.close()


@given(st.data())
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_message_is_pending_confirmed_or_reported(tmp_path: Path, data: st.DataObject) -> None:
    """Under any appends, confirmations, crashes and a small disk: each message once, in order, within the bytes."""
    folder = tmp_path / "spool"
    shutil.rmtree(folder, ignore_errors=True)
    max_bytes = data.draw(st.sampled_from([900, 2_000, 100_000]))
    lost: list[Lost] = []
    spool = _open(folder, max_bytes=max_bytes, lost=lost)
    appended: dict[str, list[tuple[int, int]]] = {}
    confirmed: set[tuple[str, int, int]] = set()
    for _ in range(data.draw(st.integers(1, 40))):
        action = data.draw(st.sampled_from(["append", "append", "append", "confirm", "crash", "close"]))
        asset = data.draw(st.sampled_from(ASSETS))
        if action == "append":
            own = [number for epoch, number in appended.get(asset, []) if epoch == spool.epoch]
            message = (spool.epoch, len(own))
            spool.append(_record(asset, *message, size=data.draw(st.integers(0, 150))))
            appended.setdefault(asset, []).append(message)
        elif action == "confirm" and appended.get(asset):
            epoch, number = data.draw(st.sampled_from(appended[asset]))
            spool.confirm(asset, epoch, number)
            confirmed |= {(asset, *message) for message in appended[asset] if message <= (epoch, number)}
        elif action in ("crash", "close"):
            spool.close() if action == "close" else _crash(spool)
            spool = _open(folder, max_bytes=max_bytes, lost=lost)
            assert spool.recovered.torn_bytes == 0
        assert spool.size <= max_bytes
        assert spool.size == sum(path.stat().st_size for _, path in segment_files(folder))
    gone = {
        (each.asset, each.epoch, number) for each in lost for number in range(each.from_sequence, each.to_sequence + 1)
    }
    pending = _pending(spool)
    for asset, messages in appended.items():
        kept = pending.get(asset, [])
        assert kept == sorted(kept)
        assert set(kept) <= set(messages)
        missing = {(asset, *message) for message in messages if message not in kept}
        assert missing <= confirmed | gone
    assert all(each.first_time == each.from_sequence * 10 for each in lost)
    assert all(each.last_time == each.to_sequence * 10 + 9 for each in lost)
    spool.close()


def test_what_is_confirmed_leaves_the_disk_by_segments(tmp_path: Path) -> None:
    """Confirming everything leaves at most the segment that is written to; confirming nothing leaves all."""
    spool = _open(tmp_path)
    for sequence in range(50):
        spool.append(_record("cnc-001", spool.epoch, sequence))
        spool.append(_record("cnc-002", spool.epoch, sequence))
    before = len(segment_files(tmp_path))
    assert spool.confirm("cnc-001", spool.epoch, 49) == 50
    assert len(segment_files(tmp_path)) == before > 5
    assert spool.confirm("cnc-002", spool.epoch, 49) == 50
    assert len(segment_files(tmp_path)) == 1
    assert spool.pending == 0
    spool.close()


def test_a_confirmation_of_another_session_says_nothing(tmp_path: Path) -> None:
    """An epoch later than this session's is another edge's; an earlier one confirms nothing of this."""
    spool = _open(tmp_path)
    spool.append(_record("cnc-001", spool.epoch, 0))
    assert spool.confirm("cnc-001", spool.epoch + 1, 5) == 0
    assert spool.confirm("cnc-001", spool.epoch - 1, 5) == 0
    assert spool.confirm("cnc-009", spool.epoch, 5) == 0
    assert spool.pending == 1


def test_two_processes_do_not_share_a_spool(tmp_path: Path) -> None:
    """A second edge on the same folder is refused instead of mixing its messages in."""
    with (
        locked_folder(tmp_path),
        pytest.raises(StorageError, match="in use by another process"),
        locked_folder(tmp_path),
    ):
        pass
    with locked_folder(tmp_path):
        pass


def test_an_epoch_is_later_than_all_before_it_although_the_clock_went_back(tmp_path: Path) -> None:
    """A clock that is put back must not give a session the number of an earlier one."""
    options = {"max_bytes": 1000, "segment_bytes": 500, "on_lost": lambda _: None}
    epochs = []
    for now in (2_000_000, 1_000_000, 1_000_000):
        spool = open_spool(tmp_path, now=lambda now=now: now, **options)  # type: ignore[arg-type]
        epochs.append(spool.epoch)
        spool.close()
    assert epochs == [2000, 2001, 2002]


def test_a_refused_write_leaves_the_spool_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk takes half a record: that half is cut again, and the next record is whole."""
    spool = _open(tmp_path, segment_bytes=10_000)
    spool.append(_record("cnc-001", spool.epoch, 0))
    write = os.write

    def full(handle: int, data: bytes) -> int:
        if len(data) > 10:
            return write(handle, bytes(data)[:10])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(segment_module.os, "write", full)
    with pytest.raises(StorageError, match="No space left"):
        spool.append(_record("cnc-001", spool.epoch, 1, size=2))
    monkeypatch.undo()
    spool.append(_record("cnc-001", spool.epoch, 2))
    epoch = spool.epoch
    _crash(spool)
    again = _open(tmp_path)
    assert _pending(again) == {"cnc-001": [(epoch, 0), (epoch, 2)]}
    assert again.recovered.torn_bytes == 0


def test_a_message_larger_than_the_spool_is_refused(tmp_path: Path) -> None:
    """It would push everything else out and still not fit."""
    spool = _open(tmp_path, max_bytes=1000)
    spool.append(_record("cnc-001", spool.epoch, 0))
    with pytest.raises(StorageError, match="a message of"):
        spool.append(_record("cnc-001", spool.epoch, 1, size=2000))
    assert spool.pending == 1


def test_a_reported_loss_does_not_come_back(tmp_path: Path) -> None:
    """A crash between the report of a loss and the deletion of its segment must not send what was reported."""
    spool = _open(tmp_path)
    for sequence in range(4):
        spool.append(_record("cnc-001", spool.epoch, sequence))
    _crash(spool)
    again = open_spool(
        tmp_path, max_bytes=1000, segment_bytes=400, on_lost=lambda _: None, is_lost=lambda each: each.sequence < 2
    )
    assert [sequence for _, sequence in _pending(again)["cnc-001"]] == [2, 3]


def test_the_last_times_outlive_what_was_confirmed(tmp_path: Path) -> None:
    """Also of an asset whose messages left the disk long ago, and after a kill, which closes nothing."""
    spool = _open(tmp_path)
    for number in range(100):
        asset = "silent" if number < 50 else "steady"
        spool.append(_record(asset, spool.epoch, number))
        spool.confirm(asset, spool.epoch, number)
    times = {"silent": 499, "steady": 999}
    assert spool.last_times == times
    _crash(spool)
    assert _open(tmp_path).last_times == times
