"""Signs that a channel is a counter: it only grows, and what falls there are start again near zero.

Noise falls as often as it rises, so random walks, drifts and daily cycles show none of it. Wear without noise and hours
since a service do, and their level means something: a person has to say what the channel is.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]

_LEAST_RISES = 50
_MOST_FALLS = 0.05  # of the rises: a shift of pieces, counted by the hour, starts again after eight
_STRAY_FALLS = 0.001  # of the rises: readings that came late, or were corrected by hand
_NEAR_START = 0.1  # of the level before
_STEADY = (0.2, 0.8)  # the share of the growth in the first half: what warms up settles, what wears out runs away
_NEAR_ROLLOVER = 0.9
_ROLLOVERS = sorted({*(2.0**bits for bits in range(7, 54)), *(10.0**digits for digits in range(2, 16))})


@dataclass(frozen=True)
class CounterSigns:
    """Counts of a channel's steps over some assets; those of several blocks of assets can be added."""

    rises: int = 0
    falls: int = 0
    restarts: int = 0  # falls to near the start
    assets: int = 0  # on which it rises
    first_half: float = 0.0  # sum over those assets of the share of the growth in the first half of their readings
    lowest: float = np.inf
    highest_before_restart: float = -np.inf
    after_restart: float = np.nan  # the value that followed it

    def __add__(self, other: "CounterSigns") -> "CounterSigns":
        """Take both blocks together."""
        higher = max(self, other, key=lambda signs: signs.highest_before_restart)
        return CounterSigns(
            rises=self.rises + other.rises,
            falls=self.falls + other.falls,
            restarts=self.restarts + other.restarts,
            assets=self.assets + other.assets,
            first_half=self.first_half + other.first_half,
            lowest=min(self.lowest, other.lowest),
            highest_before_restart=higher.highest_before_restart,
            after_restart=higher.after_restart,
        )

    @property
    def is_counter(self) -> bool:
        """Whether the channel behaves as counters do."""
        if self.rises < _LEAST_RISES or self.lowest < 0 or self.falls > _MOST_FALLS * self.rises:
            return False
        if self.falls - self.restarts > _STRAY_FALLS * self.rises:
            return False
        return _STEADY[0] <= self.first_half / self.assets <= _STEADY[1]

    @property
    def rollover(self) -> float | None:
        """Return where it probably starts again: the round number, binary or decimal, that it nearly reached."""
        beyond = next((round_ for round_ in _ROLLOVERS if round_ > self.highest_before_restart), None)
        near = beyond is not None and self.highest_before_restart >= _NEAR_ROLLOVER * beyond
        return beyond if self.restarts and near else None


def counter_signs(values: Floats, asset: Codes) -> CounterSigns:
    """Count the steps of a channel, (n,), whose rows are sorted by asset (its code) and time, without NaN."""
    own = asset[1:] == asset[:-1]
    steps, owner = np.diff(values)[own], asset[1:][own]
    if not (steps > 0).any():
        return CounterSigns(falls=int((steps < 0).sum()), lowest=float(values.min(initial=np.inf)))
    again = restarts(values, asset)
    last = int(again[np.argmax(values[again - 1])]) if len(again) else None
    assets, first_half = _first_half(np.maximum(steps, 0.0), owner)
    return CounterSigns(
        rises=int((steps > 0).sum()),
        falls=int((steps < 0).sum()),
        restarts=len(again),
        assets=assets,
        first_half=first_half,
        lowest=float(values.min()),
        highest_before_restart=-np.inf if last is None else float(values[last - 1]),
        after_restart=np.nan if last is None else float(values[last]),
    )


def restarts(values: Floats, asset: Codes) -> Codes:
    """Return the places of values to which a channel, as in `counter_signs`, fell to near its start."""
    own = asset[1:] == asset[:-1]
    before, after, steps = values[:-1], values[1:], np.diff(values)
    rising = own & (steps > 0)
    if not rising.any():
        return np.empty(0, dtype=np.int64)
    # Between two readings a counter may have gone on from 0 by about as much as it usually grows.
    usual = float(np.quantile(steps[rising], 0.95))
    near_start = (after <= np.maximum(_NEAR_START * before, 2 * usual)) & (after < before / 2)
    return np.flatnonzero(own & (steps < 0) & near_start).astype(np.int64) + 1


def total(signs: Iterable[CounterSigns]) -> CounterSigns:
    """Add the counts of several blocks of assets."""
    return sum(signs, start=CounterSigns())


def _first_half(growth: Floats, owner: Codes) -> tuple[int, float]:
    """Return how many assets grow, and the sum of their shares of growth in the first half of their steps."""
    starts = np.flatnonzero(np.append(True, owner[1:] != owner[:-1]))
    lengths = np.diff(np.append(starts, len(owner)))
    place = np.arange(len(owner)) - np.repeat(starts, lengths)
    early = np.where(2 * place < np.repeat(lengths, lengths), growth, 0.0)
    whole, first = np.add.reduceat(growth, starts), np.add.reduceat(early, starts)
    grown = whole > 0
    return int(grown.sum()), float((first[grown] / whole[grown]).sum())
