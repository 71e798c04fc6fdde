"""What became of commands, for the listener's summary and metrics."""

from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

_MOST_NAMED = 20


@dataclass
class CommandCounts:
    """Counts of one listener; the last answers that could not be assigned are named."""

    count: Callable[[str], None] = lambda _: None  # for metrics
    counts: Counter[str] = field(default_factory=Counter)
    strange: deque[str] = field(default_factory=lambda: deque(maxlen=_MOST_NAMED))
    problem: str = ""  # why nothing can be published at present

    def add(self, what: str, number: int = 1) -> None:
        """Count what happened: published, acknowledged, refused, repeated, expired, unknown, unreadable, unsendable."""
        self.counts[what] += number
        for _ in range(number):
            self.count(what)

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values."""
        return {**self.counts, "strange": list(self.strange), "problem": self.problem}
