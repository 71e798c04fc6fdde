"""Which messages are a partition's: those of the assets whose names have its number by a hash."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field

from data_contracts.records.leases.listen_leases import listen_lease
from pipelines.live.payloads.topics import TopicPattern, match_topic

_MOST_TOPICS = 100_000


@dataclass(frozen=True)
class Partition:
    """A part of the assets; one listener at a time stores what they send."""

    number: int = 0
    of: int = 1

    @property
    def lease(self) -> str:
        """The name of its lease."""
        return listen_lease(self.number, self.of)

    def client_id(self, base: str) -> str:
        """Return the name at the broker, which keeps its messages: another one for any other number of partitions."""
        return base if self.of == 1 else f"{base}-{self.number}-of-{self.of}"

    def __str__(self) -> str:
        """Return it in words."""
        return "listener of this workspace" if self.of == 1 else f"listener of partition {self.number} of {self.of}"


def partitions(of: int) -> tuple[Partition, ...]:
    """Return all partitions of so many."""
    return tuple(Partition(number, of) for number in range(of))


@dataclass
class TopicFilter:
    """Says of topics whether their messages are a partition's, and remembers it."""

    partition: Partition
    patterns: Sequence[TopicPattern]
    _known: dict[str, bool] = field(default_factory=dict)

    def __call__(self, topic: str) -> bool:
        """Return whether a message belongs to the partition."""
        if self.partition.of == 1:
            return True
        known = self._known.get(topic)
        if known is None:
            if len(self._known) >= _MOST_TOPICS:
                self._known.clear()
            number = number_of(_key(self.patterns, topic), self.partition.of)
            known = self._known[topic] = number == self.partition.number
        return known


def number_of(key: str, of: int) -> int:
    """Return the partition of a name, the same in every process and version."""
    return int.from_bytes(hashlib.blake2b(key.encode(), digest_size=8).digest(), "big") % of


def _key(patterns: Sequence[TopicPattern], topic: str) -> str:
    """Return what keeps messages together: their asset; of Sparkplug the edge node, whose devices count as one."""
    match = match_topic(patterns, topic)
    if match is None:
        return topic
    return f"{match.values['group']}/{match.values['node']}" if match.kind == "sparkplug" else match.asset
