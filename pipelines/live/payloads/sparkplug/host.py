"""What a host has to remember of Sparkplug edge nodes to read their data: births, and where each sequence is.

Sparkplug's seq counts the messages of an edge node with all its devices, up to 255 and again from 0. Here every asset
has a sequence of its own, which goes on rising while its node's session lasts. A session is one NBIRTH: its epoch is
that message's timestamp in microseconds plus bdSeq, so that a rebirth is a new session too.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from data_contracts.streams.sessions import GapKind, StreamGap
from pipelines.live.payloads.message import EVENT_TIME, TelemetryMessage
from pipelines.live.payloads.payload_error import PayloadError
from pipelines.live.payloads.sparkplug.births import Birth, birth_death_sequence, read_birth
from pipelines.live.payloads.sparkplug.certificates import encode_rebirth
from pipelines.live.payloads.sparkplug.grid import not_born
from pipelines.live.payloads.sparkplug.node_sequence import NodeArrival, NodeSequence, accept_seq
from pipelines.live.payloads.sparkplug.rows import Readings, read_rows
from pipelines.live.payloads.sparkplug.wire_format.payload import SparkplugPayload, read_payload, unlike_specification
from pipelines.live.payloads.topics import TopicMatch

__all__ = ["SparkplugHost", "SparkplugOutcome", "SparkplugSettings", "encode_rebirth", "rebirth_topic"]


@dataclass(frozen=True)
class SparkplugSettings:
    """How Sparkplug's names map to ours.

    Parameters
    ----------
    asset_type
        The asset type where neither the birth of the device nor that of its node has a text metric "asset_type" or
        "Properties/asset_type"; None to refuse such data.
    assets
        Asset by ``"group/node/device"`` or ``"group/node"``; any other device, or node, is an asset of its own name.
    channels
        Channel by name of metric; empty to take every number under its own name. Otherwise others are left out.
    """

    asset_type: str | None = None
    assets: Mapping[str, str] = field(default_factory=dict)
    channels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class SparkplugOutcome:
    """What one Sparkplug message brings."""

    message: TelemetryMessage | None = None  # of a birth the values at birth; None for a death or command
    gaps: tuple[StreamGap, ...] = ()  # a lost message may have been of any device of the node: a row for each
    rebirth: str | None = None  # topic on which to publish `encode_rebirth`, as messages were lost
    duplicate: bool = False
    left_out: tuple[str, ...] = ()  # of a birth, the metrics that are no channels


@dataclass
class _Node:
    """An edge node since its latest birth."""

    name: str  # group and node
    epoch: int
    bd_seq: int
    sequence: NodeSequence
    alive: bool = True
    asset_type: str | None = None
    births: dict[str, Birth] = field(default_factory=dict)  # by device that lives; the node itself is ""
    messages: dict[str, int] = field(default_factory=dict)  # of each asset, in this session
    last_event_times: dict[str, int] = field(default_factory=dict)  # of each asset


class SparkplugHost:
    """The state: births by node and device, the epoch and sequence of each. Not for several threads at once."""

    def __init__(self, settings: SparkplugSettings) -> None:
        self._settings = settings
        self._nodes: dict[str, _Node] = {}
        self._gaps: list[StreamGap] = []  # not handed over yet: a message that is refused has no outcome

    def receive(self, payload: bytes, topic: TopicMatch) -> SparkplugOutcome:
        """Read one message; PayloadError "no birth certificate" wants a rebirth: publish one on `rebirth_topic`.

        A message that is refused counts in its node's sequence all the same, as it has arrived.
        """
        kind, device = topic.values["type"], topic.values.get("device", "")
        if kind in ("NCMD", "DCMD"):
            return SparkplugOutcome()
        if kind not in (("DBIRTH", "DDATA", "DDEATH") if device else ("NBIRTH", "NDATA", "NDEATH")):
            raise PayloadError(
                "unmapped topic",
                f"topic {topic.topic[:200]}",
                "a message of an edge node or of a device",
                "Leave the topic out of the subscription",
            )
        name, content = f"{topic.values['group']}/{topic.values['node']}", read_payload(payload)
        if kind == "NBIRTH":
            return self._node_birth(name, content)
        if kind == "NDEATH":
            return self._node_death(name, content)
        node = self._nodes.get(name)
        if node is None or not node.alive:
            raise not_born(f"{kind} of {name}")
        arrival = accept_seq(node.sequence, content.required_seq())
        node.sequence = arrival.sequence
        if arrival.duplicate:
            return SparkplugOutcome(duplicate=True)
        self._note_gaps(node, arrival, content)
        rebirth = rebirth_topic(topic) if arrival.skipped else None
        if kind == "DDEATH":
            node.births.pop(device, None)
            return self._outcome(rebirth=rebirth)
        if kind == "DBIRTH":
            node.births.pop(device, None)
            node.births[device] = read_birth(content, self._settings.channels)
        birth = node.births.get(device)
        if birth is None:
            raise not_born(f"{kind} of {topic.topic[:200]}")
        if kind == "DBIRTH":
            return self._outcome(self._values_at_birth(node, device, birth, content), rebirth, birth.left_out)
        return self._outcome(self._message(node, device, read_rows(content, birth), content), rebirth)

    def _node_birth(self, name: str, content: SparkplugPayload) -> SparkplugOutcome:
        bd_seq, seq = birth_death_sequence(content), content.required_seq()
        epoch = content.required_sent() + bd_seq % 1_000
        before = self._nodes.get(name)
        if before is not None and before.epoch == epoch:
            return SparkplugOutcome(duplicate=True)
        birth = read_birth(content, self._settings.channels)
        node = _Node(name, epoch, bd_seq, NodeSequence(seq), asset_type=birth.asset_type, births={"": birth})
        self._nodes[name] = node
        if self._asset_type(node, birth) is None:
            # Most nodes have no readings of their own; if this one has, its data are refused.
            return self._outcome(left_out=tuple(birth.name_columns))
        return self._outcome(self._values_at_birth(node, "", birth, content), left_out=birth.left_out)

    def _node_death(self, name: str, content: SparkplugPayload) -> SparkplugOutcome:
        node = self._nodes.get(name)
        # The death of an earlier connection may arrive after the birth of the next.
        if node is not None and node.bd_seq == birth_death_sequence(content):
            node.alive = False
        return self._outcome()

    def _values_at_birth(
        self, node: _Node, device: str, birth: Birth, content: SparkplugPayload
    ) -> TelemetryMessage | None:
        """Return the values of a birth; None where it only announces metrics, with null for each."""
        readings = read_rows(content, birth)
        if readings is None or all(column.null_count == len(column) for column in readings.rows.columns[1:]):
            return None
        return self._message(node, device, readings, content)

    def _message(
        self, node: _Node, device: str, readings: Readings | None, content: SparkplugPayload
    ) -> TelemetryMessage | None:
        sent = content.required_sent()
        if readings is None:
            return None
        asset, asset_type = self._asset(node, device), self._asset_type(node, node.births[device])
        if asset_type is None:
            raise unlike_specification(
                f"data of {asset} without an asset type",
                "one in the settings, or a text metric asset_type in the birth",
            )
        sequence = node.messages.get(asset, 0)
        node.messages[asset] = sequence + 1
        node.last_event_times[asset] = int(readings.rows.column(EVENT_TIME)[-1].value)
        return TelemetryMessage(asset, node.epoch, sequence, sent, asset_type, readings.rows, readings.historical)

    def _asset(self, node: _Node, device: str) -> str:
        path = f"{node.name}/{device}" if device else node.name
        return self._settings.assets.get(path) or device or node.name.rpartition("/")[2]

    def _asset_type(self, node: _Node, birth: Birth) -> str | None:
        return birth.asset_type or node.asset_type or self._settings.asset_type

    def _note_gaps(self, node: _Node, arrival: NodeArrival, content: SparkplugPayload) -> None:
        """Add a row for each asset of the node that has sent something in this session."""
        if arrival.skipped is None and not arrival.fills:
            return
        first, last = arrival.skipped or (arrival.number, arrival.number)
        numbers = f"message {first}" if first == last else f"messages {first} to {last}"
        kind: GapKind = "late" if arrival.fills else "gap"
        detail = f"{numbers} of edge node {node.name}, of any of its devices"
        self._gaps += [
            StreamGap(asset, node.epoch, kind, None, None, node.last_event_times[asset], content.sent, detail)
            for asset in sorted(node.messages)
        ]

    def _outcome(
        self,
        message: TelemetryMessage | None = None,
        rebirth: str | None = None,
        left_out: tuple[str, ...] = (),
    ) -> SparkplugOutcome:
        gaps, self._gaps = tuple(self._gaps), []
        return SparkplugOutcome(message, gaps, rebirth, left_out=left_out)


def rebirth_topic(topic: TopicMatch) -> str:
    """Return where to publish `encode_rebirth` for the edge node of a topic."""
    namespace = topic.topic.partition("/")[0]
    return f"{namespace}/{topic.values['group']}/NCMD/{topic.values['node']}"
