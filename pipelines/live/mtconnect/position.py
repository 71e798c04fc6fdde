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
    """Keeps in the spool's folder what was read so long ago that it is in the spool by now, and what was read at all.

    What lies between is read again after a crash: some of it may be in the spool.
    """

    folder: Path | None  # None keeps nothing
    delay_s: float
    read: Position | None = None  # up to where a bridge before had read
    _safe: Position | None = None
    _noted: deque[tuple[float, Position]] = field(default_factory=deque)
    _written: bytes = b""

    def load(self) -> Position | None:
        """Return where the bridge goes on; None if it never ran, or the file is damaged."""
        if self.folder is None:
            return None
        try:
            content = json.loads((self.folder / _FILE).read_text())
            self._safe = Position(int(content["instance"]), int(content["next"]))
            self.read = Position(*map(int, content["read"])) if "read" in content else None
        except (OSError, ValueError, TypeError, KeyError):
            return None
        return self._safe

    def again(self, position: Position) -> int:
        """Return how many observations after a position were read before."""
        known = self.read is not None and self.read.instance == position.instance
        return max(0, self.read.next - position.next) if known and self.read else 0

    def begin(self, position: Position) -> None:
        """Note where the first bridge begins: it has read nothing before."""
        self._safe = position
        self._write(position)

    def note(self, position: Position, now: float) -> None:
        """Note what was read, and that what was read before is in the spool."""
        self._noted.append((now, position))
        while self._noted and now - self._noted[0][0] >= self.delay_s:
            self._safe = self._noted.popleft()[1]
        self._write(position)

    def finish(self) -> None:
        """Note that all that was read is in the spool."""
        if self._noted:
            self._safe = self._noted[-1][1]
            self._write(self._safe)
            self._noted.clear()

    def _write(self, read: Position) -> None:
        safe = self._safe
        if self.folder is None or safe is None:
            return
        content = {"instance": safe.instance, "next": safe.next, "read": [read.instance, read.next]}
        encoded = json.dumps(content).encode()
        if encoded != self._written:
            self._written = encoded
            write_durably(self.folder / _FILE, encoded)
