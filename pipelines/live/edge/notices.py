"""Notices about what is missing, kept on disk until the broker has acknowledged them."""

import json
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from data_contracts.errors import StorageError
from data_contracts.streams.sessions import StreamGap
from pipelines.live.edge.record import Record
from pipelines.live.edge.session_files import write_durably
from pipelines.live.edge.spool import Lost

MOST = 2_000
"""So many notices are kept; from there on those of an asset are joined, which makes them less exact."""


@dataclass(frozen=True)
class Notice:
    """A gap, and the plant whose topic it goes to."""

    plant: str
    gap: StreamGap


@dataclass(eq=False)
class Notices:
    """The notices that the broker has not acknowledged, as they stand in a file."""

    file: Path
    most: int = MOST
    waiting: list[Notice] = field(default_factory=list)

    def add(self, notices: Iterable[Notice]) -> None:
        """Keep notices; those that continue one are joined to it."""
        for notice in notices:
            _join_or_append(self.waiting, notice, _continues)
        if len(self.waiting) > self.most:
            joined: list[Notice] = []
            for notice in self.waiting:
                _join_or_append(joined, notice, _is_of_same_kind)
            self.waiting = joined
        self._write()

    def remove(self, notice: Notice) -> None:
        """Forget a notice that was acknowledged, unless it has grown since."""
        if notice in self.waiting:
            self.waiting.remove(notice)
            self._write()

    def tells_of(self, record: Record) -> bool:
        """Return whether a message was reported as dropped."""
        return any(
            notice.gap.asset == record.asset
            and notice.gap.epoch == record.epoch
            and notice.gap.from_sequence is not None
            and notice.gap.to_sequence is not None
            and notice.gap.from_sequence <= record.sequence <= notice.gap.to_sequence
            for notice in self.waiting
        )

    def _write(self) -> None:
        content = [{"plant": notice.plant, **asdict(notice.gap)} for notice in self.waiting]
        write_durably(self.file, json.dumps(content).encode())


def read_notices(file: Path) -> Notices:
    """Read the notices that a session left; StorageError if the file is damaged."""
    if not file.exists():
        return Notices(file)
    try:
        content = json.loads(file.read_text())
        waiting = [Notice(each.pop("plant"), StreamGap(**each)) for each in content]
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise StorageError(
            f"{file} is damaged ({error})", "the notices of gaps that the edge wrote", "Delete it, and note the gap"
        ) from error
    return Notices(file, waiting=waiting)


def notice_of(lost: Lost) -> Notice:
    """Return the notice about messages that the edge no longer has."""
    gap = StreamGap(
        lost.asset, lost.epoch, "edge_dropped", lost.from_sequence, lost.to_sequence,
        lost.first_time, lost.last_time, lost.detail,
    )  # fmt: skip
    return Notice(lost.plant, gap)


def _join_or_append(notices: list[Notice], notice: Notice, may_join: Callable[[Notice, Notice], bool]) -> None:
    for index in range(len(notices) - 1, -1, -1):
        if may_join(notices[index], notice):
            notices[index] = _joined(notices[index], notice)
            return
    notices.append(notice)


def _continues(before: Notice, after: Notice) -> bool:
    numbered = before.gap.to_sequence is not None and after.gap.from_sequence is not None
    return (
        numbered
        and (before.plant, before.gap.asset, before.gap.epoch, before.gap.kind, before.gap.detail)
        == (after.plant, after.gap.asset, after.gap.epoch, after.gap.kind, after.gap.detail)
        and before.gap.to_sequence + 1 == after.gap.from_sequence  # type: ignore[operator]
    )


def _is_of_same_kind(before: Notice, after: Notice) -> bool:
    # Numbered ones do not grow over messages that were kept.
    return after.gap.from_sequence is None and (before.plant, before.gap.asset, before.gap.epoch, before.gap.kind) == (
        after.plant,
        after.gap.asset,
        after.gap.epoch,
        after.gap.kind,
    )


def _joined(before: Notice, after: Notice) -> Notice:
    times = (
        before.gap.first_event_time,
        before.gap.last_event_time,
        after.gap.first_event_time,
        after.gap.last_event_time,
    )
    known = [time for time in times if time is not None]
    detail = before.gap.detail if before.gap.detail == after.gap.detail else f"{before.gap.detail}; {after.gap.detail}"
    gap = replace(
        before.gap,
        to_sequence=after.gap.to_sequence,
        first_event_time=min(known, default=None),
        last_event_time=max(known, default=None),
        detail=detail[:500],
    )
    return Notice(before.plant, gap)
