"""The MTConnect bridge, against a small agent: readings, restarts, an outage longer than the agent's buffer."""

import asyncio
import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("defusedxml", reason="the extra forewarn[live] is not installed")

from data_contracts.errors import StorageError, UsageError
from pipelines.live.bridging.assembly import Assembler, AssemblyRules, Hole
from pipelines.live.broker.start_broker import free_port
from pipelines.live.mtconnect.documents import DocumentError, read_devices, read_streams
from pipelines.live.mtconnect.draft import probe_draft
from pipelines.live.mtconnect.mtconnect_settings import AgentSection, MtconnectMapping, read_mtconnect_mapping
from pipelines.live.mtconnect.mtconnect_source import MtconnectSource
from pipelines.live.mtconnect.position import PositionFile
from tests.live_ingester import wait_for
from tests.live_sources import Reading, running
from tests.mtconnect_agent import MtconnectTestAgent, running_agent

START = 1_790_000_000_000_000
MAPPING = """
plant = "plant-01"
[agent]
url = "{url}"
poll = "50ms"
reconnect_within = "1s"
[spool]
folder = "spool"
[[machines]]
assets = ["mill-1", "mill-2"]
asset_type = "mill"
[machines.data_items]
load = "{load}"
vibration = "{{asset}}.vib"
[machines.units]
load = "{unit}"
"""


@pytest.fixture
def agent() -> Iterator[MtconnectTestAgent]:
    with running_agent() as agent:
        yield agent


def _mapping(folder: Path, url: str, *, load: str = "load", unit: str = "PERCENT") -> MtconnectMapping:
    file = folder / "map.toml"
    file.write_text(MAPPING.format(url=url, load=load, unit=unit))
    return read_mtconnect_mapping(file)


@contextmanager
def _reading(
    mapping: MtconnectMapping,
    folder: Path | None = None,
    *,
    answered: bool = True,
    last_times: Mapping[str, int] = MappingProxyType({}),
) -> Iterator[Reading]:
    holes: list[Hole] = []
    channels = {asset: tuple(group.data_items) for group in mapping.machines for asset in group.assets}
    rules = AssemblyRules(patience=0.2, qualities=True)
    assembler = Assembler(channels, rules, on_hole=holes.append, clock=time.monotonic)
    source = MtconnectSource(mapping, assembler, PositionFile(folder, 0.6), holes.append, last_times)
    reading = Reading(source, assembler, holes)
    with running(reading):
        if answered:
            wait_for(lambda: reading.source.counts["answers"] > 0)
        yield reading
    reading.batches += assembler.take(everything=True)
    reading.source.finish()


def test_observations_become_rows(tmp_path: Path, agent: MtconnectTestAgent) -> None:
    """Samples have their own times, a series those before its own; UNAVAILABLE is no number, and no hole."""
    with _reading(_mapping(tmp_path, agent.url)) as reading:
        for number in range(3):
            agent.add("mill-1.load", START + number * 1_000_000, str(number))
        agent.add("mill-1.vib", START + 990_000, "1.5 2.5 3.5", ' sampleRate="100" sampleCount="3"')
        agent.add("mill-1.load", START + 3_000_000, "UNAVAILABLE")
        agent.add("mill-1.load", START + 90_000_000, "7")
        agent.add("mill-1.load", START + 91_000_000, "on")
        agent.add("mill-1.other", START + 91_000_000, "5")
        wait_for(lambda: None in reading.column("mill-1", "load")[-1:] and len(reading.column("mill-1", "load")) == 9)
    assert reading.column("mill-1", "load") == [0.0, None, None, None, 1.0, 2.0, None, 7.0, None]
    assert reading.column("mill-1", "vibration") == [None, 1.5, 2.5, 3.5, None, None, None, None, None]
    assert reading.column("mill-1", "load__quality")[-3:] == ["bad", "good", "bad"]
    times = [each.value - START for _, rows in reading.batches for each in rows.column("event_time")]
    assert times[:5] == [0, 970_000, 980_000, 990_000, 1_000_000]
    assert reading.column("mill-2", "load") == []
    assert (reading.holes, reading.source.counts["no_numbers"]) == ([], 1)


