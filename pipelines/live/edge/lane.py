"""The messages of one asset that are kept, oldest first, and how far they have been sent."""

from collections import deque
from dataclasses import dataclass, field

from pipelines.live.edge.record import Record
from pipelines.live.edge.segment import Run, Segment


@dataclass(eq=False, slots=True)
class Lane:
    """What is pending of an asset: `sent` of it are on their way, and the next to send is at the cursor."""

    runs: deque[Run] = field(default_factory=deque)
    pending: int = 0
    sent: int = 0
    skipped: set[tuple[int, int]] = field(default_factory=set)  # epoch and sequence of what is never sent
    _run: int = 0  # the cursor: the run, and the index in it
    _index: int = 0

    def index(self, segment: Segment, record: Record, offset: int) -> None:
        """Note where a message lies: in the last run where it continues that."""
        run = self.runs[-1] if self.runs else None
        if run is None or run.segment is not segment or run.epoch != record.epoch or run.end != record.sequence:
            run = Run(segment, record.plant, record.epoch, record.sequence)
            segment.pending_runs += 1
            if not self.runs:
                self._run, self._index = 0, 0
            self.runs.append(run)
        run.offsets.append(offset)
        self.pending += 1

    def next_unsent(self) -> tuple[Run, int] | None:
        """Return the next message to send; none while an older epoch's are unconfirmed.

        So a confirmation of an epoch also confirms all epochs before it, which the ingester need not remember.
        """
        while self._run < len(self.runs):
            run = self.runs[self._run]
            if self._index < len(run.offsets):
                if (run.epoch, run.first + self._index) not in self.skipped:
                    return None if run.epoch != self.runs[0].epoch else (run, self._index)
                self._index += 1
                continue
            if self._run + 1 == len(self.runs):
                return None
            self._run, self._index = self._run + 1, self.runs[self._run + 1].done
        return None

    def mark_sent(self) -> None:
        """Move the cursor behind the message it is at."""
        self._index += 1
        self.sent += 1

    def rewind(self) -> None:
        """Begin to send again with the first that is unconfirmed."""
        self._run, self.sent = 0, 0
        self._index = self.runs[0].done if self.runs else 0

    def confirm(self, epoch: int, sequence: int) -> tuple[int, list[Run]]:
        """Forget what is up to a message, earlier epochs included; return how many, and the runs that are done with."""
        forgotten, finished = 0, []
        while self.runs:
            run = self.runs[0]
            if run.epoch > epoch or (run.epoch == epoch and run.first + run.done > sequence):
                break
            end = len(run.offsets) if run.epoch < epoch else min(len(run.offsets), sequence + 1 - run.first)
            forgotten += end - run.done
            run.done = end
            if end < len(run.offsets):
                break
            finished.append(self._shift())
        self._forget(forgotten)
        finished += self._pass_over()
        return forgotten, finished

    def skip(self, epoch: int, sequence: int) -> list[Run]:
        """Never send a message; return the runs that are done with."""
        self.skipped.add((epoch, sequence))
        return self._pass_over()

    def _pass_over(self) -> list[Run]:
        """Forget what is skipped where nothing unconfirmed is before it."""
        if not self.skipped:
            return []
        finished: list[Run] = []
        while self.runs and (head := (self.runs[0].epoch, self.runs[0].first + self.runs[0].done)) in self.skipped:
            finished += self.confirm(*head)[1]
        before = (self.runs[0].epoch, self.runs[0].first + self.runs[0].done) if self.runs else None
        self.skipped = {each for each in self.skipped if before is not None and each > before}
        return finished

    def drop_first_run(self) -> int:
        """Forget the oldest run whole; return how many messages were pending of it."""
        run = self.runs[0]
        dropped = len(run.offsets) - run.done
        run.done = len(run.offsets)
        self._shift()
        self._forget(dropped)
        return dropped

    def _shift(self) -> Run:
        run = self.runs.popleft()
        if self._run > 0:
            self._run -= 1
        else:
            self._index = self.runs[0].done if self.runs else 0
        return run

    def _forget(self, count: int) -> None:
        self.pending -= count
        self.sent = max(0, self.sent - count)
        if self.runs and self._run == 0:
            self._index = max(self._index, self.runs[0].done)
