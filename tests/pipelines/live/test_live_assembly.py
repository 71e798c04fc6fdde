"""Readings of single channels become rows: each once, in order, whatever order the channels come in."""

from collections.abc import Callable

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from pipelines.live.bridging.assembly import Assembler, AssemblyRules, Hole
from pipelines.live.bridging.channel import BAD, GOOD, UNCERTAIN

CHANNELS = ("load", "speed")
SECOND = 1_000_000


class Clock:
    """A clock that a test moves."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def _assembler(clock: Callable[[], float], holes: list[Hole] | None = None, **rules: object) -> Assembler:
    on_hole = (lambda _: None) if holes is None else holes.append
    return Assembler({"a": CHANNELS}, AssemblyRules(**rules), on_hole=on_hole, clock=clock)  # type: ignore[arg-type]


def _cells(batches: list[tuple[str, pa.RecordBatch]]) -> dict[tuple[int, str], float]:
    cells: dict[tuple[int, str], float] = {}
    for _, rows in batches:
        for channel in CHANNELS:
            for time, value in zip(rows.column("event_time"), rows.column(channel).to_pylist(), strict=True):
                if value is not None:
                    assert (time.value, channel) not in cells
                    cells[time.value, channel] = value
    return cells


@given(st.data())
def test_every_reading_is_in_one_row(data: st.DataObject) -> None:
    """Of each channel in its order, the channels in any: nothing is lost or doubled, and rows never go back in time."""
    clock = Clock()
    assembler = _assembler(clock)
    steps = st.lists(st.integers(1, 900_000), max_size=30)
    times = {channel: np.cumsum(data.draw(steps)).astype(int).tolist() for channel in CHANNELS}
    left = {channel: list(values) for channel, values in times.items()}
    batches: list[tuple[str, pa.RecordBatch]] = []
    while any(left.values()):
        channel = data.draw(st.sampled_from([name for name, values in left.items() if values]))
        time = left[channel].pop(0)
        assembler.add("a", channel, time, float(time), GOOD)
        if data.draw(st.booleans()):
            batches += assembler.take()
    batches += assembler.take(everything=True)
    assert _cells(batches) == {(time, name): float(time) for name, values in times.items() for time in values}
    rows = [time.value for _, batch in batches for time in batch.column("event_time")]
    assert rows == sorted(set(rows))
    assert all(len({time.value // SECOND for time in batch.column("event_time")}) == 1 for _, batch in batches)
    assert assembler.late == 0


def test_a_second_is_out_once_all_channels_are_past_it() -> None:
    """And after the patience where one of them lags; what comes for it later is counted and left out."""
    clock = Clock()
    assembler = _assembler(clock, patience=2.0)
    for time in range(0, 2_500_000, 500_000):
        assembler.add("a", "load", time, 1.0, GOOD)
    assert assembler.take() == []
    clock.now = 2.0
    assert [rows.num_rows for _, rows in assembler.take()] == [2, 2]
    assembler.add("a", "speed", 500_000, 1.0, GOOD)
    assembler.add("a", "speed", 3_000_000, 1.0, GOOD)
    clock.now = 10.0
    assert [rows.num_rows for _, rows in assembler.take()] == [1, 1]
    assert assembler.late == 1


def test_series_are_out_at_once() -> None:
    """A series is complete up to its end, so that nothing waits for the next."""
    assembler = _assembler(Clock())
    for channel in CHANNELS:
        assembler.add_series("a", channel, np.arange(100) * 10_000, np.arange(100.0), GOOD, interval=10_000)
    ((_, rows),) = assembler.take()
    assert rows.num_rows == 100
    assert rows.column("load").to_pylist() == [float(number) for number in range(100)]


def test_qualities_decide_what_is_null() -> None:
    """NaN and infinity are no numbers, whatever the status says."""
    for qualities, expected in ((False, [1.0, None, None, None]), (True, [1.0, 2.0, None, None])):
        assembler = _assembler(Clock(), qualities=qualities)
        readings = [(1.0, GOOD), (2.0, UNCERTAIN), (3.0, BAD), (float("nan"), GOOD)]
        for number, (value, quality) in enumerate(readings):
            assembler.add("a", "load", number, value, quality)
        ((_, rows),) = assembler.take(everything=True)
        assert rows.column("load").to_pylist() == expected
    assert rows.schema.names == ["event_time", "load", "load__quality", "speed", "speed__quality"]


def test_an_unchanged_value_is_repeated_where_asked_for() -> None:
    """Over batches too; before the first reading there is nothing to repeat."""
    assembler = _assembler(Clock(), repeat=True)
    assembler.add("a", "speed", 0, 9.0, GOOD)
    assembler.add("a", "load", 1, 5.0, GOOD)
    assembler.add("a", "speed", 2, 8.0, GOOD)
    ((_, first),) = assembler.take(everything=True)
    assembler.add("a", "speed", SECOND, 7.0, GOOD)
    ((_, second),) = assembler.take(everything=True)
    assert first.column("load").to_pylist() == [None, 5.0, 5.0]
    assert first.column("speed").to_pylist() == [9.0, 9.0, 8.0]
    assert second.column("load").to_pylist() == [5.0]


def test_aligned_readings_share_rows() -> None:
    """Channels that are sampled one after another, on a grid."""
    assembler = _assembler(Clock(), align=10_000)
    assembler.add("a", "load", 20_001, 1.0, GOOD)
    assembler.add("a", "speed", 20_900, 2.0, GOOD)
    assembler.add("a", "speed", 29_999, 3.0, GOOD)
    ((_, rows),) = assembler.take(everything=True)
    assert rows.num_rows == 1
    assert (rows.column("load")[0].as_py(), rows.column("speed")[0].as_py()) == (1.0, 3.0)


def test_a_hole_is_reported_once_and_only_around_an_interruption() -> None:
    """Both channels of a machine miss the same time; otherwise a pause is a value that does not change."""
    holes: list[Hole] = []
    assembler = _assembler(Clock(), holes)
    for time in (0, 60 * SECOND):
        for channel in CHANNELS:
            assembler.add("a", channel, time, 1.0, GOOD)
    assert holes == []
    assembler.interrupt(["a"], "cut")
    for channel in CHANNELS:
        assembler.add("a", channel, 120 * SECOND, 1.0, GOOD)
        assembler.add("a", channel, 180 * SECOND, 1.0, GOOD)
    assert holes == [Hole("a", "cut", 60 * SECOND, 120 * SECOND)]


def test_a_second_that_waited_for_long_costs_the_next_one_nothing() -> None:
    """Also its first reading, which is of the very moment at which the second before ends."""
    clock = Clock()
    assembler = _assembler(clock, patience=1.0)
    batches = []
    for second in range(3):
        for channel in CHANNELS[: 1 if second == 0 else None]:
            times = second * SECOND + np.arange(100) * 10_000
            assembler.add_series("a", channel, times, np.full(100, 1.0), GOOD, interval=10_000)
        clock.now += 3.0
        batches += assembler.take()
    assert (assembler.late, sum(rows.num_rows for _, rows in batches)) == (0, 300)


def test_a_clock_that_was_ahead_for_a_second_costs_nothing() -> None:
    """What it dated an hour ahead goes out as it was said; what follows at the right time is not late, nor a gap."""
    clock, hour, holes, batches = Clock(), 3600 * SECOND, list[Hole](), []
    wall = lambda: round(clock.now * 1e9)  # noqa: E731
    assembler = Assembler({"a": CHANNELS}, AssemblyRules(), on_hole=holes.append, clock=clock, now=wall)
    for second in range(5):
        clock.now = second + 1.0
        offset = hour if second == 2 else 0
        for channel in CHANNELS:
            times = offset + second * SECOND + np.arange(100) * 10_000
            assembler.add_series("a", channel, times, np.full(100, float(second)), GOOD, interval=10_000)
        batches += assembler.take()
    batches += assembler.take(everything=True)
    right = {time: value for (time, name), value in _cells_of(batches, "load").items() if time < hour}
    assert len(right) == 400
    assert sum(time >= hour for time, _ in _cells_of(batches, "load")) == 100
    assert (assembler.late, assembler.clock_jumps, holes) == (0, 1, [])
    # What is missing after that is a gap all the same.
    clock.now = 8.0
    assembler.add_series("a", "load", 7 * SECOND + np.arange(100) * 10_000, np.zeros(100), GOOD, interval=10_000)
    assert [(hole.first_time, hole.last_time) for hole in holes] == [(4_990_000, 7_000_000)]


def _cells_of(batches: list[tuple[str, pa.RecordBatch]], channel: str) -> dict[tuple[int, str], float]:
    return {key: value for key, value in _cells(batches).items() if key[1] == channel}