def test_an_outage_longer_than_the_buffer_is_a_gap(tmp_path: Path, agent: MtconnectTestAgent) -> None:
    """What the agent no longer has is reported for every machine, by its numbers and the times around it."""
    with _reading(_mapping(tmp_path, agent.url)) as reading:
        for number in range(10):
            agent.add("mill-1.load", START + number * 1_000_000, str(number))
        wait_for(lambda: len(reading.column("mill-1", "load")) >= 9)
        agent.answers = False
        wait_for(lambda: reading.source.problem != "")
        for number in range(10, 110):
            agent.add(f"mill-{1 + number % 2}.load", START + number * 1_000_000, str(number))
        agent.answers = True
        wait_for(lambda: 109.0 in reading.column("mill-2", "load"))
    assert reading.column("mill-1", "load") == [*range(10), *range(60, 110, 2)]
    assert reading.column("mill-2", "load") == [*range(61, 111, 2)]
    assert [(hole.kind, hole.asset, hole.first_time, hole.last_time) for hole in reading.holes] == [
        ("agent_buffer", "mill-1", START + 9_000_000, START + 60_000_000),
        ("agent_buffer", "mill-2", None, START + 61_000_000),
    ]
    assert "observations 11 to 60" in reading.holes[0].detail


def test_a_shorter_outage_loses_nothing(tmp_path: Path, agent: MtconnectTestAgent) -> None:
    """What the agent still has is read when it answers again."""
    with _reading(_mapping(tmp_path, agent.url)) as reading:
        agent.add("mill-1.load", START, "0")
        wait_for(lambda: len(reading.column("mill-1", "load")) == 1)
        agent.answers = False
        wait_for(lambda: "out of reach" in reading.source.problem)
        for number in range(1, 40):
            agent.add("mill-1.load", START + number * 1_000_000, str(number))
        agent.answers = True
        wait_for(lambda: 39.0 in reading.column("mill-1", "load"))
    assert reading.column("mill-1", "load") == [*range(40)]
    assert reading.holes == []


@pytest.mark.parametrize("later", [3, 45])
def test_an_agent_that_starts_again_is_a_gap(tmp_path: Path, agent: MtconnectTestAgent, later: int) -> None:
    """Its numbers begin anew, below or above where the bridge stood: all it has now is read."""
    with _reading(_mapping(tmp_path, agent.url)) as reading:
        for number in range(20):
            agent.add("mill-1.load", START + number * 1_000_000, str(number))
        wait_for(lambda: 19.0 in reading.column("mill-1", "load"))
        agent.answers = False
        wait_for(lambda: reading.source.problem != "")
        agent.restart()
        for number in range(100, 100 + later):
            agent.add("mill-1.load", START + number * 1_000_000, str(number))
        agent.answers = True
        wait_for(lambda: float(99 + later) in reading.column("mill-1", "load"))
    assert reading.column("mill-1", "load") == [*range(20), *range(100, 100 + later)]
    assert [(hole.kind, hole.asset, hole.first_time, hole.last_time) for hole in reading.holes] == [
        ("restart", "mill-1", START + 19_000_000, START + 100_000_000),
        ("restart", "mill-2", None, None),
    ]


def test_a_bridge_that_starts_again_goes_on_where_it_stopped(tmp_path: Path, agent: MtconnectTestAgent) -> None:
    """The agent's buffer bridges the time in which the bridge was not there."""
    mapping = _mapping(tmp_path, agent.url)
    with _reading(mapping, tmp_path) as before:
        agent.add("mill-1.load", START, "0")
        wait_for(lambda: before.column("mill-1", "load") == [0.0])
    for number in range(1, 30):
        agent.add("mill-1.load", START + number * 1_000_000, str(number))
    with _reading(mapping, tmp_path) as after:
        wait_for(lambda: 29.0 in after.column("mill-1", "load"))
    assert after.column("mill-1", "load") == [*range(1, 30)]
    assert after.holes == []


