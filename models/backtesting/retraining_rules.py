"""Rules that say when to retrain, to be compared in a back-test: ours, and what else is in use.

Each is a pure function of one situation: what had matured of the champion's predictions when it was looked at, and the
retrainings before. All of them see the same evidence: it begins with the champion's promotion, and what has led to a
retraining once does not count again.
"""

import importlib
import importlib.util
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd
from scipy import stats

from models.diagnosis.diagnosis import Diagnosis
from models.monitoring.drift import Budget, ReferenceRates, drift
from models.monitoring.looks import Grid, Look, looks
from models.outcomes.outcomes import Outcomes
from models.retraining.refresh import Prices, SinceTraining, cost_of_errors, refresh_due
from models.retraining.retraining_policy import (
    CALENDAR,
    DRIFT,
    HOLD,
    REFRESH,
    RETRAIN,
    Gates,
    RetrainingDecision,
    RetrainingEvidence,
    RetrainingTrigger,
    decide,
)

YEAR = pd.Timedelta(days=365)
MONTHLY = pd.Timedelta(days=30)


@dataclass(frozen=True)
class Retraining:
    """A retraining that a rule has decided on.

    Parameters
    ----------
    at : pd.Timestamp
        When.
    promoted : bool
        Whether the challenger was promoted.
    used_until : pd.Timestamp
        End of the evidence that this or an earlier one rested on.
    occasion : {"drift", "calendar", "refresh"}
        What asked for it.
    """

    at: pd.Timestamp
    promoted: bool
    used_until: pd.Timestamp
    occasion: RetrainingTrigger = DRIFT


@dataclass(frozen=True)
class Situation:
    """What a rule sees at one look.

    Parameters
    ----------
    begin : pd.Timestamp
        When the back-test began: the first champion took office.
    at : pd.Timestamp
        The time of the look.
    every : pd.Timedelta
        Between looks.
    since : pd.Timestamp
        Evidence begins here: the champion's promotion, or the end of what was used before.
    known : Outcomes
        What became of the champion's predictions, as known at the look.
    promise : ReferenceRates
        The error rates the champion was promoted with.
    past : tuple of Retraining
        The retrainings before, the latest last.
    diagnose : callable
        Tells what is wrong with the data, as known at the look; nothing by default.
    """

    begin: pd.Timestamp
    at: pd.Timestamp
    every: pd.Timedelta
    since: pd.Timestamp
    known: Outcomes
    promise: ReferenceRates
    past: tuple[Retraining, ...] = ()
    diagnose: Callable[[], Diagnosis] = Diagnosis

    def looks(self) -> tuple[Look, ...]:
        """Count what has matured, look by look; every failure counts."""
        return looks(self.known, Grid(self.since, self.every, one_per_asset=False))


@dataclass(frozen=True)
class Rule:
    """A rule with its name.

    Parameters
    ----------
    name : str
        As asked for.
    told : str
        What it does, in a sentence.
    decide : callable
        A situation in, a verdict out: "retrain", "hold" or "ask" (for a person), and on what occasion.
    """

    name: str
    told: str
    decide: Callable[[Situation], RetrainingDecision]


_HELD = RetrainingDecision(HOLD, ())
_DRIFTED = RetrainingDecision(RETRAIN, (), urgent=True)
_DUE = RetrainingDecision(RETRAIN, (), occasion=CALENDAR)


def never() -> Rule:
    """Return the rule that keeps the first model."""
    return Rule("never", "The first model stays.", lambda _: _HELD)


def always() -> Rule:
    """Return the rule that retrains at every look."""
    return Rule("always", "Retrains at every look.", lambda _: _DUE)


def calendar(interval: pd.Timedelta = MONTHLY, name: str = "monthly") -> Rule:
    """Return the rule that retrains at the first look of every interval since the begin.

    Parameters
    ----------
    interval : pd.Timedelta
        Between retrainings.
    name : str
        Of the rule.
    """

    def due(seen: Situation) -> RetrainingDecision:
        before = (seen.at - seen.every - seen.begin) // interval
        return _DUE if (seen.at - seen.begin) // interval > before else _HELD

    return Rule(name, f"Retrains every {interval / pd.Timedelta(days=1):g} days.", due)


def k_of_n(threshold: float, *, k: int = 2, n: int = 5) -> Rule:
    """Return the rule that counts looks over a fixed threshold.

    Parameters
    ----------
    threshold : float
        Share of missed failures that a look may have.
    k, n : int
        Retrain when k of the last n looks are over it; looks without a failure do not count.
    """

    def over(seen: Situation) -> RetrainingDecision:
        last = [look for look in seen.looks() if look.failures][-n:]
        return _DRIFTED if sum(look.missed / look.failures > threshold for look in last) >= k else _HELD

    return Rule(
        "k-of-n", f"Retrains when {k} of the last {n} looks miss more than {threshold:.0%} of their failures.", over
    )


