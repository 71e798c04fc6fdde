"""Sets of whole numbers as intervals: ascending, inclusive, and apart from each other by more than one."""

from bisect import bisect_right
from collections.abc import Iterable

Interval = tuple[int, int]
Intervals = tuple[Interval, ...]


def union(intervals: Iterable[Interval]) -> Intervals:
    """Return all numbers of any intervals.

    Examples
    --------
    >>> union([(5, 6), (0, 1), (2, 3)])
    ((0, 3), (5, 6))
    """
    joined: list[Interval] = []
    for low, high in sorted(intervals):
        if joined and low <= joined[-1][1] + 1:
            joined[-1] = (joined[-1][0], max(high, joined[-1][1]))
        else:
            joined.append((low, high))
    return tuple(joined)


def intersection(intervals: Intervals, low: int, high: int) -> Intervals:
    """Return the numbers from `low` to `high`.

    Examples
    --------
    >>> intersection(((0, 3), (5, 9)), 2, 6)
    ((2, 3), (5, 6))
    """
    return tuple((max(a, low), min(b, high)) for a, b in intervals if a <= high and b >= low)


def difference(intervals: Intervals, without: Intervals) -> Intervals:
    """Return the numbers that are not in the others.

    Examples
    --------
    >>> difference(((0, 9),), ((2, 3), (9, 12)))
    ((0, 1), (4, 8))
    """
    left: list[Interval] = []
    others = iter((*without, None))
    other = next(others)
    for low, high in intervals:
        while other is not None and other[1] < low:
            other = next(others)
        start = low
        while other is not None and other[0] <= high:
            if other[0] > start:
                left.append((start, other[0] - 1))
            start = other[1] + 1
            if start > high:
                break
            other = next(others)
        if start <= high:
            left.append((start, high))
    return tuple(left)


def contains(intervals: Intervals, number: int) -> bool:
    """Return whether a number is in one of the intervals."""
    position = bisect_right(intervals, number, key=lambda interval: interval[0])
    return position > 0 and number <= intervals[position - 1][1]
