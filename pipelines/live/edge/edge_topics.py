"""The topics that an edge publishes to and listens on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from pipelines.live.payloads.topics import DEFAULT_TOPICS, TopicKind, TopicPattern


@dataclass(frozen=True)
class EdgeTopics:
    """Topics by the patterns of the listener."""

    patterns: Sequence[TopicPattern] = field(default=DEFAULT_TOPICS)

    def telemetry(self, plant: str, asset: str) -> str:
        """Return where an asset's messages go."""
        return self._by_kind["arrow"].topic(**self._named("arrow", plant, asset))

    def gaps(self, plant: str, asset: str) -> str:
        """Return where notices of an asset's gaps go."""
        return self._by_kind["gaps"].topic(**self._named("gaps", plant, asset))

    def confirmed(self, asset: str) -> str:
        """Return where the ingester confirms an asset's messages."""
        return self._by_kind["confirmed"].topic(asset=asset)

    def schema(self, schema_id: str) -> str:
        """Return where a schema is announced."""
        return self._by_kind["schemas"].topic(id=schema_id)

    def asset_of_confirmation(self, topic: str) -> str | None:
        """Return whose confirmations a topic carries; None if it is no such topic."""
        match = self._by_kind["confirmed"].match(topic)
        return None if match is None else match.asset

    @cached_property
    def _by_kind(self) -> Mapping[TopicKind, TopicPattern]:
        return {pattern.kind: pattern for pattern in reversed(self.patterns)}

    def _named(self, kind: TopicKind, plant: str, asset: str) -> dict[str, str]:
        named = {"plant": plant, "asset": asset}
        return {name: value for name, value in named.items() if f"{{{name}}}" in self._by_kind[kind].pattern}
