"""From what arrived to messages: by topic, with what cannot be read and what edges say about gaps."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from data_contracts.streams.held_messages import HeldMessage
from data_contracts.streams.sessions import StreamGap
from pipelines.live.listening.intake import Arrived
from pipelines.live.payloads.arrow_payload import decode_arrow
from pipelines.live.payloads.gap_notices import decode_gap
from pipelines.live.payloads.json_payload import decode_json
from pipelines.live.payloads.message import TelemetryMessage
from pipelines.live.payloads.payload_error import PayloadError
from pipelines.live.payloads.schemas import SchemaRegistry
from pipelines.live.payloads.sparkplug.host import SparkplugHost, SparkplugSettings, encode_rebirth, rebirth_topic
from pipelines.live.payloads.topics import TopicMatch, TopicPattern, match_topic

SCHEMA_PATIENCE_S = 5.0
"""How long a message waits for the schema that it names: what was retained may arrive after what had been waiting."""
_MOST_TOPICS = 100_000


@dataclass
class Decoded:
    """What some arrived messages are."""

    messages: list[TelemetryMessage] = field(default_factory=list)
    arrived: list[Arrived] = field(default_factory=list)  # of `messages`, in the same order
    held: list[HeldMessage] = field(default_factory=list)
    gaps: list[StreamGap] = field(default_factory=list)
    waiting: list[Arrived] = field(default_factory=list)  # for their schema
    early: list[Arrived] = field(default_factory=list)  # that wait for what precedes them
    requests: dict[str, bytes] = field(default_factory=dict)  # what to publish, by topic


class Decoder:
    """What has to be remembered to read messages: schemas, births of Sparkplug's nodes, and topics."""

    def __init__(self, patterns: Sequence[TopicPattern], sparkplug_asset_type: str | None) -> None:
        self._patterns = [pattern for pattern in patterns if pattern.kind != "confirmed"]
        self._schemas = SchemaRegistry()
        self._sparkplug = SparkplugHost(SparkplugSettings(asset_type=sparkplug_asset_type))
        self._matches: dict[str, TopicMatch | None] = {}
        self.schemas = 0  # announced so far

    def decode(self, arrived: Sequence[Arrived], now: float) -> Decoded:
        """Read messages in the order they came; none that cannot be read stops the others."""
        decoded, waiting = Decoded(), set[str]()
        matched = [(message, self._match(message.topic)) for message in arrived]
        # Schemas first: what had waited at the broker comes before what is retained there.
        for message, match in sorted(matched, key=lambda each: each[1] is None or each[1].kind != "schemas"):
            if message.topic in waiting:  # it stays behind the one before it
                decoded.waiting.append(message)
                continue
            try:
                self._read(message, match, decoded, now)
            except PayloadError as error:
                if error.reason == "unknown schema id" and now - message.at < SCHEMA_PATIENCE_S:
                    decoded.waiting.append(message)
                    waiting.add(message.topic)
                    continue
                if error.reason == "no birth certificate" and match is not None:
                    decoded.requests[rebirth_topic(match)] = encode_rebirth(int(now * 1e6))
                decoded.held.append(HeldMessage(message.topic, message.payload, error.reason, str(error)))
        return decoded

    def _read(self, arrived: Arrived, match: TopicMatch | None, decoded: Decoded, now: float) -> None:
        if match is None:
            raise PayloadError(
                "unmapped topic",
                f"the topic {arrived.topic}",
                "one of the patterns in [live]",
                "Map it in forewarn.toml",
            )
        message: TelemetryMessage | None = None
        if match.kind == "arrow":
            message = decode_arrow(arrived.payload, match.asset, self._schemas)
        elif match.kind == "json":
            message = decode_json(arrived.payload, match.asset)
        elif match.kind == "sparkplug":
            outcome = self._sparkplug.receive(arrived.payload, match)
            decoded.gaps += outcome.gaps
            if outcome.rebirth is not None:
                decoded.requests[outcome.rebirth] = encode_rebirth(int(now * 1e6))
            message = outcome.message
        elif match.kind == "schemas":
            if arrived.payload:  # an empty one takes back what was retained
                self._schemas.learn(match.values["id"], arrived.payload)
                self.schemas += 1
        elif match.kind == "gaps":
            decoded.gaps.append(decode_gap(arrived.payload, match.asset))
        if message is not None:
            decoded.messages.append(message)
            decoded.arrived.append(arrived)

    def _match(self, topic: str) -> TopicMatch | None:
        if topic not in self._matches:
            if len(self._matches) >= _MOST_TOPICS:
                self._matches.clear()
            self._matches[topic] = match_topic(self._patterns, topic)
        return self._matches[topic]


def topic_patterns(topics: Mapping[str, str]) -> tuple[TopicPattern, ...]:
    """Return the patterns of topics by kind of payload; an empty text is none."""
    return tuple(TopicPattern(kind, pattern) for kind, pattern in topics.items() if pattern)  # type: ignore[arg-type]
