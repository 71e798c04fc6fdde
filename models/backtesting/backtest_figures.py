"""What retraining rules would have cost: errors, retrainings and delays, with intervals."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from data_contracts.tables.history import History
from models.backtesting.backtest import ReplayResult, ReplaySchedule
from models.backtesting.retraining_rules import YEAR
from models.outcomes.outcomes import Terms, outcomes
from models.retraining.paired_costs import draw_assets
from models.retraining.refresh import Prices as Prices
from models.retraining.retraining_policy import REFRESH

DAY = pd.Timedelta(days=1)
DRAWS = 4000


@dataclass(frozen=True)
class Account:
    """What a rule has cost, event by event."""

    replayed: ReplayResult
    failures: int  # missed, caught and prevented
    # Columns at, asset (null for retrainings), kind ("missed", "false alarm", "retraining"), cost; by time.
    events: pd.DataFrame

    def count(self, kind: str) -> int:
        """Count the events of a kind."""
        return int((self.events["kind"] == kind).sum())


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
    missed: int
    false_alarms: int  # alarm episodes
    cost: float  # all errors and retrainings at their prices, with a 90 % interval (bootstrap over assets)
    low: float
    high: float
    cost_of_errors: float  # the same without the retrainings
    first_cheaper: float | None  # probability that the first rule of the list is cheaper than this one; None for itself
    difference: float | None  # how much more this rule costs than the first, with a 90 % interval
    difference_low: float | None
    difference_high: float | None


def account(
    replayed: ReplayResult,
    history: History,
    plan: ReplaySchedule,
    *,
    terms: Terms,
    prices: Prices,
    observation_gaps: pd.DataFrame | None = None,
) -> Account:
    """List what a rule has cost; what has not matured at the end of the plan does not count.

    The failures and work orders of the whole history are used, and alarm episodes run on over a change of the champion.
    """
    known = outcomes(
        replayed.predictions,
        history.predicted_failures,
        history.work_orders,
        now=plan.end,
        terms=terms,
        observation_gaps=observation_gaps,
    )
    failures = known.failures[known.failures["event_time"] > plan.start]
    matured = failures[failures["state"].isin(["missed", "caught", "prevented"])]
    false = known.episodes[known.episodes["state"] == "fp"]
    sources = [
        (matured[matured["state"] == "missed"], "event_time", "missed", prices.errors.missed_failure),
        (false, "opened", "false alarm", prices.errors.false_alarm),
        (pd.DataFrame({"at": [one.at for one in replayed.retrainings]}), "at", "retraining", prices.retraining),
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
        for frame, time, kind, cost in sources
        if len(frame)
    ]
    empty = pd.DataFrame({"at": [], "asset": [], "kind": [], "cost": []}).astype({"at": "datetime64[us, UTC]"})
    listed = pd.concat(events, ignore_index=True) if events else empty
    return Account(replayed, len(matured), listed.sort_values(["at", "kind"], ignore_index=True))


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
    errors = pd.DataFrame(
        {place: _cost_by_asset(one, assets) for place, one in enumerate(accounts)}, index=list(assets)
    )
    drawn = draw_assets(errors, draws=DRAWS, seed=seed).to_numpy()
    spent = np.array([one.events.loc[one.events["kind"] == "retraining", "cost"].sum() for one in accounts])
    totals = drawn + spent
    return tuple(_figures(accounts, place, plan, changes, totals, spent) for place in range(len(accounts)))


def _figures(
    accounts: Sequence[Account],
    place: int,
    plan: ReplaySchedule,
    changes: Sequence[pd.Timestamp] | None,
    totals: "np.ndarray[tuple[int, int], np.dtype[np.float64]]",
    spent: "np.ndarray[tuple[int], np.dtype[np.float64]]",
) -> Figures:
    one, replayed = accounts[place], accounts[place].replayed
    cost, first = float(one.events["cost"].sum()), float(accounts[0].events["cost"].sum())
    low, high = np.quantile(totals[:, place], [0.05, 0.95])
    extra = totals[:, place] - totals[:, 0]
    lower, upper = np.quantile(extra, [0.05, 0.95])
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
        missed=one.count("missed"),
        false_alarms=one.count("false alarm"),
        cost=cost,
        low=float(low),
        high=float(high),
        cost_of_errors=cost - float(spent[place]),
        first_cheaper=float((extra > 0).mean()) if place else None,
        difference=cost - first if place else None,
        difference_low=float(lower) if place else None,
        difference_high=float(upper) if place else None,
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


def _cost_by_asset(one: Account, assets: Sequence[str]) -> "pd.Series[float]":
    errors = one.events[one.events["kind"] != "retraining"]
    return errors.groupby("asset")["cost"].sum().reindex(list(assets)).fillna(0.0)
