"""What a listener has done, and when it ends by itself."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from data_contracts.streams.stream_writer import FlushResult
from pipelines.live.southbound.command_counts import CommandCounts


class Stop(Protocol):
    """What says that a listener is to end; a `threading.Event` does, but not from a handler of signals."""

    def is_set(self) -> bool:
        """Return whether it is to end."""

    def wait(self, timeout: float) -> bool:
        """Wait so many seconds at most, and return whether it is to end."""


@dataclass
class ListenSummary:
    """What a listener has done."""

    messages: int = 0  # stored, wholly or in part in quarantine
    rows: int = 0
    samples: int = 0
    duplicates: int = 0
    quarantined: int = 0  # rows
    undecoded: int = 0  # messages
    refused: Counter[str] = field(default_factory=Counter)  # by reason
    gaps: Counter[str] = field(default_factory=Counter)  # rows of stream_gaps by kind
    new_assets: int = 0
    flushes: int = 0
    failures: int = 0  # flushes that could not be stored at once
    connections: int = 0
    waiting: int = 0  # messages that had arrived and are not stored
    seconds: float = 0.0
    commit_seconds: float = 0.0
    lag_seconds: float = 0.0  # of the last flush, from its newest event to when it was stored
    examined: dict[str, tuple[str, ...]] = field(default_factory=dict)  # asset types examined row by row, and why
    partition: int | None = 0  # of the assets; None of a listener that waited for one in vain
    partitions: int = 1
    others: int = 0  # messages of other partitions, which were ignored
    moved: int = 0  # messages that waited for another number of partitions
    standby_seconds: float = 0.0  # that it waited for a partition
    commands: CommandCounts | None = None  # None where none are published
    commands_withheld: bool = False  # as the workspace was copied or restored, and nobody has taken over
    metrics_port: int = 0
    ended: Literal["", "idle", "time", "signal", "emptied"] = ""
    error: str = ""  # why what was waiting could not be stored

    @property
    def exit_status(self) -> int:
        """1 if it ended with messages that could not be stored; the broker and the edges have them."""
        return 1 if self.error else 0

    def add(self, result: FlushResult) -> None:
        """Add what became of a flush."""
        for name in ("messages", "rows", "samples", "duplicates", "quarantined", "undecoded", "new_assets"):
            setattr(self, name, getattr(self, name) + getattr(result, name))
        self.refused.update(result.refused)
        self.gaps.update(gap.kind for gap in result.gaps)
        self.commit_seconds += result.commit_seconds
        self.flushes += 1

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values."""
        examined = {name: list(why) for name, why in self.examined.items()}
        commands = None if self.commands is None else self.commands.to_dict()
        counted = {"refused": dict(self.refused), "gaps": dict(self.gaps)}
        return {**vars(self), **counted, "examined": examined, "commands": commands}


@dataclass(frozen=True)
class Ending:
    """When a listener ends by itself; by default only when it is stopped."""

    idle_s: float | None = None  # after so long without a message
    after_s: float | None = None
