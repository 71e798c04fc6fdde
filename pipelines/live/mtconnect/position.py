"""Up to where an agent's observations are in the spool, so that a bridge that starts again goes on there."""

import json
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path

from pipelines.live.edge.session_files import write_durably

_FILE = "mtconnect.json"


@dataclass(frozen=True)
class Position:
    """The next sequence number to ask for, and of which instance of the agent it is."""

    instance: int
    next: int


@dataclass(eq=False)
class PositionFile:
    """Keeps the position in the spool's folder; only what was read so long ago that it is in the spool by now."""

    folder: Path | None  # None keeps nothing
    delay_s: float
    _read: deque[tuple[float, Position]] = field(default_factory=deque)
    _written: Position | None = None

    def load(self) -> Position | None:
        """Return where the bridge stopped; None if it never ran, or the file is damaged."""
        if self.folder is None:
            return None
        try:
            content = json.loads((self.folder / _FILE).read_text())
            return Position(int(content["instance"]), int(content["next"]))
        except (OSError, ValueError, TypeError, KeyError):
            return None

    def note(self, position: Position, now: float) -> None:
        """Note what was read, and write what was read before."""
        self._read.append((now, position))
        ready: Position | None = None
        while self._read and now - self._read[0][0] >= self.delay_s:
            ready = self._read.popleft()[1]
        if ready is not None:
            self._write(ready)

    def finish(self) -> None:
        """Write the last position: all that was read is in the spool."""
        if self._read:
            self._write(self._read[-1][1])
            self._read.clear()

    def _write(self, position: Position) -> None:
        if self.folder is not None and position != self._written:
            self._written = position
            write_durably(
                self.folder / _FILE, json.dumps({"instance": position.instance, "next": position.next}).encode()
            )