def binomial(alpha: float = 0.05) -> Rule:
    """Return the rule that tests all failures since the promotion at every look, as if it were the only one.

    Parameters
    ----------
    alpha : float
        Level of the one-sided test against the promised share.
    """

    def worse(seen: Situation) -> RetrainingDecision:
        counted = seen.looks()
        missed, failures = sum(look.missed for look in counted), sum(look.failures for look in counted)
        if not failures or not seen.promise.missed.of:
            return _HELD
        test = stats.binomtest(missed, failures, seen.promise.missed.value, alternative="greater")
        return _DRIFTED if test.pvalue < alpha else _HELD

    return Rule("binomial", f"Retrains when a binomial test of the misses has p < {alpha:g} at any look.", worse)


def ours(budget: Budget, gates: Gates, prices: Prices | None = None) -> Rule:
    """Return forewarn's own rule.

    Parameters
    ----------
    budget : Budget
        What harms, and which errors are accepted.
    gates : Gates
        What must hold besides.
    prices : Prices, optional
        Of errors and of a retraining; without them no refresh is due for what errors cost.
    """

    def weighed(seen: Situation) -> RetrainingDecision:
        grid = Grid(seen.since, budget.every, one_per_asset=budget.one_per_asset)
        found = drift(seen.known, seen.promise, budget, grid)
        new, wait = _since_training(seen, prices), max(gates.cooldown, seen.known.terms.maturity)
        if not found.drifted and refresh_due(new, gates, wait=wait, now=seen.at) is None:
            return _HELD
        # A diagnosis takes long, and can but hold back.
        data = seen.diagnose()
        found = drift(seen.known, seen.promise, budget, replace(grid, set_aside=data.set_aside))
        matured = _matured(seen, seen.since)
        changes = [one for one in seen.past if one.promoted or one.occasion != REFRESH]
        evidence = RetrainingEvidence(
            drift=found,
            failures=len(matured),
            assets=matured["asset"].nunique(),
            start=seen.since,
            end=max(seen.known.matured_until, seen.since),
            maturity=seen.known.terms.maturity,
            doubts=tuple(finding.sentence for finding in data.findings if finding.severity == "freeze"),
            used_until=seen.past[-1].used_until if seen.past else None,
            last_retraining=changes[-1].at if changes else None,
            this_year=sum(one.at > seen.at - YEAR and one.occasion != REFRESH for one in seen.past),
            rejected_in_a_row=_rejected_in_a_row(seen, gates.rejections_lapse),
            new=new,
            last_training=seen.past[-1].at if seen.past else None,
        )
        return decide(evidence, gates, now=seen.at)

    told = "Retrains when the promise is refuted, or a refresh pays, and every gate is open."
    return Rule("ours", told, weighed)


def _since_training(seen: Situation, prices: Prices | None) -> SinceTraining:
    answered = [place for place, one in enumerate(seen.past) if one.occasion == DRIFT]
    since = seen.past[-1].at - seen.known.terms.maturity if seen.past else seen.begin
    return SinceTraining(
        errors=0.0 if prices is None else cost_of_errors(seen.known, prices.errors, since),
        retraining=None if prices is None else prices.retraining,
        drift_answered=seen.past[answered[-1]].at if answered else None,
        trained=len(seen.past) - answered[-1] - 1 if answered else 0,
        refreshed=sum(one.at > seen.at - YEAR and one.occasion == REFRESH for one in seen.past),
    )


def _rejected_in_a_row(seen: Situation, lapse: pd.Timedelta) -> int:
    promotions = [place for place, one in enumerate(seen.past) if one.promoted]
    later = seen.past[promotions[-1] + 1 if promotions else 0 :]
    return sum(one.occasion != REFRESH and one.at > seen.at - lapse for one in later)


def _matured(seen: Situation, since: pd.Timestamp) -> pd.DataFrame:
    failures = seen.known.failures
    counted = failures[failures["state"].isin(["missed", "caught", "prevented"])]
    return counted[counted["event_time"] > since]


RIVER = {
    "adwin": ("drift", "ADWIN", "ADWIN"),
    "page-hinkley": ("drift", "PageHinkley", "Page and Hinkley's test"),
    "ddm": ("drift.binary", "DDM", "DDM"),
}
"""River's detectors by the names of their rules: module, class, words."""


def river_is_there() -> bool:
    """Say whether river's detectors can be compared with."""
    return importlib.util.find_spec("river") is not None


def river_detector(name: str) -> Rule:
    """Return the rule that one of river's detectors makes, with river's own parameters, fed failure by failure.

    Parameters
    ----------
    name : str
        One of `RIVER`.

    References
    ----------
    .. [1] J. Montiel et al., "River: machine learning for streaming data in Python", JMLR 22 (2021), arXiv 2012.04740.
    """
    module, kind, words = RIVER[name]
    make: Callable[[], Any] = getattr(importlib.import_module(f"river.{module}"), kind)

    def detected(seen: Situation) -> RetrainingDecision:
        detector = make()
        for missed in _stream(seen):
            detector.update(missed)
            if detector.drift_detected:
                return _DRIFTED
        return _HELD

    return Rule(name, f"Retrains when {words} finds a change in the stream of failures missed and caught.", detected)


def _stream(seen: Situation) -> list[int]:
    """Give each matured failure, 1 if it was missed, in the order in which they matured."""
    counted = _matured(seen, seen.since).sort_values(["matured_at", "asset"])
    return [int(state == "missed") for state in counted["state"]]
