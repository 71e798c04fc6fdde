"""Compile what reads and writes Sparkplug ahead of time, so that no first message waits for it."""

import numpy as np
import pyarrow as pa

from pipelines.live.payloads.message import EVENT_TIME, TIME_TYPE, TelemetryMessage
from pipelines.live.payloads.sparkplug.certificates import (
    channel_metrics,
    encode_device_birth,
    encode_node_birth,
    encode_rebirth,
    is_rebirth,
)
from pipelines.live.payloads.sparkplug.encode import encode_data
from pipelines.live.payloads.sparkplug.host import SparkplugHost, SparkplugSettings
from pipelines.live.payloads.topics import TopicMatch, TopicPattern, match_topic

_NOW = 1_790_000_000_000_000
_ALIASES = {"single": 0, "double": 1}
_PATTERN = TopicPattern("sparkplug", "spBv1.0/{group}/{type}/{node}[/{device}]")


def warm_up() -> None:
    """Let an edge node be born and send, once."""
    host = SparkplugHost(SparkplugSettings())
    host.receive(encode_node_birth(_NOW, 0, 0), _topic("NBIRTH"))
    rows = pa.record_batch(
        {
            EVENT_TIME: pa.array(_NOW + 1_000 * np.arange(3), TIME_TYPE),
            "single": pa.array([0.5, None, 1.5], pa.float32()),
            "double": pa.array([0.5, 1.0, None], pa.float64()),
        }
    )
    message = TelemetryMessage("device", _NOW, 0, _NOW, "machine", rows)
    host.receive(encode_device_birth(_NOW, 1, channel_metrics(rows.schema, "machine")), _topic("DBIRTH"))
    host.receive(encode_data(message, _ALIASES, 2), _topic("DDATA"))
    is_rebirth(encode_rebirth(_NOW))


def _topic(kind: str) -> TopicMatch:
    device = "/device" if kind.startswith("D") else ""
    topic = f"spBv1.0/group/{kind}/node{device}"
    return match_topic([_PATTERN], topic) or TopicMatch("sparkplug", topic, {})
