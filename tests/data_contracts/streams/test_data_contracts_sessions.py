"""Sequences of messages: each accepted once whatever the order, and every hole a row until it is filled."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_contracts.streams.intervals import contains, difference, intersection, union
from data_contracts.streams.sessions import (
    AssetSessions,
    SessionState,
    StreamGap,
    accept_message,
    accept_notice,
    restored_session,
)

Step = tuple[str, int, int, int]
EPOCHS = st.integers(0, 2)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("message"), EPOCHS, st.integers(0, 14), st.just(0)),
        st.tuples(st.just("dropped"), EPOCHS, st.integers(0, 14), st.integers(0, 4)),
        st.tuples(st.just("restart of the listener"), EPOCHS, st.just(0), st.just(0)),
    ),
    max_size=60,
)


def numbers(rows: list[StreamGap], epoch: int, *kinds: str) -> Counter[int]:
    """Return how often rows of some kinds name each number of a session."""
    named: Counter[int] = Counter()
    for row in rows:
        if row.epoch == epoch and row.kind in kinds:
            assert row.from_sequence is not None
            assert row.to_sequence is not None
            named.update(range(row.from_sequence, row.to_sequence + 1))
    return named


@given(STEPS)
def test_each_message_once_and_each_hole_a_row(steps: list[Step]) -> None:
    """Under any interleaving of repeats, jumps, sessions, notices and restarts: accepted once, every hole a row."""
    known, rows = AssetSessions("a-1"), list[StreamGap]()
    accepted: dict[int, list[int]] = {0: [], 1: [], 2: []}
    dropped: dict[int, set[int]] = {0: set(), 1: set(), 2: set()}
    for kind, epoch, sequence, more in steps:
        if kind == "message":
            arrival = accept_message(known, epoch, sequence)
            assert (arrival.verdict == "duplicate") == (sequence in accepted[epoch])
            if arrival.verdict != "duplicate":
                assert (arrival.verdict == "fills_gap") == (sequence < max(accepted[epoch], default=-1))
                accepted[epoch].append(sequence)
            # What the edge has accounted for is not a gap as well.
            assert not set(numbers(list(arrival.rows), epoch, "gap")) & dropped[epoch]
        elif kind == "dropped":
            arrival = accept_notice(known, StreamGap("a-1", epoch, "edge_dropped", sequence, sequence + more))
            dropped[epoch] |= set(range(sequence, sequence + more + 1)) - set(accepted[epoch])
        else:
            last = max(accepted[epoch], default=-1)
            known = known.with_session(epoch, restored_session(last, epoch, rows))
            continue
        known, rows = arrival.sessions, [*rows, *arrival.rows]
        # What is left of a session after a restart is its last stored sequence and the rows: they say all of it.
        state = known.sessions.get(epoch, SessionState())
        assert restored_session(max(accepted[epoch], default=-1), epoch, rows) == state
    for epoch, got in accepted.items():
        assert len(set(got)) == len(got)
        missing = set(range(max(got, default=-1) + 1)) - set(got)
        gaps, late = numbers(rows, epoch, "gap"), numbers(rows, epoch, "late")
        lost = numbers(rows, epoch, "edge_dropped")
        assert set(lost) == dropped[epoch]
        assert max([*gaps.values(), *late.values(), *lost.values()], default=1) == 1
        # Every hole is a row, and every row is a hole, or says what came late or may still come.
        named = set(gaps) | set(lost)
        assert missing <= named
        assert set(late) == named & set(got)
        assert {n for n in named - set(got) if n <= max(got, default=-1)} == missing
        assert len([row for row in rows if row.kind == "restart" and row.epoch == epoch]) <= 1
    begun = [epoch for epoch, got in accepted.items() if got]
    assert len([row for row in rows if row.kind == "restart"]) == max(len(begun) - 1, 0)


def test_a_gap_is_told_with_the_times_around_it() -> None:
    """A gap has the last event time before it and the first one after it; what fills it has its own."""
    first = accept_message(AssetSessions("a-1"), 7, 0, 100, 199)
    jump = accept_message(first.sessions, 7, 3, 400, 499)
    assert jump.rows == (StreamGap("a-1", 7, "gap", 1, 2, 199, 400),)
    filled = accept_message(jump.sessions, 7, 2, 300, 399)
    assert filled.rows == (StreamGap("a-1", 7, "late", 2, 2, 300, 399),)
    assert filled.sessions.sessions[7] == SessionState(3, ((1, 1),), (), 499)


def test_a_session_may_begin_late() -> None:
    """What came before the first message of a session that was seen is a gap like any other."""
    arrival = accept_message(AssetSessions("a-1"), 7, 5)
    assert arrival.rows == (StreamGap("a-1", 7, "gap", 0, 4),)


@pytest.mark.parametrize(("epoch", "detail"), [(9, "after session 7"), (5, "an earlier session than 7")])
def test_another_session_is_a_restart(epoch: int, detail: str) -> None:
    """The first message of another session is a row, once; an older session that goes on is another edge's."""
    one = accept_message(AssetSessions("a-1"), 7, 0)
    two = accept_message(one.sessions, epoch, 0)
    assert two.rows == (StreamGap("a-1", epoch, "restart", 0, 0, detail=detail),)
    old, new = sorted((7, epoch))
    assert not accept_message(two.sessions, new, 1).rows
    assert [row.kind for row in accept_message(two.sessions, old, 1).rows] == ["two_edges"]


def test_a_notice_without_numbers_is_a_row() -> None:
    """Readings that were never numbered are missing all the same."""
    notice = StreamGap("a-1", 7, "agent_buffer", None, None, 100, 900, "the agent keeps 131072 observations")
    assert accept_notice(AssetSessions("a-1"), notice).rows == (notice,)


SETS = st.sets(st.integers(0, 25))


@given(SETS, SETS, st.integers(0, 25), st.integers(0, 25))
def test_intervals_are_sets(one: set[int], other: set[int], low: int, high: int) -> None:
    """Union, difference, intersection and membership are those of the sets of numbers."""
    a, b = (union((n, n) for n in numbers) for numbers in (one, other))
    assert _members(a) == one
    assert _members(union([*a, *b])) == one | other
    assert _members(difference(a, b)) == one - other
    assert _members(intersection(a, low, high)) == {n for n in one if low <= n <= high}
    assert all(contains(a, n) == (n in one) for n in range(-1, 27))
    # Apart from each other, so that equal sets are equal intervals.
    assert union(difference(a, b)) == difference(a, b)


def _members(intervals: tuple[tuple[int, int], ...]) -> set[int]:
    return {n for low, high in intervals for n in range(low, high + 1)}
