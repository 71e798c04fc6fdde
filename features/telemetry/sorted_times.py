"""Lookups in times sorted within each asset, vectorised over many queries."""

from collections.abc import Iterator
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

IntArray = npt.NDArray[np.int64]


def microseconds(times: "pd.Series[pd.Timestamp]") -> IntArray:
    """Convert time stamps with a zone to microseconds since 1970, (n,)."""
    return times.dt.as_unit("us").to_numpy(dtype="datetime64[us]").astype(np.int64)


def width(duration: pd.Timedelta) -> int:
    """Convert a duration to microseconds."""
    return duration // pd.Timedelta(microseconds=1)


def locate(
    times: IntArray, offset: IntArray, asset: IntArray, at: IntArray, side: Literal["left", "right"]
) -> IntArray:
    """Find where the moments `asset`, `at` (k,) stand in `times`, which are sorted within each asset.

    `offset` (n_assets + 1,) is where each asset begins in `times`. `side` is as in `numpy.searchsorted`.
    """
    place = np.empty(len(asset), dtype=np.int64)
    for number, chosen in by_group(asset):
        first, last = offset[number], offset[number + 1]
        place[chosen] = first + np.searchsorted(times[first:last], at[chosen], side=side)
    return place


def range_maximum(values: IntArray, begin: IntArray, end: IntArray) -> IntArray:
    """Compute the maximum of ``values[begin:end]`` for many slices; the smallest integer for an empty one.

    By a sparse table of which only one level is held at a time: Bender and Farach-Colton (2000), "The LCA problem
    revisited", doi:10.1007/10719839_9.

    >>> range_maximum(np.array([3, 1, 4, 1, 5]), np.array([0, 1]), np.array([3, 2])).tolist()
    [4, 1]
    """
    length = end - begin
    result = np.full(len(begin), np.iinfo(np.int64).min)
    if len(begin) == 1:
        result[0] = values[begin[0] : end[0]].max(initial=result[0])
        return result
    # Exact for any length an array can have.
    level = np.frexp(np.maximum(length, 1).astype(np.float64))[1] - 1
    table, reach = values, 1
    for exponent in range(int(level.max(initial=0)) + 1):
        chosen = np.flatnonzero((level == exponent) & (length > 0))
        if len(chosen):
            result[chosen] = np.maximum(table[begin[chosen]], table[end[chosen] - reach])
        table = np.maximum(table[:-reach], table[reach:]) if len(table) > reach else table[:0]
        reach *= 2
    return result


def expand(begin: IntArray, end: IntArray) -> tuple[IntArray, IntArray]:
    """List the members of many slices one after another: each one's slice, and its index.

    >>> owner, member = expand(np.array([0, 5]), np.array([2, 8]))
    >>> owner.tolist(), member.tolist()
    ([0, 0, 1, 1, 1], [0, 1, 5, 6, 7])
    """
    length = end - begin
    owner = np.repeat(np.arange(len(begin)), length)
    member = np.arange(int(length.sum())) - np.repeat(np.cumsum(length) - length, length) + begin[owner]
    return owner, member


def by_group(group: IntArray) -> Iterator[tuple[int, IntArray]]:
    """Yield each group's number, ascending, with the places where it stands."""
    if len(group) == 1:
        yield int(group[0]), np.zeros(1, dtype=np.int64)
        return
    order = np.argsort(group, kind="stable")
    bounds = np.flatnonzero(np.diff(group[order])) + 1
    for chosen in np.split(order, bounds):
        if len(chosen):
            yield int(group[chosen[0]]), chosen
