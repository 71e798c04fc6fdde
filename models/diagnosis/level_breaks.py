"""Breaks of a channel's level within one asset's readings: another machine, another sensor, or another unit.

A machine that is exchanged under its id reads differently from one reading to the next, and goes on doing so. Wear
climbs, regimes and repairs come back, drifts creep; so a break has to be sharp, lasting, and by far the largest step of
its kind. `level_shifts` needs a reference period of weeks and daily levels; this needs some dozen readings on either
side.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

LEAST = 24
"""Readings that have to be on either side of a break."""
_NEIGHBOURS = 5  # readings, or blocks of them, that are compared across a break
_MOST_BLOCKS = 2_000
_REACH = 2 * _NEIGHBOURS
_ALONE = 3.0  # how many times as large as every other step a break is
_STEADY = 10.0  # how many times as large as usual every other step is at most
_SPREADS = 8.0  # its height in spreads of the readings about their level
_QUANTA = 4.0  # its height in the smallest differences between readings
_SHARP = 0.7  # the share of the height that the readings next to it show
_APART = 0.5  # the share of the height that is between nearly all readings before and after
_ALIKE = 20.0  # the ratio of the two spreads beyond which one side is a machine at rest
_GAP = 3.0  # intervals; over a longer pause a drift goes on unseen


@dataclass(frozen=True)
class LevelBreak:
    """A place from which on a channel reads differently for good."""

    position: int  # of the first reading at the new level
    before: float  # the level until then
    after: float


def level_break(values: Floats, times: Integers) -> LevelBreak | None:
    """Find the break in the readings of one channel of one asset, (n,), none of them NaN, at times in order.

    Of several breaks none is by far the largest step: those are regimes.
    """
    if len(values) < 2 * LEAST or not values.min() < values.max():
        return None
    size = -(-len(values) // _MOST_BLOCKS)
    steps = _steps(_blocks(values, size))
    peak = int(np.abs(steps).argmax())
    others = np.append(np.abs(steps[: max(0, peak - _REACH)]), np.abs(steps[peak + _REACH + 1 :]))
    largest = others.max(initial=0.0)
    # Where others stand out too, if less, the machine has regimes.
    if abs(steps[peak]) < _ALONE * largest or largest > _STEADY * float(np.median(others)):
        return None
    place = _refined(values, peak * size, size)
    return _confirmed(values, times, place)


def _blocks(values: Floats, size: int) -> Floats:
    """Return the medians of blocks of readings one after the other."""
    whole = len(values) // size
    return np.median(values[: whole * size].reshape(whole, size), axis=1) if size > 1 else values


def _steps(blocks: Floats) -> Floats:
    """Return by how much the median of the next blocks is above that of those before each, (n,); 0 at the ends."""
    medians = np.median(np.lib.stride_tricks.sliding_window_view(blocks, _NEIGHBOURS), axis=1)
    steps = np.zeros(len(blocks))
    steps[_NEIGHBOURS : len(blocks) - _NEIGHBOURS + 1] = medians[_NEIGHBOURS:] - medians[:-_NEIGHBOURS]
    return steps


def _refined(values: Floats, place: int, size: int) -> int:
    """Return the reading near a place that best parts those before from those after."""
    reach = (_NEIGHBOURS + 1) * size
    begin = max(0, place - reach)
    near = values[begin : place + reach]
    before, after = np.median(values[begin:place]), np.median(values[place : place + reach])
    costs = np.cumsum(np.append(0.0, np.abs(near - before) - np.abs(near - after)))
    return begin + int(costs.argmin())


def _confirmed(values: Floats, times: Integers, place: int) -> LevelBreak | None:
    """Return the break at a place if it lasts, and parts nearly all readings before from those after."""
    before, after = values[:place], values[place:]
    if min(len(before), len(after)) < LEAST or not _apart(before, after) or not _is_sharp(values, place):
        return None
    pause = (times[place] - times[place - 1]) / max(float(np.median(np.diff(times))), 1.0)
    if pause > _GAP and not _beyond_drift(values, times, place):
        return None
    return LevelBreak(place, float(np.median(before)), float(np.median(after)))


def _apart(before: Floats, after: Floats) -> bool:
    height = float(np.median(after) - np.median(before))
    low, high = (after, before) if height < 0 else (before, after)
    between = float(np.quantile(high, 0.05) - np.quantile(low, 0.95))
    spreads = sorted((_spread(before), _spread(after)))
    alike = 0 < spreads[1] <= _ALIKE * spreads[0]
    if not alike or between < _APART * abs(height) or abs(height) < _SPREADS * spreads[1]:
        return False
    return abs(height) >= _QUANTA * float(np.diff(np.unique(np.append(before, after))).min())


def _is_sharp(values: Floats, place: int) -> bool:
    height = np.median(values[place:]) - np.median(values[:place])
    jump = np.median(values[place : place + _NEIGHBOURS]) - np.median(values[place - _NEIGHBOURS : place])
    return bool(jump / height >= _SHARP)


def _beyond_drift(values: Floats, times: Integers, place: int) -> bool:
    """Return whether the level moved over a pause by far more than it ever did in as much time."""
    pause = times[place] - times[place - 1]
    moves = []
    for part, at in ((values[:place], times[:place]), (values[place:], times[place:])):
        later = np.searchsorted(at, at + pause)
        known = later < len(at)
        moves += [float(np.abs(part[later[known]] - part[known]).max())] if known.any() else []
    height = abs(float(np.median(values[place:]) - np.median(values[:place])))
    return bool(moves) and height >= _ALONE * max(moves)


def _spread(values: Floats) -> float:
    """Return the standard deviation that the middle half of the values suggests; of coarse readings, their own."""
    low, high = np.quantile(values, (0.25, 0.75))
    return float((high - low) / 1.349 or values.std())
