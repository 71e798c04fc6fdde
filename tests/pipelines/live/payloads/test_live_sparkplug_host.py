"""A Sparkplug host's memory: births, aliases, sequences that wrap, losses, deaths and rebirths."""

from collections.abc import Iterable
from contextlib import suppress
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_contracts.streams.intervals import contains
from data_contracts.streams.sessions import AssetSessions, StreamGap, accept_message
from pipelines.live.payloads.payload_error import PayloadError
from pipelines.live.payloads.sparkplug.certificates import encode_rebirth
from pipelines.live.payloads.sparkplug.host import SparkplugHost, SparkplugOutcome, SparkplugSettings, rebirth_topic
from pipelines.live.payloads.sparkplug.node_sequence import NodeSequence, accept_seq
from pipelines.live.payloads.topics import DEFAULT_TOPICS, TopicMatch
from tests.sparkplug_protobuf import Payload

START = 1_790_000_000_000  # milliseconds
FLOAT, DOUBLE, INT8, INT32, INT64, UINT64, BOOLEAN, STRING = 9, 10, 1, 3, 4, 8, 11, 12
BIRTH = (
    {"name": "asset_type", "datatype": STRING, "string_value": "cnc"},
    {"name": "vibration", "alias": 1, "datatype": FLOAT, "is_null": True},
    {"name": "current", "alias": 2, "datatype": DOUBLE, "is_null": True},
)


def topic(kind: str, device: str = "cnc-001", node: str = "edge") -> TopicMatch:
    levels = f"spBv1.0/plant-01/{kind}/{node}" + (f"/{device}" if kind.startswith("D") else "")
    match = DEFAULT_TOPICS[2].match(levels)
    assert match is not None
    return match


def payload(seq: int | None, metrics: Iterable[dict[str, Any]] = (), time: int = START) -> bytes:
    """Return what an edge node sends, by Google's writer; metrics have the payload's time if they say none."""
    timed = [{"timestamp": time, **metric} for metric in metrics]
    message = Payload(timestamp=time, metrics=timed) if seq is None else Payload(timestamp=time, seq=seq, metrics=timed)
    encoded: bytes = message.SerializeToString()
    return encoded


def node_birth(bd_seq: int = 0, seq: int = 0, time: int = START, metrics: Iterable[dict[str, Any]] = ()) -> bytes:
    return payload(seq, [{"name": "bdSeq", "datatype": INT64, "long_value": bd_seq}, *metrics], time)


def born(metrics: Iterable[dict[str, Any]] = BIRTH, settings: SparkplugSettings | None = None) -> SparkplugHost:
    """Return a host that knows a node and its device; the next seq is 2."""
    host = SparkplugHost(settings or SparkplugSettings())
    host.receive(node_birth(), topic("NBIRTH"))
    host.receive(payload(1, metrics), topic("DBIRTH"))
    return host


def data(seq: int, value: float = 1.5, time: int = START) -> bytes:
    return payload(seq, [{"alias": 1, "float_value": value}], time)


