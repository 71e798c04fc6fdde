"""Live payloads: a second of a machine (8 channels at 100 Hz) to rows and back, beside JSON rows, protobuf objects."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import cycle
from statistics import median

import numpy as np
import orjson
import pyarrow as pa
import pytest
from rich.console import Console
from rich.table import Table

from pipelines.live.payloads.arrow_payload import decode_arrow, encode_arrow
from pipelines.live.payloads.json_payload import decode_json, encode_json
from pipelines.live.payloads.message import TIME_TYPE, TelemetryMessage
from pipelines.live.payloads.schemas import SchemaRegistry, payload_schema
from pipelines.live.payloads.sparkplug.certificates import channel_metrics, encode_device_birth, encode_node_birth
from pipelines.live.payloads.sparkplug.encode import encode_data
from pipelines.live.payloads.sparkplug.host import SparkplugHost, SparkplugSettings
from pipelines.live.payloads.topics import DEFAULT_TOPICS, TopicMatch
from tests.sparkplug_protobuf import Payload

CHANNELS = 8
SAMPLES = 100
ROUNDS = 7
NOW = 1_790_000_000_000_000
NAMES = tuple(f"channel_{number}" for number in range(CHANNELS))


@dataclass(frozen=True)
class Side:
    """A way to write the message and to read it, and how often a round does."""

    name: str
    encode: Callable[[], bytes]
    decode: Callable[[], pa.RecordBatch]
    times: int


# All take turns in one test, so that other load on the machine slows them alike.
@pytest.mark.usefixtures("benchmark")
@pytest.mark.filterwarnings("ignore:Benchmark fixture was not used")
def test_payloads(capsys: pytest.CaptureFixture[str]) -> None:
    message = machine_second()
    sides = [arrow(message), json_columns(message), sparkplug(message), json_rows(message), sparkplug_objects(message)]
    for side in sides:
        rows = side.decode()
        for name in NAMES:
            np.testing.assert_array_equal(rows.column(name).to_numpy(), message.rows.column(name).to_numpy())
    rounds = [
        [(seconds(side.encode, side.times), seconds(side.decode, side.times)) for side in sides] for _ in range(ROUNDS)
    ]
    costs = [[median(each) for each in zip(*side, strict=True)] for side in zip(*rounds, strict=True)]
    table = Table(box=None)
    for column in ("payload", "bytes", "bytes a sample", "encoding", "decoding", "samples/s decoded", "of Arrow"):
        table.add_column(column, justify="right")
    samples = CHANNELS * SAMPLES
    for side, (encoding, decoding) in zip(sides, costs, strict=True):
        size = len(side.encode())
        figures = (f"{size:,}", f"{size / samples:.1f}", f"{1e6 * encoding:,.0f} µs", f"{1e6 * decoding:,.0f} µs")
        table.add_row(side.name, *figures, f"{samples / decoding:,.0f}", f"{decoding / costs[0][1]:,.1f}")
    with capsys.disabled():
        title = f"CPU time of a message of {samples} samples (float32), one core, median of {ROUNDS} rounds in turn"
        Console(width=120).print("", title, table, sep="\n")


def machine_second() -> TelemetryMessage:
    rng = np.random.default_rng(0)
    times = pa.array(NOW + 10_000 * np.arange(SAMPLES), pa.int64()).cast(TIME_TYPE)
    columns = {name: pa.array(rng.normal(size=SAMPLES).astype("f4")) for name in NAMES}
    return TelemetryMessage("cnc-001", NOW, 0, NOW, "cnc_signals", pa.record_batch({"event_time": times, **columns}))


def arrow(message: TelemetryMessage) -> Side:
    schema, known = payload_schema(message.asset_type, message.rows.schema), SchemaRegistry()
    known.add(schema)
    payload = encode_arrow(message, schema)
    return Side(
        "Arrow", lambda: encode_arrow(message, schema), lambda: decode_arrow(payload, message.asset, known).rows, 3_000
    )


def json_columns(message: TelemetryMessage) -> Side:
    payload = encode_json(message)
    return Side("JSON columns", lambda: encode_json(message), lambda: decode_json(payload, message.asset).rows, 500)


def sparkplug(message: TelemetryMessage) -> Side:
    """Return Sparkplug B by our reader and writer, with all that a host remembers."""
    metrics = channel_metrics(message.rows.schema, message.asset_type)
    aliases = {metric.name: metric.alias for metric in metrics if metric.alias is not None}
    host = SparkplugHost(SparkplugSettings())
    host.receive(encode_node_birth(NOW, bd_seq=0), topic("spBv1.0/plant/NBIRTH/edge"))
    host.receive(encode_device_birth(NOW, 1, metrics), topic("spBv1.0/plant/DBIRTH/edge/cnc-001"))
    payloads = cycle([encode_data(message, aliases, seq % 256) for seq in range(2, 258)])
    where = topic("spBv1.0/plant/DDATA/edge/cnc-001")

    def decode() -> pa.RecordBatch:
        received = host.receive(next(payloads), where).message
        assert received is not None
        return received.rows

    return Side("Sparkplug B", lambda: encode_data(message, aliases, 2), decode, 500)


def topic(name: str) -> TopicMatch:
    match = DEFAULT_TOPICS[2].match(name)
    assert match is not None
    return match


def json_rows(message: TelemetryMessage) -> Side:
    """Return an object a sample, as many gateways send them."""
    times = message.rows.column("event_time").cast(pa.int64()).to_pylist()
    values = {name: message.rows.column(name).to_pylist() for name in NAMES}

    def encode() -> bytes:
        return orjson.dumps([{"t": t, "ch": name, "v": values[name][n]} for n, t in enumerate(times) for name in NAMES])

    payload = encode()

    def decode() -> pa.RecordBatch:
        rows: dict[int, dict[str, float]] = {}
        for sample in orjson.loads(payload):
            rows.setdefault(sample["t"], {})[sample["ch"]] = sample["v"]
        stamps = pa.array(sorted(rows), pa.int64()).cast(TIME_TYPE)
        of_channels = {name: pa.array([rows[t].get(name) for t in sorted(rows)], pa.float64()) for name in NAMES}
        return pa.record_batch({"event_time": stamps, **of_channels})

    return Side("JSON rows", encode, decode, 100)


def sparkplug_objects(message: TelemetryMessage) -> Side:
    """Return Sparkplug B by Google's protocol buffers, an object a sample."""
    times = [time // 1_000 for time in message.rows.column("event_time").cast(pa.int64()).to_pylist()]
    values = [message.rows.column(name).to_pylist() for name in NAMES]

    def encode() -> bytes:
        payload = Payload(timestamp=NOW // 1_000, seq=2)
        add = payload.metrics.add
        for n, t in enumerate(times):
            for alias in range(CHANNELS):
                add(alias=alias, timestamp=t, float_value=values[alias][n])
        encoded: bytes = payload.SerializeToString()
        return encoded

    payload = encode()

    aliases = dict(enumerate(NAMES))

    def decode() -> pa.RecordBatch:
        # A row for each time, and its readings by channel: what any reader has to make of metrics.
        rows: dict[int, dict[str, float]] = {}
        historical = True
        for metric in Payload.FromString(payload).metrics:
            row = rows.setdefault(metric.timestamp, {})
            if not metric.is_null:
                row[aliases[metric.alias]] = metric.float_value
            historical = historical and metric.is_historical
        stamps = pa.array([1_000 * t for t in sorted(rows)], pa.int64()).cast(TIME_TYPE)
        of_channels = {name: pa.array([rows[t].get(name) for t in sorted(rows)], pa.float32()) for name in NAMES}
        return pa.record_batch({"event_time": stamps, **of_channels})

    return Side("Sparkplug B, protobuf objects", encode, decode, 20)


def seconds(run: Callable[[], object], times: int) -> float:
    """Return the CPU seconds of one run."""
    begin = time.process_time()
    for _ in range(times):
        run()
    return (time.process_time() - begin) / times
