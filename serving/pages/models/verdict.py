"""Whether the champion keeps its promise, by the monitor's last look: one state and one set of figures."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import pandas as pd

_RATES = {"missed": "fn", "false_episodes": "fp"}
State = Literal["held", "doubtful", "broken", "no_outcomes", "never_looked"]
"""Doubtful: a rate is higher than promised, by too few outcomes to be sure."""


@dataclass(frozen=True)
class RateFigures:
    """A rate beside what was promised of it."""

    rate: str  # "missed", or "false_episodes": false alarms per asset-month
    value: float | None  # None where nothing has matured
    count: float
    of: float  # failures, or asset-months
    keeps_up_to: float | None  # None where nothing was promised
    worse: bool  # whether a test has decided that it is higher than promised

    @property
    def exceeds(self) -> bool:
        """Whether it is higher than promised, be it by chance."""
        return self.value is not None and self.keeps_up_to is not None and self.value > self.keeps_up_to


@dataclass(frozen=True)
class Verdict:
    """What the monitor's last look says of a version."""

    state: State
    at: pd.Timestamp | None = None  # of the look
    start: pd.Timestamp | None = None  # outcomes counted from here
    end: pd.Timestamp | None = None
    rates: tuple[RateFigures, ...] = ()
    caught: int = 0
    prevented: int = 0
    uncovered: int = 0
    decision: str = ""
    reasons: tuple[str, ...] = ()  # plain sentences, in English

    @property
    def worse(self) -> tuple[str, ...]:
        """Return the rates that are higher than promised."""
        return tuple(figures.rate for figures in self.rates if figures.worse)


def verdict_of(decisions: pd.DataFrame, version: int) -> Verdict:
    """Read the verdict on a version from the decisions about its model, in the order they were written."""
    looked = decisions["evidence"].map(lambda evidence: "rates" in evidence and "drift" in evidence).astype(bool)
    own = decisions[looked & (decisions["model_version"] == version)]
    if own.empty:
        return Verdict("never_looked")
    last = own.iloc[-1]
    evidence: Mapping[str, Any] = last["evidence"]
    rates, drift = evidence["rates"], evidence["drift"]
    promised = (evidence.get("promise") or {}).get("rates") or {}
    figures = tuple(
        RateFigures(
            rate=name,
            value=rates[name]["value"],
            count=rates[name]["count"],
            of=rates[name]["of"],
            keeps_up_to=(promised.get(name) or {}).get("keeps_up_to"),
            worse=short in drift["which"],
        )
        for name, short in _RATES.items()
    )
    return Verdict(
        state=_state(figures, drifted=drift["drifted"]),
        at=last["at"],
        start=pd.Timestamp(rates["start"]),
        end=pd.Timestamp(rates["end"]),
        rates=figures,
        caught=rates["caught"],
        prevented=rates["prevented"],
        uncovered=rates["uncovered"],
        decision=last["decision"],
        reasons=tuple(last["reasons"]),
    )


def _state(figures: tuple[RateFigures, ...], *, drifted: bool) -> State:
    if drifted:
        return "broken"
    if not any(each.of for each in figures):
        return "no_outcomes"
    return "doubtful" if any(each.exceeds for each in figures) else "held"