def rows_of(outcome: SparkplugOutcome) -> dict[str, list[Any]]:
    assert outcome.message is not None
    columns = outcome.message.rows.to_pydict()
    milliseconds = outcome.message.rows.column("event_time").cast(pa.int64()).to_pylist()
    return {**columns, "event_time": [time // 1_000 - START for time in milliseconds]}


def test_data_by_alias() -> None:
    """Data go by the birth's aliases; their message has the session's epoch and the asset's own sequence."""
    host = born()
    message = host.receive(data(2, time=START + 5), topic("DDATA")).message
    assert message is not None
    assert (message.asset, message.asset_type, message.historical) == ("cnc-001", "cnc", False)
    assert (message.epoch, message.sequence, message.sent) == (1_000 * START, 0, 1_000 * (START + 5))
    assert [str(kind) for kind in message.rows.schema.types] == ["timestamp[us, tz=UTC]", "float", "double"]
    following = host.receive(data(3), topic("DDATA")).message
    assert following is not None
    assert following.sequence == 1


def test_metrics_of_one_time_are_one_row() -> None:
    """Metrics in any order become rows by time; a channel that a time does not have is null in its row."""
    metrics = [
        {"alias": 1, "timestamp": START + 20, "float_value": 3.0},
        {"alias": 2, "timestamp": START + 10, "double_value": 0.5},
        {"alias": 1, "timestamp": START + 10, "float_value": 2.0},
        {"alias": 2, "timestamp": START + 30, "is_null": True},
    ]
    assert rows_of(born().receive(payload(2, metrics), topic("DDATA"))) == {
        "event_time": [10, 20, 30],
        "vibration": [2.0, 3.0, None],
        "current": [0.5, None, None],
    }


def test_two_values_at_one_time_are_two_rows() -> None:
    """A second value of a channel at one time does not replace the first: what it means is for the contract."""
    metrics = [
        {"alias": 1, "timestamp": START + 10, "float_value": 1.0},
        {"alias": 1, "timestamp": START, "float_value": 0.0},
        {"alias": 1, "timestamp": START + 10, "float_value": 2.0},
        {"alias": 2, "timestamp": START + 10, "double_value": 5.0},
    ]
    assert rows_of(born().receive(payload(2, metrics), topic("DDATA"))) == {
        "event_time": [0, 10, 10],
        "vibration": [0.0, 1.0, 2.0],
        "current": [None, 5.0, None],
    }


def test_data_by_name_and_metrics_that_are_no_channels() -> None:
    """Aliases are optional; texts, transient metrics and those of the node's own folders are left out, and named."""
    metrics = [
        *BIRTH,
        {"name": "program", "alias": 3, "datatype": STRING, "string_value": "O1"},
        {"name": "Node Info/uptime", "alias": 4, "datatype": INT64, "long_value": 1},
        {"name": "source", "alias": 5, "datatype": DOUBLE, "double_value": 1.0},
    ]
    host = SparkplugHost(SparkplugSettings())
    host.receive(node_birth(), topic("NBIRTH"))
    assert host.receive(payload(1, metrics), topic("DBIRTH")).left_out == (
        "asset_type",
        "program",
        "Node Info/uptime",
        "source",
    )
    sent = [
        {"name": "vibration", "float_value": 2.0},
        {"alias": 2, "double_value": 9.0, "is_transient": True},
        {"alias": 3, "string_value": "O2"},
        {"alias": 4, "long_value": 2},
    ]
    assert rows_of(host.receive(payload(2, sent), topic("DDATA"))) == {
        "event_time": [0],
        "vibration": [2.0],
        "current": [None],
    }
    assert host.receive(payload(3, sent[2:]), topic("DDATA")).message is None


def test_numbers_of_every_type() -> None:
    """Signed numbers are sent as unsigned ones with their bits; truth values are 0 and 1."""
    cases = [
        (INT8, {"int_value": 0xFF}, -1.0),
        (INT8, {"int_value": 0xFFFF_FFFF}, -1.0),
        (2, {"int_value": 0x8000}, -32768.0),
        (INT32, {"int_value": 2**32 - 5}, -5.0),
        (INT64, {"long_value": 2**64 - 7}, -7.0),
        (5, {"int_value": 200}, 200.0),
        (7, {"int_value": 2**32 - 1}, 4294967295.0),
        (UINT64, {"long_value": 2**53}, 2.0**53),
        (BOOLEAN, {"boolean_value": True}, 1.0),
        (DOUBLE, {"float_value": 0.5}, 0.5),
        (FLOAT, {"double_value": 0.1}, 0.1),
    ]
    birth = [{"name": f"c{n}", "alias": n, "datatype": kind, "is_null": True} for n, (kind, _, _) in enumerate(cases)]
    host = born([*BIRTH[:1], *birth])
    sent = [{"alias": n, **value} for n, (_, value, _) in enumerate(cases)]
    rows = rows_of(host.receive(payload(2, sent), topic("DDATA")))
    assert [rows[f"c{n}"][0] for n in range(len(cases))] == [number for _, _, number in cases]


@pytest.mark.parametrize(
    ("metric", "reason", "message"),
    [
        ({"alias": 9, "float_value": 1.0}, "no birth certificate", "alias 9, which no birth has announced"),
        ({"name": "speed", "float_value": 1.0}, "no birth certificate", "metric 'speed', which no birth"),
        ({"float_value": 1.0}, "invalid value", "neither alias nor name"),
        ({"alias": 1}, "invalid value", "with no value, and not null"),
        ({"alias": 2, "string_value": "NaN"}, "invalid value", "one with another value"),
        ({"alias": 3, "long_value": 2**53 + 1}, "invalid value", r"beyond 2\*\*53"),
        ({"alias": 3, "long_value": 2**64 - 1}, "invalid value", r"beyond 2\*\*53"),
        ({"alias": 1, "float_value": 1.0, "timestamp": 2**62}, "absurd time", "timestamp 4611686018427387904"),
        ({"alias": 1, "float_value": 1.0, "timestamp": 2**64 - 1}, "absurd time", "timestamp -1"),
    ],
)
def test_what_is_wrong_is_named(metric: dict[str, Any], reason: str, message: str) -> None:
    """Data that cannot be read are refused, and count in the sequence all the same."""
    host = born([*BIRTH, {"name": "count", "alias": 3, "datatype": UINT64, "is_null": True}])
    with pytest.raises(PayloadError, match=message) as caught:
        host.receive(payload(2, [metric]), topic("DDATA"))
    assert caught.value.reason == reason
    outcome = host.receive(data(3), topic("DDATA"))
    assert outcome.message is not None
    assert (outcome.message.sequence, outcome.gaps) == (0, ())


def test_qualities() -> None:
    """The property Quality says how good a reading is; a number that is no standard one stays what it is."""
    metrics = [
        {"alias": 1, "timestamp": START + n, "float_value": 1.0, "properties": _quality(code)}
        for n, code in enumerate((0, 192, 500, 520))
    ]
    plain = {
        "alias": 1,
        "timestamp": START + 4,
        "float_value": 1.0,
        "properties": {"keys": ["unit"], "values": [{"type": 12, "string_value": "A"}]},
    }
    rows = rows_of(born().receive(payload(2, [*metrics, plain]), topic("DDATA")))
    assert rows["vibration__quality"] == ["bad", "good", "uncertain", "520", None]
    assert rows["vibration"] == [1.0] * 5
    assert "current__quality" not in rows
    unequal = {**metrics[0], "properties": {"keys": ["Quality"], "values": []}}
    with pytest.raises(PayloadError, match="1 names of properties and 0 values"):
        born().receive(payload(2, [unequal]), topic("DDATA"))


def _quality(code: int) -> dict[str, Any]:
    return {"keys": ["Quality"], "values": [{"type": 3, "int_value": code}]}


def test_historical_readings() -> None:
    """A message is historical if all its readings are."""
    old, new = {"alias": 1, "float_value": 1.0, "is_historical": True}, {"alias": 2, "double_value": 1.0}
    for metrics, historical in (([old], True), ([old, new], False)):
        message = born().receive(payload(2, metrics), topic("DDATA")).message
        assert message is not None
        assert message.historical == historical


def test_values_at_birth_are_readings() -> None:
    """A channel that is only sent when it changes has its value in the birth; one that has none yet says nothing."""
    host = SparkplugHost(SparkplugSettings())
    host.receive(node_birth(), topic("NBIRTH"))
    assert host.receive(payload(1, BIRTH), topic("DBIRTH")).message is None
    with_value = [*BIRTH[:2], {**BIRTH[2], "is_null": False, "double_value": 7.0}]
    rows = rows_of(host.receive(payload(2, with_value), topic("DBIRTH")))
    assert rows == {"event_time": [0], "vibration": [None], "current": [7.0]}


def test_data_before_a_birth() -> None:
    """Nothing is guessed of a node, a device or an alias that no birth has announced; a rebirth is asked for."""
    host = SparkplugHost(SparkplugSettings())
    for kind in ("NDATA", "DDATA", "DBIRTH", "DDEATH"):
        with pytest.raises(PayloadError, match=f"{kind} of plant-01/edge, which no birth") as caught:
            host.receive(data(2), topic(kind))
        assert caught.value.reason == "no birth certificate"
    host.receive(node_birth(), topic("NBIRTH"))
    with pytest.raises(PayloadError, match=r"DDATA of .*/cnc-001, which no birth"):
        host.receive(data(1), topic("DDATA"))
    assert rebirth_topic(topic("DDATA")) == "spBv1.0/plant-01/NCMD/edge"


def test_deaths() -> None:
    """After its death neither node nor device has data; the death of an earlier connection ends nothing."""
    host = born()
    host.receive(payload(None, [{"name": "bdSeq", "datatype": INT64, "long_value": 9}]), topic("NDEATH"))
    assert host.receive(data(2), topic("DDATA")).message
    host.receive(payload(3), topic("DDEATH"))
    with pytest.raises(PayloadError, match="no birth has announced"):
        host.receive(data(4), topic("DDATA"))
    assert host.receive(payload(5, BIRTH), topic("DBIRTH")).gaps == ()
    assert host.receive(data(6), topic("DDATA")).message
    host.receive(payload(None, [{"name": "bdSeq", "datatype": INT64, "long_value": 0}]), topic("NDEATH"))
    with pytest.raises(PayloadError, match="no birth has announced"):
        host.receive(data(7), topic("DDATA"))


def test_a_rebirth_is_a_new_session() -> None:
    """Node and devices start again with another epoch; the birth that was received before is a duplicate."""
    host = born()
    assert host.receive(node_birth(), topic("NBIRTH")).duplicate
    assert host.receive(data(2), topic("DDATA")).message
    host.receive(node_birth(time=START + 60_000), topic("NBIRTH"))
    with pytest.raises(PayloadError, match="no birth has announced"):
        host.receive(data(1), topic("DDATA"))
    host.receive(payload(2, BIRTH), topic("DBIRTH"))
    message = host.receive(data(3), topic("DDATA")).message
    assert message is not None
    assert (message.epoch, message.sequence) == (1_000 * (START + 60_000), 0)


def test_epochs_of_connections_differ_by_birth_death_sequence() -> None:
    """Two births of one millisecond are two sessions if they are of two connections."""
    host = SparkplugHost(SparkplugSettings(asset_type="edge"))
    metric = {"name": "voltage", "alias": 1, "datatype": FLOAT, "float_value": 12.5}
    epochs = []
    for bd_seq in (3, 4):
        message = host.receive(node_birth(bd_seq, metrics=[metric]), topic("NBIRTH")).message
        assert message is not None
        assert (message.asset, message.asset_type) == ("edge", "edge")
        epochs.append(message.epoch)
    assert epochs == [1_000 * START + 3, 1_000 * START + 4]


def test_lost_messages_are_gaps_of_every_asset_of_the_node() -> None:
    """Which device a lost message was of cannot be known: each gets a row, and the node is asked for a rebirth."""
    host = born()
    host.receive(
        payload(2, [{**metric, "alias": metric.get("alias", 0) + 10} for metric in BIRTH]), topic("DBIRTH", "cnc-002")
    )
    host.receive(data(3, time=START + 1), topic("DDATA"))
    host.receive(payload(4, [{"alias": 11, "float_value": 1.0}], START + 2), topic("DDATA", "cnc-002"))
    outcome = host.receive(data(7, time=START + 9), topic("DDATA"))
    assert outcome.message is not None
    assert outcome.message.sequence == 1
    assert outcome.rebirth == "spBv1.0/plant-01/NCMD/edge"
    detail = "messages 5 to 6 of edge node plant-01/edge, of any of its devices"
    assert outcome.gaps == tuple(
        StreamGap(asset, 1_000 * START, "gap", None, None, 1_000 * (START + before), 1_000 * (START + 9), detail)
        for asset, before in (("cnc-001", 1), ("cnc-002", 2))
    )
    late = host.receive(data(6), topic("DDATA"))
    assert late.message is not None
    assert [(gap.asset, gap.kind, gap.detail) for gap in late.gaps] == [
        (asset, "late", "message 6 of edge node plant-01/edge, of any of its devices")
        for asset in ("cnc-001", "cnc-002")
    ]
    assert host.receive(data(6), topic("DDATA")).duplicate
    assert host.receive(data(8), topic("DDATA")).rebirth is None


def test_a_gap_before_a_refused_message_is_not_lost() -> None:
    """What is noticed with a message that cannot be read comes with the next one."""
    host = born()
    host.receive(data(2), topic("DDATA"))
    with pytest.raises(PayloadError):
        host.receive(payload(5, [{"alias": 1}]), topic("DDATA"))
    assert [gap.detail for gap in host.receive(data(6), topic("DDATA")).gaps] == [
        "messages 3 to 4 of edge node plant-01/edge, of any of its devices"
    ]


def test_settings_name_assets_channels_and_types() -> None:
    """Settings say which device is which asset, which metric which channel, and the type where a birth has none."""
    settings = SparkplugSettings("lathe", {"plant-01/edge/cnc-001": "L-7"}, {"Spindle/Vib": "vibration"})
    metrics = [
        {"name": "Spindle/Vib", "alias": 1, "datatype": FLOAT, "float_value": 1.0},
        {"name": "other", "alias": 2, "datatype": FLOAT, "float_value": 1.0},
    ]
    host = SparkplugHost(settings)
    host.receive(node_birth(), topic("NBIRTH"))
    outcome = host.receive(payload(1, metrics), topic("DBIRTH"))
    assert outcome.message is not None
    assert (outcome.message.asset, outcome.message.asset_type) == ("L-7", "lathe")
    assert outcome.message.channels == ("vibration",)
    assert outcome.left_out == ("other",)


def test_data_without_an_asset_type_are_refused() -> None:
    """Where neither birth nor settings say what an asset is, its data are kept for when they do."""
    host = SparkplugHost(SparkplugSettings())
    host.receive(node_birth(), topic("NBIRTH"))
    host.receive(payload(1, BIRTH[1:]), topic("DBIRTH"))
    with pytest.raises(PayloadError, match="data of cnc-001 without an asset type"):
        host.receive(data(2), topic("DDATA"))


@pytest.mark.parametrize(
    ("metrics", "message"),
    [
        ([{"alias": 1, "datatype": FLOAT}], "without a name"),
        ([BIRTH[1], BIRTH[1]], "metric 'vibration' twice"),
        ([BIRTH[1], {**BIRTH[2], "alias": 1}], "alias 1 twice"),
    ],
)
def test_a_birth_that_is_none(metrics: list[dict[str, Any]], message: str) -> None:
    """A birth that announces nothing by which data could go is refused, and its device is not born."""
    host = born()
    with pytest.raises(PayloadError, match=message):
        host.receive(payload(2, metrics), topic("DBIRTH"))
    with pytest.raises(PayloadError, match="no birth has announced"):
        host.receive(data(3), topic("DDATA"))


@pytest.mark.parametrize(
    ("encoded", "kind", "message"),
    [
        (payload(0), "NBIRTH", "no metric bdSeq"),
        (payload(0, [{"name": "bdSeq", "string_value": "0"}]), "NBIRTH", "bdSeq that is no whole number"),
        (payload(None, [{"name": "bdSeq", "datatype": INT64, "long_value": 0}]), "NBIRTH", "seq None"),
        (payload(256), "DDATA", r"seq 256\. Expected 0 to 255"),
        (payload(0), "XDATA", "topic spBv1.0/plant-01/XDATA/edge"),
        (payload(0), "DATA", "topic spBv1.0/plant-01/DATA/edge/cnc-001"),
    ],
)
def test_messages_that_are_none(encoded: bytes, kind: str, message: str) -> None:
    """What the specification wants of every message is wanted."""
    with pytest.raises(PayloadError, match=message):
        born().receive(encoded, topic(kind))


def test_commands_are_not_data() -> None:
    """A host receives its own commands, and those of others; they say nothing about readings."""
    assert born().receive(encode_rebirth(1_000 * START), topic("NCMD")) == SparkplugOutcome()


@given(st.lists(st.integers(0, 3), max_size=900), st.randoms(use_true_random=False))
def test_sequences_go_on_rising(fates: list[int], random: Any) -> None:
    """However many messages are lost, doubled or late by some, the numbers of those that arrive are the true ones."""
    sent = [number for number, fate in enumerate(fates) if fate != 0 for _ in range(2 if fate == 2 else 1)]
    # Late by up to ten places, and never more than 127 lost in a row.
    arriving = sorted(sent, key=lambda number: number + random.randint(0, 10))
    sequence, accepted = NodeSequence(-1), []
    for number in arriving:
        if number - sequence.last > 100 or (not accepted and number > 100):
            break
        arrival = accept_seq(sequence, number % 256)
        sequence = arrival.sequence
        assert arrival.number == number
        assert arrival.duplicate == (number in accepted)
        if not arrival.duplicate:
            accepted.append(number)
    missing = set(range(sequence.last + 1)) - set(accepted)
    assert all(contains(sequence.missing, number) == (number in missing) for number in range(sequence.last + 2))


KINDS = ["NBIRTH", "DBIRTH", "NDATA", "DDATA", "DDEATH", "NDEATH", "NCMD"]


@given(
    st.lists(
        st.tuples(
            st.sampled_from(KINDS),
            st.integers(0, 5),
            st.integers(0, 3),
            st.sampled_from(
                [[], BIRTH, [{"alias": 1, "float_value": 1.0}], [{"name": "bdSeq", "long_value": 1, "datatype": 4}]]
            ),
            st.lists(st.tuples(st.integers(0, 200), st.integers(0, 255)), max_size=2),
        ),
        max_size=20,
    )
)
def test_nothing_but_payload_errors(steps: list[tuple[str, int, int, list[Any], list[tuple[int, int]]]]) -> None:
    """Under any messages in any order, damaged ones too, sequences of an asset count up, and errors are ours."""
    host, known = SparkplugHost(SparkplugSettings()), AssetSessions("cnc-001")
    for kind, seq, time, metrics, changes in steps:
        encoded = bytearray(payload(seq, metrics, START + time))
        for place, byte in changes:
            encoded[place % len(encoded)] = byte
        with suppress(PayloadError):
            message = host.receive(bytes(encoded), topic(kind)).message
            if message is not None and message.asset == "cnc-001":
                arrival = accept_message(known, message.epoch, message.sequence)
                known = arrival.sessions
                assert all(row.kind != "gap" for row in arrival.rows)
