"""Alternatives to what is done today, one by one or crossed."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from data_contracts.errors import UsageError
from features.names import format_duration

MOST = 24
"""More alternatives than these are no table that anybody reads."""
Stock = tuple[tuple[str, int], ...]
"""How many of each part are kept, by the failure mode that needs it."""


@dataclass(frozen=True)
class Alternative:
    """One way to watch and maintain the fleet; what is None or empty is left out or the model's own."""

    threshold: float | None = None  # of an alert; the model's own if None
    horizon: pd.Timedelta | None = None  # of an alert; the model's own if None
    machines_per_day: int | None = None  # how many assets the crews visit in a day; no limit if None
    inspect_every: pd.Timedelta | None = None  # inspections of every asset by the calendar; none if None
    stock: Stock = ()  # no shortage of other parts is counted
    version: int | None = None  # the model's; the champion's, or the one trained in the replay, if None

    def __post_init__(self) -> None:
        if self.threshold is not None and not 0 <= self.threshold <= 1:
            raise UsageError(f"a threshold of {self.threshold:g}", "a probability from 0 to 1", "Give another one")
        if self.machines_per_day is not None and self.machines_per_day < 0:
            raise UsageError(f"{self.machines_per_day} machines a day", "0 or more", "Give another number")
        for name in ("horizon", "inspect_every"):
            value = getattr(self, name)
            if value is not None and value <= pd.Timedelta(0):
                raise UsageError(f"a {name.replace('_', ' ')} of {value}", "more than no time", "Give a longer one")
        for mode, number in self.stock:
            if number < 0:
                raise UsageError(f"a stock of {number} for {mode}", "0 or more", "Give another number")

    def words(self, today: "Alternative") -> str:
        """Return what differs from today, in a few words."""
        return ", ".join(words for name, words in self._words().items() if self._differs(today, name)) or "as today"

    def _differs(self, today: "Alternative", name: str) -> bool:
        return bool(getattr(self, name) != getattr(today, name))

    def _words(self) -> dict[str, str]:
        crews, every = self.machines_per_day, self.inspect_every
        return {
            "threshold": "own threshold" if self.threshold is None else f"threshold {self.threshold:g}",
            "horizon": "own horizon" if self.horizon is None else f"horizon {format_duration(self.horizon)}",
            "machines_per_day": "no limit of crews" if crews is None else f"{crews} a day",
            "inspect_every": "no inspections" if every is None else f"inspect every {every / pd.Timedelta(days=1):g}d",
            "stock": "stock " + (", ".join(f"{mode}={number}" for mode, number in self.stock) or "not counted"),
            "version": "own version" if self.version is None else f"version {self.version}",
        }


def crossed(
    today: Alternative,
    *,
    threshold: Sequence[float] = (),
    horizon: Sequence[pd.Timedelta] = (),
    machines_per_day: Sequence[int] = (),
    inspect_every: Sequence[pd.Timedelta] = (),
    stock: Sequence[Stock] = (),
    version: Sequence[int] = (),
) -> tuple[Alternative, ...]:
    """Return every combination of the values given, each once; what is given no values stays as today.

    Examples
    --------
    >>> today = Alternative(machines_per_day=2)
    >>> [one.words(today) for one in crossed(today, threshold=[0.2, 0.5], machines_per_day=[1])]
    ['threshold 0.2, 1 a day', 'threshold 0.5, 1 a day']
    """
    given: dict[str, Sequence[Any]] = {
        "threshold": threshold,
        "horizon": horizon,
        "machines_per_day": machines_per_day,
        "inspect_every": inspect_every,
        "stock": stock,
        "version": version,
    }
    given = {name: values for name, values in given.items() if values}
    if not given:
        raise UsageError("no alternative", "at least one", "Name one, such as --threshold .3")
    made = [replace(today, **dict(zip(given, values, strict=True))) for values in itertools.product(*given.values())]
    alternatives = tuple(dict.fromkeys(made))
    if len(alternatives) > MOST:
        raise UsageError(f"{len(alternatives)} alternatives", f"at most {MOST}", "Give fewer values")
    return alternatives
