"""What earlier sessions left in a spool: every whole record, and a torn tail cut off."""

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from pipelines.live.edge.lane import Lane
from pipelines.live.edge.record import MAGIC, Record, walk
from pipelines.live.edge.segment import Segment, map_file, segment_files


@dataclass
class Recovery:
    """What was found on opening a spool."""

    records: int = 0
    torn_bytes: int = 0  # cut from the end of segments: what was being written when the machine stopped, or damage
    torn_segments: int = 0
    last_epoch: int = 0
    last_times: dict[str, int] = field(default_factory=dict)  # by asset, the event time of its last row


def recover(folder: Path, lanes: dict[str, Lane], is_lost: Callable[[Record], bool]) -> tuple[list[Segment], Recovery]:
    """Fill the lanes with the records of the segments in a folder, and cut each segment behind its last whole one."""
    recovery, segments = Recovery(), []
    for number, path in segment_files(folder):
        segment = Segment(number, path, len(MAGIC))
        _read_segment(segment, lanes, is_lost, recovery)
        if segment.pending_runs:
            segments.append(segment)
        else:
            path.unlink()
    return segments, recovery


def _read_segment(
    segment: Segment, lanes: dict[str, Lane], is_lost: Callable[[Record], bool], recovery: Recovery
) -> None:
    data = map_file(segment.path)
    if data[: len(MAGIC)] == MAGIC:
        for offset, end, record in walk(data, len(MAGIC)):
            segment.size = end
            recovery.last_epoch = max(recovery.last_epoch, record.epoch)
            recovery.last_times[record.asset] = record.last_time
            if not is_lost(record):
                lanes.setdefault(record.asset, Lane()).index(segment, record, offset)
                recovery.records += 1
    torn = len(data) - segment.size
    if torn > 0:
        recovery.torn_bytes += torn
        recovery.torn_segments += 1
        if segment.pending_runs:
            os.truncate(segment.path, segment.size)
