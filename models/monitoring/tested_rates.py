"""The rates that are tested: counts look by look, and what keeps their promise at each."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from models.monitoring.budget import Budget
from models.monitoring.drift_evidence import FN, FP
from models.monitoring.look_strata import LookMix, mix_factors
from models.monitoring.looks import Look
from models.outcomes.weekly_counts import WEEK, WeekCounts
from models.promises.limits import harmful, limit
from models.promises.reference_rates import FALSE, MISSED, ReferenceRates
from models.sequential_tests.count_models import FloatArray
from models.sequential_tests.rate_tests import CountedRate, LookCounts, Promised
from models.sequential_tests.season import ReferencePeriod, season_factors


@dataclass(frozen=True)
class TestedRate:
    """A rate with its promise, and the part of the budget that its tests may spend."""

    counted: CountedRate
    promised: Promised
    budget: Budget


def tested_rates(
    counts: LookCounts,
    happened: pd.DatetimeIndex,
    promise: ReferenceRates,
    budget: Budget,
    mixes: Sequence[LookMix],
) -> dict[str, TestedRate]:
    """Return the rates of which something was promised, misses first; `happened` is the time of each look's events.

    `mixes` are the strata of each look, empty if they are not known.
    """
    rates, reference = {}, _reference_counts(promise.weeks, budget.every)
    if promise.missed.of:
        part = budget.part(budget.missed_share)
        seasons = _seasons(happened, promise, "missed", "failures", budget.season_missed)
        folds = mix_factors(promise, MISSED, budget.certainty, budget.strata, mixes)
        promised = Promised(*missed_hypotheses(promise, budget), promise.missed.value, seasons, folds)
        counted = CountedRate.of_misses(counts, promised, reference, budget.correlation)
        rates[FN] = TestedRate(counted, promised, part)
    if promise.false_episodes.of:
        part = budget.part(1 - budget.missed_share)
        seasons = _seasons(happened, promise, "false_episodes", "exposure", budget.season)
        folds = mix_factors(promise, FALSE, budget.certainty, budget.strata, mixes)
        promised = Promised(*false_hypotheses(promise, budget), promise.false_episodes.value, seasons, folds)
        counted = CountedRate.of_false_alarms(counts, promised, reference, budget.variation)
        rates[FP] = TestedRate(counted, promised, part)
    return rates


def _seasons(
    happened: pd.DatetimeIndex, promise: ReferenceRates, events: str, amounts: str, amplitude: float
) -> FloatArray:
    if promise.period is None:
        return np.ones(len(happened))
    times = pd.DatetimeIndex([week.at for week in promise.weeks], tz="UTC")
    columns = ([getattr(week, name) for week in promise.weeks] for name in (events, amounts))
    return season_factors(happened, ReferencePeriod(*promise.period, times, *columns), amplitude)


def look_counts(looks: Sequence[Look | WeekCounts]) -> LookCounts:
    """Return the looks of one history as arrays, with the failures that findings may hide."""
    rows = [(look.missed, look.failures_at_most, look.false_at_least, look.exposure) for look in looks]
    columns = np.array(rows, dtype=np.float64).reshape(-1, 4).T
    return LookCounts(*columns[:, None, :])


def _reference_counts(weeks: Sequence[WeekCounts], every: pd.Timedelta) -> LookCounts:
    """Return the weeks of an evaluation as looks of a length; none where that is no whole number of weeks."""
    counts = look_counts(weeks)
    if every == WEEK or not weeks:
        return counts
    if every % WEEK:
        return look_counts(())
    groups = [(week.at - weeks[0].at) // every for week in weeks]
    firsts = np.flatnonzero(np.diff(groups, prepend=-1))
    return LookCounts(*(np.add.reduceat(column, firsts, axis=1) for column in vars(counts).values()))


def missed_hypotheses(promise: ReferenceRates, budget: Budget) -> tuple[float, float]:
    """Return the largest share of misses that keeps the promise, and the smallest that does harm."""
    null = limit(promise, MISSED, budget.certainty)
    return null, harmful(null, MISSED, budget.certainty)


def false_hypotheses(promise: ReferenceRates, budget: Budget) -> tuple[float, float]:
    """Return the largest rate of false episodes that keeps the promise, and the smallest that does harm."""
    null = limit(promise, FALSE, budget.certainty)
    return null, harmful(null, FALSE, budget.certainty)
