"""What a host has to remember of Sparkplug edge nodes to read their data: births, and where each sequence is."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from data_contracts.streams.sessions import StreamGap
from pipelines.live.payloads.message import TelemetryMessage
from pipelines.live.payloads.topics import TopicMatch


@dataclass(frozen=True)
class SparkplugSettings:
    """How Sparkplug's names map to ours.

    Parameters
    ----------
    asset_type
        The asset type where a birth has no metric or property "asset_type"; None to refuse such data.
    assets
        Asset by ``"group/node/device"`` or ``"group/node"``; any other device is an asset of its own name.
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


class SparkplugHost:
    """The state: births by node and device, the epoch and sequence of each. Not for several threads at once."""

    def __init__(self, settings: SparkplugSettings) -> None:
        self._settings = settings

    def receive(self, payload: bytes, topic: TopicMatch) -> SparkplugOutcome:
        """Read one message; PayloadError "no birth certificate" wants a rebirth: publish one on `rebirth_topic`."""
        raise NotImplementedError


def rebirth_topic(topic: TopicMatch) -> str:
    """Return where to publish a rebirth request for the node of a topic."""
    values = topic.values
    return f"spBv1.0/{values['group']}/NCMD/{values['node']}"


def encode_rebirth(now: int) -> bytes:
    """Return the command "Node Control/Rebirth" for an edge node; `now` in microseconds since 1970."""
    raise NotImplementedError
