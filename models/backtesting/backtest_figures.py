"""What rules of retraining would have cost: errors, retrainings, delays, each with its interval."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from data_contracts.tables.history import History
from models.backtesting.backtest import ReplayResult, ReplaySchedule
from models.backtesting.retraining_rules import YEAR
from models.outcomes.outcomes import Terms, outcomes
from models.retraining.refresh import Prices as Prices
from models.retraining.retraining_policy import REFRESH

DAY = pd.Timedelta(days=1)
DRAWS = 4000
_AT_ONCE = 256


@dataclass(frozen=True)
class Account:
    """What a rule has cost, event by event.

    Parameters
    ----------
    course : ReplayResult
        What the rule did.
    failures : int
        Failures missed, caught and prevented.
    events : pd.DataFrame
        Columns at, asset (null for retrainings), kind ("missed", "false alarm", "retraining"), cost; by time.
    """

    course: ReplayResult
    failures: int
    events: pd.DataFrame

    def count(self, kind: str) -> int:
        """Count the events of a kind."""
        return int((self.events["kind"] == kind).sum())


@dataclass(frozen=True)
class Figures:
    """What a rule comes to.

    Parameters
    ----------
    rule, told : str
        Its name, and what it does.
    retrainings, promoted, asked : int
        Retrainings decided, challengers promoted, looks at which a person was asked.
    refreshes : int
        Retrainings that answered no drift and claimed none: there was more to learn from.
    false_retrainings : int or None
        Retrainings, without refreshes, decided while no change was in force; None when the changes are not known.
    false_a_year : float or None
        The same a year in which no change was in force; None without such time.
    delays_days : tuple of float or None
        From each change to the first retraining that was decided after it and before the next; None where none was.
    failures, missed, false_alarms : int
        Failures judged, those missed, and false alarm episodes.
    cost, low, high : float
        All errors and retrainings at their prices, with a 90 % interval (bootstrap over assets).
    cost_of_errors : float
        The same without the retrainings.
    first_cheaper : float or None
        The probability that the first rule of the list is cheaper than this one; None for itself.
    difference, difference_low, difference_high : float or None
        How much more this one costs than the first rule, with a 90 % interval.
    """

    rule: str
    told: str
    retrainings: int
    promoted: int
    asked: int
    refreshes: int
    false_retrainings: int | None
    false_a_year: float | None
    delays_days: tuple[float | None, ...]
    failures: int
    missed: int
    false_alarms: int
    cost: float
    low: float
    high: float
    cost_of_errors: float
    first_cheaper: float | None
    difference: float | None
    difference_low: float | None
    difference_high: float | None


def account(course: ReplayResult, history: History, plan: ReplaySchedule, *, terms: Terms, prices: Prices) -> Account:
    """List what a rule has cost.

    Parameters
    ----------
    course : ReplayResult
        What it did.
    history : History
        Failures and work orders, all of them: the judgement is made afterwards.
    plan : ReplaySchedule
        From when to when; what has not matured at its end counts for nobody.
    terms : Terms
        How alarms are judged.
    prices : Prices
        What each thing costs.

    Returns
    -------
    Account
        Alarm episodes run on over a change of the model on duty.
    """
    known = outcomes(course.told, history.failures, history.work_orders, now=plan.end, terms=terms)
    failures = known.failures[known.failures["event_time"] > plan.start]
    judged = failures[failures["state"].isin(["missed", "caught", "prevented"])]
    false = known.episodes[known.episodes["state"] == "fp"]
    told = [
        (judged[judged["state"] == "missed"], "event_time", "missed", prices.errors.missed_failure),
        (false, "opened", "false alarm", prices.errors.false_alarm),
        (pd.DataFrame({"at": [one.at for one in course.retrainings]}), "at", "retraining", prices.retraining),
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
        for frame, time, kind, cost in told
        if len(frame)
    ]
    empty = pd.DataFrame({"at": [], "asset": [], "kind": [], "cost": []}).astype({"at": "datetime64[us, UTC]"})
    listed = pd.concat(events, ignore_index=True) if events else empty
    return Account(course, len(judged), listed.sort_values(["at", "kind"], ignore_index=True))


def figures(
    accounts: Sequence[Account],
    plan: ReplaySchedule,
    assets: Sequence[str],
    *,
    changes: Sequence[pd.Timestamp] | None = None,
    seed: int = 0,
) -> tuple[Figures, ...]:
    """Sum up rules side by side; the first one is compared with each of the others.

    Parameters
    ----------
    accounts : sequence of Account
        One a rule, over the same history.
    plan : ReplaySchedule
        From when to when.
    assets : sequence of str
        All that were watched; the bootstrap draws among them, the same ones for every rule.
    changes : sequence of pd.Timestamp, optional
        When something changed, if that is known.
    seed : int
        Of the bootstrap.

    Returns
    -------
    tuple of Figures
        In the order of the accounts.
    """
    errors = pd.DataFrame({place: _by_asset(one, assets) for place, one in enumerate(accounts)}, index=list(assets))
    drawn = _drawn(errors.to_numpy(dtype=np.float64), seed)
    spent = np.array([one.events.loc[one.events["kind"] == "retraining", "cost"].sum() for one in accounts])
    totals = drawn + spent
    return tuple(_summed(accounts, place, plan, changes, totals, spent) for place in range(len(accounts)))


def _summed(
    accounts: Sequence[Account],
    place: int,
    plan: ReplaySchedule,
    changes: Sequence[pd.Timestamp] | None,
    totals: "np.ndarray[tuple[int, int], np.dtype[np.float64]]",
    spent: "np.ndarray[tuple[int], np.dtype[np.float64]]",
) -> Figures:
    one = accounts[place]
    cost, first = float(one.events["cost"].sum()), float(accounts[0].events["cost"].sum())
    low, high = np.quantile(totals[:, place], [0.05, 0.95])
    apart = totals[:, place] - totals[:, 0]
    lower, upper = np.quantile(apart, [0.05, 0.95])
    false, quiet, delays = _against_changes(one.course, plan, changes)
    return Figures(
        rule=one.course.rule.name,
        told=one.course.rule.told,
        retrainings=len(one.course.retrainings),
        promoted=sum(made.promoted for made in one.course.retrainings),
        asked=len(one.course.asked),
        refreshes=sum(made.occasion == REFRESH for made in one.course.retrainings),
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
        first_cheaper=float((apart > 0).mean()) if place else None,
        difference=cost - first if place else None,
        difference_low=float(lower) if place else None,
        difference_high=float(upper) if place else None,
    )


def in_force(course: ReplayResult, change: pd.Timestamp, plan: ReplaySchedule) -> tuple[pd.Timestamp, pd.Timestamp]:
    """Return from when to when a change is in force for a rule: until its champion has learned from what came after.

    Parameters
    ----------
    course : ReplayResult
        What the rule did.
    change : pd.Timestamp
        When something changed.
    plan : ReplaySchedule
        The end, where no champion has.
    """
    learned = [office.since for office in course.offices if office.version.trained_until > change]
    return change, max(change, min(learned, default=plan.end))


def _against_changes(
    course: ReplayResult, plan: ReplaySchedule, changes: Sequence[pd.Timestamp] | None
) -> tuple[int | None, float, tuple[float | None, ...]]:
    """Give false retrainings, years in which no change was in force, and the delay of each change."""
    if changes is None:
        return None, 0.0, ()
    made = [one.at for one in course.retrainings]
    spans = [in_force(course, change, plan) for change in sorted(changes)]
    # At the end of a span a retraining takes place that ends it, so it belongs to it.
    claimed = [one.at for one in course.retrainings if one.occasion != REFRESH]
    false = sum(not any(begins < at <= ends for begins, ends in spans) for at in claimed)
    watched = pd.date_range(plan.start, plan.end, freq=DAY)
    busy = np.zeros(len(watched), dtype=np.bool_)
    for begins, ends in spans:
        busy |= (watched > begins) & (watched <= ends)
    quiet = float((~busy).mean()) * ((plan.end - plan.start) / YEAR)
    after = [*sorted(changes)[1:], plan.end]
    found = [
        min((at for at in made if change < at <= limit), default=None)
        for change, limit in zip(sorted(changes), after, strict=True)
    ]
    delays = [None if at is None else (at - change) / DAY for at, change in zip(found, sorted(changes), strict=True)]
    return false, quiet, tuple(delays)


def _by_asset(one: Account, assets: Sequence[str]) -> "pd.Series[float]":
    errors = one.events[one.events["kind"] != "retraining"]
    return errors.groupby("asset")["cost"].sum().reindex(list(assets)).fillna(0.0)


def _drawn(
    costs: "np.ndarray[tuple[int, int], np.dtype[np.float64]]", seed: int
) -> "np.ndarray[tuple[int, int], np.dtype[np.float64]]":
    """Draw assets with replacement and sum up their costs, the same draws for every rule; shape (DRAWS, n_rules)."""
    rng, assets = np.random.default_rng(seed), len(costs)
    sizes = [min(_AT_ONCE, DRAWS - done) for done in range(0, DRAWS, _AT_ONCE)]
    return np.vstack([rng.multinomial(assets, np.full(assets, 1 / assets), size=size) @ costs for size in sizes])
