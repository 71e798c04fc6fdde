"""Looking things up in times that are sorted within each asset, for many questions at once."""

from collections.abc import Iterator
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

IntArray = npt.NDArray[np.int64]


def microseconds(times: "pd.Series[pd.Timestamp]") -> IntArray:
    """Count microseconds since 1970.

    Parameters
    ----------
    times
        Time stamps with a zone.

    Returns
    -------
    (n,) array of int64
    """
    return times.dt.as_unit("us").to_numpy(dtype="datetime64[us]").astype(np.int64)


def width(duration: pd.Timedelta) -> int:
    """Count the microseconds of a duration.

    Parameters
    ----------
    duration
        Any duration.

    Returns
    -------
    int
    """
    return duration // pd.Timedelta(microseconds=1)


def locate(
    times: IntArray, offset: IntArray, asset: IntArray, at: IntArray, side: Literal["left", "right"]
) -> IntArray:
    """Find where moments stand among the sorted times of their asset.

    Parameters
    ----------
    times : (n,)
        Sorted within each asset, assets one after another.
    offset : (n_assets + 1,)
        Where each asset begins.
    asset, at : (k,)
        The moments looked for.
    side
        "right": behind times that are equal; "left": before them.

    Returns
    -------
    (k,) array
        Places in `times`.
    """
    place = np.empty(len(asset), dtype=np.int64)
    for number, chosen in by_group(asset):
        first, last = offset[number], offset[number + 1]
        place[chosen] = first + np.searchsorted(times[first:last], at[chosen], side=side)
    return place


def range_maximum(values: IntArray, begin: IntArray, end: IntArray) -> IntArray:
    """Give the largest of ``values[begin:end]`` for many slices at once.

    A sparse table, of which only one level is held at a time.

    Parameters
    ----------
    values : (n,)
        Any numbers.
    begin, end : (k,)
        Slices, possibly empty.

    Returns
    -------
    (k,) array
        The smallest integer for empty slices.

    References
    ----------
    Bender and Farach-Colton (2000), "The LCA problem revisited", doi:10.1007/10719839_9.

    Examples
    --------
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
    """List the members of many slices one after another.

    Parameters
    ----------
    begin, end : (k,)
        Slices, possibly empty.

    Returns
    -------
    owner, member : (sum of lengths,)
        The slice's number and the index in it.

    Examples
    --------
    >>> owner, member = expand(np.array([0, 5]), np.array([2, 8]))
    >>> owner.tolist(), member.tolist()
    ([0, 0, 1, 1, 1], [0, 1, 5, 6, 7])
    """
    length = end - begin
    owner = np.repeat(np.arange(len(begin)), length)
    member = np.arange(int(length.sum())) - np.repeat(np.cumsum(length) - length, length) + begin[owner]
    return owner, member


def by_group(group: IntArray) -> Iterator[tuple[int, IntArray]]:
    """Give each group's number with the places where it stands.

    Parameters
    ----------
    group : (n,)
        Numbers, in any order.

    Yields
    ------
    tuple of int and array
        Groups in ascending order; places ascending.
    """
    if len(group) == 1:
        yield int(group[0]), np.zeros(1, dtype=np.int64)
        return
    order = np.argsort(group, kind="stable")
    bounds = np.flatnonzero(np.diff(group[order])) + 1
    for chosen in np.split(order, bounds):
        if len(chosen):
            yield int(group[chosen[0]]), chosen
