"""What retraining rules would have cost: errors, retrainings and delays, with intervals."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from models.backtesting.backtest import ReplayResult, ReplaySchedule
from models.backtesting.outcome_sources import OutcomeSources
from models.backtesting.retraining_rules import YEAR
from models.retraining.paired_costs import draw_assets
from models.retraining.refresh import Prices as Prices
from models.retraining.retraining_policy import REFRESH

DAY = pd.Timedelta(days=1)
DRAWS = 4000
MISSED, FALSE_ALARM, RETRAINING = "missed", "false alarm", "retraining"
"""The kinds of events that cost something."""
_Totals = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Account:
    """What a rule has cost, event by event."""

    replayed: ReplayResult
    prices: Prices
    failures: int  # missed, caught and prevented
    # Columns at, asset (null for retrainings), kind (`MISSED`, `FALSE_ALARM`, `RETRAINING`), cost; by time.
    events: pd.DataFrame

    def count(self, kind: str) -> int:
        """Count the events of a kind."""
        return int((self.events["kind"] == kind).sum())

    def by_asset(self, kind: str, assets: Sequence[str]) -> "pd.Series[float]":
        """Count the events of a kind of each of the assets."""
        counts = self.events.loc[self.events["kind"] == kind, "asset"].value_counts()
        return counts.reindex(list(assets)).fillna(0).astype(np.float64)


@dataclass(frozen=True)
class Figures:
    """The totals of one rule."""

    rule: str
    description: str
    retrainings: int  # decided on
    promoted: int  # challengers
    asked_person: int  # looks at which a person was asked
    postponed: int  # looks at which one was decided on whose comparison would have shown too little
    refreshes: int  # retrainings that claimed no drift, to learn from more data
    # Without refreshes, while no change was in force; None when the changes are not known.
    false_retrainings: int | None
    false_a_year: float | None  # the same per year in which no change was in force; None without such time
    # From each change to the first retraining before the next change; None where there was none.
    delays_days: tuple[float | None, ...]
    failures: int  # those whose outcome has matured
    # These and what follows come with 90 % intervals: a bootstrap over assets, the same draws for every rule.
    missed: int
    missed_low: float
    missed_high: float
    false_alarms: int  # alarm episodes
    false_alarms_low: float
    false_alarms_high: float
    cost: float  # all errors and retrainings at their prices
    low: float
    high: float
    cost_of_errors: float  # the same without the retrainings
    first_cheaper: float | None  # probability that the first rule of the list is cheaper than this one; None for itself
    difference: float | None  # how much more this rule costs than the first
    difference_low: float | None
    difference_high: float | None


def account(replayed: ReplayResult, plan: ReplaySchedule, sources: OutcomeSources, *, prices: Prices) -> Account:
    """List what a rule has cost; what has not matured at the end of the plan does not count.

    `sources` are those of the end of the plan. Alarm episodes run on over a change of the champion.
    """
    known = sources.outcomes(replayed.predictions)
    failures = known.failures[known.failures["event_time"] > plan.start]
    matured = failures[failures["state"].isin(["missed", "caught", "prevented"])]
    false = known.episodes[known.episodes["state"] == "fp"]
    costs = [
        (matured[matured["state"] == "missed"], "event_time", MISSED, prices.errors.missed_failure),
        (false, "opened", FALSE_ALARM, prices.errors.false_alarm),
        (pd.DataFrame({"at": [one.at for one in replayed.retrainings]}), "at", RETRAINING, prices.retraining),
    ]
    events = [
        pd.DataFrame(
            {
                "at": frame[time].astype("datetime64[us, UTC]"),
                "asset": frame.get("asset"),
                "kind": kind,
                "cost": float(cost),
            }
        ).astype({"asset": "str"})
        for frame, time, kind, cost in costs
        if len(frame)
    ]
    empty = pd.DataFrame({"at": [], "asset": [], "kind": [], "cost": []}).astype({"at": "datetime64[us, UTC]"})
    listed = pd.concat(events, ignore_index=True) if events else empty
    return Account(replayed, prices, len(matured), listed.sort_values(["at", "kind"], ignore_index=True))


def figures(
    accounts: Sequence[Account],
    plan: ReplaySchedule,
    assets: Sequence[str],
    *,
    changes: Sequence[pd.Timestamp] | None = None,
    seed: int = 0,
) -> tuple[Figures, ...]:
    """Sum up rules side by side, in the order of the accounts; each is compared with the first.

    `assets` are all that were watched: the bootstrap draws among them, the same ones for every rule. `changes` are the
    times when something changed, if known.
    """
    drawn = _draw_totals(accounts, assets, seed)
    return tuple(_figures(accounts, place, plan, changes, drawn) for place in range(len(accounts)))


@dataclass(frozen=True)
class _DrawnTotals:
    """Totals of every rule in each draw of assets, shape (n_draws, n_rules)."""

    missed: _Totals
    false_alarms: _Totals
    cost: _Totals


def _draw_totals(accounts: Sequence[Account], assets: Sequence[str], seed: int) -> _DrawnTotals:
    counts = pd.DataFrame(
        {
            (kind, place): one.by_asset(kind, assets)
            for kind in (MISSED, FALSE_ALARM)
            for place, one in enumerate(accounts)
        },
        index=list(assets),
    )
    drawn = draw_assets(counts, draws=DRAWS, seed=seed)
    missed, false = (drawn[kind].to_numpy() for kind in (MISSED, FALSE_ALARM))
    prices = accounts[0].prices
    spent = np.array([one.count(RETRAINING) for one in accounts]) * prices.retraining
    cost = missed * prices.errors.missed_failure + false * prices.errors.false_alarm + spent
    return _DrawnTotals(missed, false, cost)


def _interval(totals: _Totals) -> tuple[float, float]:
    low, high = np.quantile(totals, [0.05, 0.95])
    return float(low), float(high)


def _figures(
    accounts: Sequence[Account],
    place: int,
    plan: ReplaySchedule,
    changes: Sequence[pd.Timestamp] | None,
    drawn: _DrawnTotals,
) -> Figures:
    one, replayed = accounts[place], accounts[place].replayed
    cost, first = float(one.events["cost"].sum()), float(accounts[0].events["cost"].sum())
    extra = drawn.cost[:, place] - drawn.cost[:, 0]
    (low, high), (lower, upper) = _interval(drawn.cost[:, place]), _interval(extra)
    missed, false_alarms = _interval(drawn.missed[:, place]), _interval(drawn.false_alarms[:, place])
    false, quiet, delays = _compare_with_changes(replayed, plan, changes)
    return Figures(
        rule=replayed.rule.name,
        description=replayed.rule.description,
        retrainings=len(replayed.retrainings),
        promoted=sum(retraining.promoted for retraining in replayed.retrainings),
        asked_person=len(replayed.asked_person_at),
        postponed=len(replayed.postponed_at),
        refreshes=sum(retraining.trigger == REFRESH for retraining in replayed.retrainings),
        false_retrainings=false,
        false_a_year=None if false is None or not quiet else false / quiet,
        delays_days=delays,
        failures=one.failures,
        missed=one.count(MISSED),
        missed_low=missed[0],
        missed_high=missed[1],
        false_alarms=one.count(FALSE_ALARM),
        false_alarms_low=false_alarms[0],
        false_alarms_high=false_alarms[1],
        cost=cost,
        low=low,
        high=high,
        cost_of_errors=cost - one.count(RETRAINING) * one.prices.retraining,
        first_cheaper=float((extra > 0).mean()) if place else None,
        difference=cost - first if place else None,
        difference_low=lower if place else None,
        difference_high=upper if place else None,
    )


def in_force(replayed: ReplayResult, change: pd.Timestamp, plan: ReplaySchedule) -> tuple[pd.Timestamp, pd.Timestamp]:
    """Return the span in which a change is in force for a rule: until its champion has learned from after it."""
    learned = [tenure.since for tenure in replayed.tenures if tenure.version.trained_until > change]
    return change, max(change, min(learned, default=plan.end))


def _compare_with_changes(
    replayed: ReplayResult, plan: ReplaySchedule, changes: Sequence[pd.Timestamp] | None
) -> tuple[int | None, float, tuple[float | None, ...]]:
    """Return false retrainings, years in which no change was in force, and the delay of each change."""
    if changes is None:
        return None, 0.0, ()
    changes = sorted(changes)
    times = [retraining.at for retraining in replayed.retrainings]
    spans = [in_force(replayed, change, plan) for change in changes]
    claimed = [retraining.at for retraining in replayed.retrainings if retraining.trigger != REFRESH]
    # Ends included: the retraining that ends a span was caused by its change.
    false = sum(not any(begins < at <= ends for begins, ends in spans) for at in claimed)
    days = pd.date_range(plan.start, plan.end, freq=DAY)
    changed = np.zeros(len(days), dtype=np.bool_)
    for begins, ends in spans:
        changed |= (days > begins) & (days <= ends)
    quiet = float((~changed).mean()) * ((plan.end - plan.start) / YEAR)
    delays: list[float | None] = []
    for change, limit in zip(changes, [*changes[1:], plan.end], strict=True):
        first = min((at for at in times if change < at <= limit), default=None)
        delays.append(None if first is None else (first - change) / DAY)
    return false, quiet, tuple(delays)