def test_what_is_read_again_after_a_crash_is_taken_once(tmp_path: Path, agent: MtconnectTestAgent) -> None:
    """Rows that had been kept are left out; of what nobody had read everything is taken, also at earlier times."""
    mapping, file = _mapping(tmp_path, agent.url), tmp_path / "mtconnect.json"
    with _reading(mapping, tmp_path) as before:
        for number in range(5):
            agent.add("mill-1.load", START + number * 1_000_000, str(number))
        wait_for(lambda: 4.0 in before.column("mill-1", "load"))
        crashed = json.loads(file.read_text())
    file.write_text(json.dumps({**crashed, "next": crashed["read"][1] - 5}))
    agent.add("mill-1.load", START + 5_000_000, "5")
    agent.add("mill-1.load", START + 2_500_000, "6")
    with _reading(mapping, tmp_path, last_times={"mill-1": START + 3_000_000}) as after:
        wait_for(lambda: {5.0, 6.0} <= set(after.column("mill-1", "load")))
    assert sorted(filter(None, after.column("mill-1", "load"))) == [4.0, 5.0, 6.0]


def test_a_position_is_kept_only_once_its_readings_are_safe(tmp_path: Path) -> None:
    """A crash may read again what was read shortly before it, and skips nothing."""
    from pipelines.live.mtconnect.position import Position

    file = PositionFile(tmp_path, 5.0)
    file.note(Position(1, 10), now=0.0)
    file.note(Position(1, 20), now=4.0)
    assert file.load() is None
    file.note(Position(1, 30), now=6.0)
    assert PositionFile(tmp_path, 5.0).load() == Position(1, 10)
    file.finish()
    assert PositionFile(tmp_path, 5.0).load() == Position(1, 30)


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"load": "lode"}, "has no data item 'lode'"),
        ({"unit": "NEWTON"}, "is in PERCENT, not in NEWTON"),
        ({"url": "http://127.0.0.1:{port}"}, "out of reach"),
        ({"url": "{agent}/nowhere"}, "HTTP status 404"),
    ],
)
def test_what_the_agent_does_not_have_is_refused(
    tmp_path: Path, agent: MtconnectTestAgent, changes: dict[str, str], found: str
) -> None:
    """With what was found, and what the agent has instead."""
    given = {"url": agent.url, **changes}
    given["url"] = given["url"].format(port=free_port(), agent=agent.url)
    assembler = Assembler({}, AssemblyRules(), on_hole=lambda _: None, clock=time.monotonic)
    source = MtconnectSource(_mapping(tmp_path, **given), assembler, PositionFile(None, 1), lambda _: None)
    with pytest.raises((UsageError, StorageError), match=found):
        asyncio.run(source.run(once=True))


def test_a_draft_is_a_mapping(tmp_path: Path, agent: MtconnectTestAgent) -> None:
    """Devices that are alike share a group, with the units that the agent says."""
    draft = asyncio.run(probe_draft(AgentSection(url=agent.url)))
    file = tmp_path / "draft.toml"
    file.write_text(draft.text)
    (group,) = read_mtconnect_mapping(file).machines
    assert (group.assets, draft.counts["data_items"]) == (("mill-1", "mill-2"), 4)
    assert group.data_items == {"load": "load", "vib": "vib"}
    assert group.units == {"load": "PERCENT", "vib": "MILLIMETER"}


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_arbitrary_bytes_are_no_document(content: bytes) -> None:
    """Whatever an address answers, the error is one."""
    for read in (read_streams, read_devices):
        with pytest.raises(DocumentError):
            read(content)


def test_entities_are_not_expanded() -> None:
    """A document that grows when it is read is refused."""
    bomb = b'<!DOCTYPE a [<!ENTITY b "bbbbbbbb">]><MTConnectStreams>&b;</MTConnectStreams>'
    with pytest.raises(DocumentError):
        read_streams(bomb)
