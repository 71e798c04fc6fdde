"""Alternatives beside what is done today: totals, and intervals of the differences on common draws.

On recorded history a draw is a bootstrap sample of the assets, the same for every alternative, so that an asset which
is hard to maintain does not count as a difference; on a simulated fleet a draw is one fleet, whose machines live and
wear the same under every alternative. What is the same in both differs by exactly zero.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from models.retraining.paired_costs import draw_assets
from models.what_if.alternatives import Alternative
from models.what_if.event_costs import (
    COUNTS,
    FAILURES,
    FALSE_ALARMS,
    IN_VAIN,
    MISSED,
    MODELLED,
    OPEN,
    PREVENTED,
    UNKNOWN,
    VISITS,
    EventCosts,
    Vector,
    cost_of,
    downtime_of,
)
from models.what_if.replay import Replay

DRAWS = 4000
COST, DOWNTIME, EXPECTED = "cost", "downtime_hours", "expected_failures"
FIGURES = (MISSED, FALSE_ALARMS, EXPECTED, PREVENTED, VISITS, IN_VAIN, DOWNTIME, COST)


@dataclass(frozen=True)
class Interval:
    """A figure with its two-sided interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Compared:
    """The figures of one alternative."""

    alternative: Alternative
    name: str
    model: str
    figures: dict[str, Interval]  # by `FIGURES`
    differences: dict[str, Interval]  # how much more than today; exactly zero for today itself
    cheaper: float  # the share of the draws in which it costs less than today
    open_defects: float  # defects repaired in the record of which it is not known whether they would have failed
    unknown_visits: float  # visits of which the record cannot say whether they find a defect
    cost_at_least: float  # if none of those defects had failed
    cost_at_most: float  # if all of them had, and every such visit had been in vain
    # The same for the difference to today, of today's and its own open defects together: those both leave open differ
    # in nothing.
    difference_at_least: float
    difference_at_most: float


def compare(
    replays: Sequence[Replay], costs: EventCosts, *, simulated: bool, confidence: float = 0.9, seed: int = 0
) -> tuple[Compared, ...]:
    """Compare alternatives with the first one, which is today's."""
    drawn = [one.counts for one in replays] if simulated else _draw(replays, seed)
    rows = len(replays[0].counts) if simulated else 1
    totals = [_figures(one.counts.sum().to_frame().T / rows, costs, one.fixed_cost) for one in replays]
    spread = [_figures(counts, costs, one.fixed_cost) for counts, one in zip(drawn, replays, strict=True)]
    return tuple(_compared(replays, place, totals, spread, costs, rows, confidence) for place in range(len(replays)))


def _draw(replays: Sequence[Replay], seed: int) -> list[pd.DataFrame]:
    joined = pd.concat({place: one.counts for place, one in enumerate(replays)}, axis=1)
    drawn = draw_assets(joined, draws=DRAWS, seed=seed)
    return [pd.DataFrame({name: drawn[(place, name)] for name in COUNTS}) for place in range(len(replays))]


def _figures(counts: pd.DataFrame, costs: EventCosts, fixed: float) -> dict[str, Vector]:
    figures = {name: counts[name].to_numpy(dtype=np.float64) for name in FIGURES if name in counts}
    figures[EXPECTED] = (counts[FAILURES] + counts[MODELLED]).to_numpy(dtype=np.float64)
    return {**figures, DOWNTIME: downtime_of(counts, costs), COST: cost_of(counts, costs) + fixed}


def _compared(
    replays: Sequence[Replay],
    place: int,
    totals: Sequence[dict[str, Vector]],
    spread: Sequence[dict[str, Vector]],
    costs: EventCosts,
    rows: int,
    confidence: float,
) -> Compared:
    one, today = replays[place], replays[0]
    seen, first = totals[place], totals[0]
    extra = {name: spread[place][name] - spread[0][name] for name in FIGURES}
    low, high = _bounds(one.counts, costs)
    lower, upper = _difference_bounds(one, today, costs)
    difference = float(seen[COST][0] - first[COST][0])
    return Compared(
        alternative=one.alternative,
        name=one.alternative.words(today.alternative),
        model=one.model,
        figures={name: _interval(seen[name][0], spread[place][name], confidence) for name in FIGURES},
        differences={name: _interval(seen[name][0] - first[name][0], extra[name], confidence) for name in FIGURES},
        cheaper=float((extra[COST] < 0).mean()) if len(extra[COST]) else 0.0,
        open_defects=float(one.counts[OPEN].sum()) / rows,
        unknown_visits=float(one.counts[UNKNOWN].sum()) / rows,
        cost_at_least=float(seen[COST][0]) + low / rows,
        cost_at_most=float(seen[COST][0]) + high / rows,
        difference_at_least=difference + lower / rows,
        difference_at_most=difference + upper / rows,
    )


def _interval(value: float, draws: Vector, confidence: float) -> Interval:
    if not len(draws):
        return Interval(float(value), float("nan"), float("nan"))
    low, high = np.quantile(draws, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Interval(float(value), float(low), float(high))


def _bounds(counts: pd.DataFrame, costs: EventCosts) -> tuple[float, float]:
    """Return how much less and more than expected it may cost, by what the record leaves open."""
    failure = costs.of_asset.of_failure
    expected, unanswered = float(counts[MODELLED].sum()), float(counts[OPEN].sum())
    return -expected * failure, (unanswered - expected) * failure + float(counts[UNKNOWN].sum()) * costs.in_vain


def _difference_bounds(one: Replay, today: Replay, costs: EventCosts) -> tuple[float, float]:
    """Return the same for the difference to today: what both leave open differs in nothing."""
    failure = costs.of_asset.of_failure
    more = one.open_defects.drop(today.open_defects.index, errors="ignore")
    fewer = today.open_defects.drop(one.open_defects.index, errors="ignore")
    low = -(more.sum() + (1 - fewer).sum()) * failure - len(today.unknown_visits - one.unknown_visits) * costs.in_vain
    high = ((1 - more).sum() + fewer.sum()) * failure + len(one.unknown_visits - today.unknown_visits) * costs.in_vain
    return float(low), float(high)
