"""Reference rates: the error rates that a champion promises, each with the counts that it rests on."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from models.outcomes.error_rates import ErrorRates, Rate, occurrence, share
from models.outcomes.weekly_counts import WeekCounts

MISSED, FALSE = "missed", "false_episodes"
"""The two rates that are promised, by their fields."""


@dataclass(frozen=True)
class StratumRate:
    """The counts of one rate in one stratum."""

    by: str  # what strata it is one of: "plant", "model" or another column of the assets table
    name: str
    events: float  # failures missed, or false alarm episodes
    amount: float  # failures, or asset-months


@dataclass(frozen=True)
class ReferenceRates:
    """The error rates against which a champion is monitored."""

    missed: Rate  # failures missed, of all
    false_episodes: Rate  # false alarm episodes per asset-month
    source: str = "its evaluation"  # where they were measured, as the reasons name it
    confidence: float = 0.95  # of the rates' two-sided intervals, which allow for assets that differ
    # How many promises came before each of the rates that may have been replaced by it: the more there were, the surer
    # one must be of it.
    missed_place: int = 0
    false_place: int = 0
    # Where the second rate was measured, if elsewhere than the first.
    false_source: str | None = None
    weeks: tuple[WeekCounts, ...] = ()  # the counts of the weeks in which they were measured, where they are known
    period: tuple[pd.Timestamp, pd.Timestamp] | None = None  # when false alarms were measured
    # The counts of each rate by stratum; empty where they are not known.
    missed_strata: tuple[StratumRate, ...] = ()
    false_strata: tuple[StratumRate, ...] = ()
    # Promises of strata that may be tighter at another mix than the evaluated one: the tightest at each mix counts.
    others: "tuple[ReferenceRates, ...]" = ()

    @classmethod
    def of(cls, rates: ErrorRates | None, source: str) -> "ReferenceRates":
        """Take an evaluation's rates; without any, nothing is promised and nothing tested."""
        if rates is None:
            return cls(share(0, 0), occurrence(0, 0.0), source)
        when = (rates.start, rates.end)
        return cls(
            rates.missed,
            rates.false_episodes,
            source,
            rates.confidence,
            weeks=rates.weeks,
            period=when,
            missed_strata=tuple(StratumRate(one.by, one.name, one.missed, one.failures) for one in rates.strata),
            false_strata=tuple(StratumRate(one.by, one.name, one.false_episodes, one.exposure) for one in rates.strata),
        )

    def rate(self, name: str) -> Rate:
        """Return `MISSED` or `FALSE`."""
        return self.false_episodes if name == FALSE else self.missed

    def strata(self, rate: str, by: str | None = None) -> tuple[StratumRate, ...]:
        """Return the counts of `MISSED` or `FALSE` in all strata, or in those of a kind that have any."""
        strata = self.false_strata if rate == FALSE else self.missed_strata
        return strata if by is None else tuple(one for one in strata if one.by == by and one.amount > 0)

    def with_strata(self, rate: str, strata: tuple[StratumRate, ...]) -> "ReferenceRates":
        """Return the same with other counts of `MISSED` or `FALSE` by stratum."""
        return replace(self, false_strata=strata) if rate == FALSE else replace(self, missed_strata=strata)

    def source_of(self, rate: str) -> str:
        """Return where `MISSED` or `FALSE` was measured."""
        return self.false_source if rate == FALSE and self.false_source is not None else self.source

    def place_of(self, rate: str) -> int:
        """Return how many promises came before `MISSED` or `FALSE`."""
        return self.false_place if rate == FALSE else self.missed_place

    def at(self, place: int) -> "ReferenceRates":
        """Return the same after as many other promises."""
        return replace(self, missed_place=place, false_place=place)

    def with_rate(self, rate: str, other: "ReferenceRates") -> "ReferenceRates":
        """Return the same with `MISSED` or `FALSE` as another promises it."""
        source = other.source_of(FALSE) if rate == FALSE else self.source_of(FALSE)
        if rate == FALSE:
            # Of the two, false alarms are what a season is declared for by default.
            new = replace(
                self,
                false_episodes=other.false_episodes,
                false_place=other.false_place,
                weeks=other.weeks,
                period=other.period,
                false_strata=other.false_strata,
            )
        else:
            new = replace(
                self,
                missed=other.missed,
                missed_place=other.missed_place,
                source=other.source,
                missed_strata=other.missed_strata,
            )
        kept = tuple(one for one in self.others if not one.rate(rate).of)
        new = replace(new, others=(*kept, *(one for one in other.others if one.rate(rate).of)))
        return replace(new, false_source=None if source == new.source else source)

    def only(self, rate: str) -> "ReferenceRates":
        """Promise one of the rates, `MISSED` or `FALSE`, and nothing of the other."""
        none: dict[str, Any] = {FALSE: occurrence(0, 0.0)} if rate == MISSED else {MISSED: share(0, 0)}
        return replace(self, **none)


def only_rates(rates: ReferenceRates, names: Sequence[str]) -> ReferenceRates:
    """Promise only those rates, `MISSED`, `FALSE` or both, that are named."""
    return rates if len(names) > 1 else rates.only(names[0])


def strata_from_json(values: Iterable[Mapping[str, Any]]) -> tuple[StratumRate, ...]:
    """Read counts by stratum that were stored as JSON values."""
    return tuple(StratumRate(**one) for one in values)
