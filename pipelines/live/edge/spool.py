"""The edge's messages on disk until the ingester has confirmed them: append-only segment files of bounded size."""

import os
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from data_contracts.errors import StorageError
from pipelines.live.edge.lane import Lane
from pipelines.live.edge.record import MAGIC, MAX_BODY, DamagedRecordError, Record, pack
from pipelines.live.edge.recovery import Recovery, recover
from pipelines.live.edge.segment import Run, Segment, append_bytes, create_segment, read_record
from pipelines.live.edge.session_files import (
    cannot_open,
    next_epoch,
    read_last_times,
    sync_folder,
    write_last_times,
)


@dataclass(frozen=True)
class Lost:
    """Consecutive messages of an asset that the edge no longer has although nobody confirmed them."""

    plant: str
    asset: str
    epoch: int
    from_sequence: int
    to_sequence: int
    first_time: int | None
    last_time: int | None
    detail: str


OnLost = Callable[[Iterable[Lost]], None]


@dataclass(eq=False)
class Spool:
    """An open spool; whoever uses it from several threads locks it.

    Where the bytes would exceed `max_bytes` the oldest segment goes: `on_lost` hears of it before the file is deleted.
    """

    folder: Path
    max_bytes: int
    segment_bytes: int
    on_lost: OnLost
    recovered: Recovery
    epoch: int
    lanes: dict[str, Lane] = field(default_factory=dict)
    segments: dict[int, Segment] = field(default_factory=dict)
    last_times: dict[str, int] = field(default_factory=dict)  # by asset, the event time of the last row ever kept
    size: int = 0  # bytes of all segments
    dropped: int = 0  # messages
    number: int = 0  # of the last segment
    _active: Segment | None = None
    _handle: int = -1

    @property
    def pending(self) -> int:
        """How many messages are not confirmed."""
        return sum(lane.pending for lane in self.lanes.values())

    def append(self, record: Record) -> None:
        """Keep a message; StorageError if the disk refuses it, which leaves the spool as it was."""
        data = pack(record)
        if len(data) + len(MAGIC) > min(self.max_bytes, MAX_BODY):
            raise StorageError(
                f"a message of {len(data):,} bytes", f"at most {min(self.max_bytes, MAX_BODY):,}", "Enlarge the spool"
            )
        self._make_room(len(data))
        try:
            segment = self._writable(len(data))
            append_bytes(self._handle, data, segment.size)
        except OSError as error:
            raise StorageError(
                f"{self.folder} cannot be written ({error.strerror})", "a disk with room", "Make room on it"
            ) from error
        self.lanes.setdefault(record.asset, Lane()).index(segment, record, segment.size)
        segment.size += len(data)
        self.size += len(data)
        self.last_times[record.asset] = record.last_time

    def read(self, run: Run, index: int) -> Record:
        """Read a message; DamagedRecordError if the disk does not give it back as it was written."""
        record = read_record(run, index)
        if (record.epoch, record.sequence) != (run.epoch, run.first + index):
            raise DamagedRecordError
        return record

    def confirm(self, asset: str, epoch: int, sequence: int) -> int:
        """Forget an asset's messages up to one; return how many those were."""
        lane = self.lanes.get(asset)
        if lane is None or epoch > self.epoch:  # another edge's session says nothing of this one's messages
            return 0
        forgotten, finished = lane.confirm(epoch, sequence)
        for run in finished:
            self._finish(run)
        return forgotten

    def skip(self, lost: Lost) -> None:
        """Report a message that cannot be sent, and pass it over."""
        self.on_lost((lost,))
        self.dropped += 1
        for run in self.lanes[lost.asset].skip(lost.epoch, lost.from_sequence):
            self._finish(run)

    def drop_oldest(self) -> None:
        """Delete the oldest segment with whatever is pending in it."""
        segment = next(iter(self.segments.values()))
        runs = [(asset, lane, run) for asset, lane in self.lanes.items() for run in lane.runs if run.segment is segment]
        if runs:
            self.on_lost([self._lost(asset, run) for asset, _, run in runs])
        for _, lane, _ in runs:
            self.dropped += lane.drop_first_run()
        segment.pending_runs = 0
        self._delete(segment)

    def sync(self) -> None:
        """Have the disk write what was appended."""
        if self._handle >= 0:
            os.fsync(self._handle)

    def sync_handle(self) -> int | None:
        """Return a handle by which what was appended can be synced without holding a lock; the caller closes it."""
        return os.dup(self._handle) if self._handle >= 0 else None

    def close(self) -> None:
        """Sync and close; what is pending stays for the next time."""
        if self._handle >= 0:
            os.fsync(self._handle)
            os.close(self._handle)
            self._handle, self._active = -1, None

    def _make_room(self, size: int) -> None:
        while self.segments and self.size + len(MAGIC) + size > self.max_bytes:
            self.drop_oldest()

    def _writable(self, size: int) -> Segment:
        """Return the segment to append to, a new one where the last would get too large."""
        if self._active is not None and self._active.size + size > self.segment_bytes:
            self._retire()
        if self._active is None:
            self.number += 1
            self._active, self._handle = create_segment(self.folder, self.number)
            self.segments[self.number] = self._active
            self.size += self._active.size
            sync_folder(self.folder)
        return self._active

    def _retire(self) -> None:
        """Append no more to the active segment."""
        segment, handle = self._active, self._handle
        self._active, self._handle = None, -1
        if handle >= 0:
            os.fsync(handle)
            os.close(handle)
        if segment is not None and segment.pending_runs == 0:
            self._delete(segment)

    def _finish(self, run: Run) -> None:
        run.segment.pending_runs -= 1
        if run.segment.pending_runs == 0 and run.segment is not self._active:
            self._delete(run.segment)

    def _delete(self, segment: Segment) -> None:
        if segment is self._active:
            os.close(self._handle)
            self._active, self._handle = None, -1
        if self.segments.pop(segment.number, None) is not None:
            self.size -= segment.size
        write_last_times(self.folder, self.last_times)
        segment.path.unlink(missing_ok=True)

    def _lost(self, asset: str, run: Run) -> Lost:
        first, last = run.done, len(run.offsets) - 1
        try:
            times = read_record(run, first).first_time, read_record(run, last).last_time
        except DamagedRecordError:
            times = None
        return Lost(
            run.plant, asset, run.epoch, run.first + first, run.first + last,
            times and times[0], times and times[1], f"the edge's disk held its {self.max_bytes:,} bytes",
        )  # fmt: skip


def open_spool(
    folder: Path,
    *,
    max_bytes: int,
    segment_bytes: int,
    on_lost: OnLost,
    is_lost: Callable[[Record], bool] = lambda _: False,
    now: Callable[[], int] = time.time_ns,
) -> Spool:
    """Open the spool in a locked folder, with what earlier sessions left in it, and begin a new session.

    Parameters
    ----------
    folder
        Where the segments lie.
    max_bytes, segment_bytes
        The most that all segments may take, and one of them.
    on_lost
        Hears of messages that are lost, before they are.
    is_lost
        Whether a message has been reported as lost before; it is not kept.
    now
        Nanoseconds since 1970.
    """
    lanes: dict[str, Lane] = {}
    try:
        segments, recovered = recover(folder, lanes, is_lost)
        epoch = next_epoch(folder, now() // 1000, recovered.last_epoch)
    except OSError as error:
        raise cannot_open(folder, error) from error
    kept = {segment.number: segment for segment in segments}
    size, number = sum(segment.size for segment in segments), max(kept, default=0)
    last_times = read_last_times(folder) | recovered.last_times
    return Spool(
        folder, max_bytes, segment_bytes, on_lost, recovered, epoch, lanes, kept, last_times, size, number=number
    )  # fmt: skip
