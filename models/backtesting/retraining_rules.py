"""Retraining rules to compare in a back-test: forewarn's own, and others in use.

Each is a pure function of one situation: what had matured of the champion's predictions at a look, and the retrainings
before. All of them see the same evidence: it begins with the champion's promotion, and what has led to a retraining
once does not count again.
"""

import importlib
import importlib.util
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd
from scipy import stats

from models.diagnosis.diagnosis import Diagnosis
from models.monitoring.drift import Budget, Drift, ReferenceRates, detect_drift
from models.monitoring.looks import Grid, Look, count_looks
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
    """A retraining that a rule has decided on."""

    at: pd.Timestamp
    promoted: bool  # whether the challenger was promoted
    used_until: pd.Timestamp  # end of the evidence that this or an earlier one rested on
    trigger: RetrainingTrigger = DRIFT


@dataclass(frozen=True)
class Situation:
    """What a rule sees at one look."""

    begin: pd.Timestamp  # of the back-test, with the first champion
    at: pd.Timestamp  # the time of the look
    every: pd.Timedelta  # the time between looks
    since: pd.Timestamp  # evidence begins here: the champion's promotion, or the end of what was used before
    known: Outcomes  # outcomes of the champion's predictions, as known at the look
    promise: ReferenceRates  # the error rates the champion was promoted with
    past: tuple[Retraining, ...] = ()  # the retrainings before, the latest last
    # What is wrong with the data, as known at the look; nothing by default.
    diagnose: Callable[[], Diagnosis] = Diagnosis

    def looks(self) -> tuple[Look, ...]:
        """Count what has matured, look by look; every failure counts."""
        return count_looks(self.known, Grid(self.since, self.every, one_per_asset=False))


@dataclass(frozen=True)
class Rule:
    """A retraining rule with its name and a sentence on what it does."""

    name: str
    description: str
    decide: Callable[[Situation], RetrainingDecision]


_HOLD = RetrainingDecision(HOLD, ())
_DRIFTED = RetrainingDecision(RETRAIN, (), urgent=True)
_DUE = RetrainingDecision(RETRAIN, (), trigger=CALENDAR)


def never() -> Rule:
    """Return the rule that keeps the first model."""
    return Rule("never", "Keeps the first model.", lambda _: _HOLD)


def always() -> Rule:
    """Return the rule that retrains at every look."""
    return Rule("always", "Retrains at every look.", lambda _: _DUE)


def calendar(interval: pd.Timedelta = MONTHLY, name: str = "monthly") -> Rule:
    """Return the rule that retrains at the first look of every interval since the begin of the back-test."""

    def due(situation: Situation) -> RetrainingDecision:
        before = (situation.at - situation.every - situation.begin) // interval
        return _DUE if (situation.at - situation.begin) // interval > before else _HOLD

    return Rule(name, f"Retrains every {interval / pd.Timedelta(days=1):g} days.", due)


def k_of_n(threshold: float, *, k: int = 2, n: int = 5) -> Rule:
    """Return the rule that retrains when k of the last n looks miss more than a share `threshold` of their failures.

    Looks without a failure do not count.
    """

    def over(situation: Situation) -> RetrainingDecision:
        last = [look for look in situation.looks() if look.failures][-n:]
        return _DRIFTED if sum(look.missed / look.failures > threshold for look in last) >= k else _HOLD

    return Rule(
        "k-of-n", f"Retrains when {k} of the last {n} looks miss more than {threshold:.0%} of their failures.", over
    )


def binomial(alpha: float = 0.05) -> Rule:
    """Return the rule that tests all misses since the promotion at every look, as if it were the only one."""

    def worse(situation: Situation) -> RetrainingDecision:
        counts = situation.looks()
        missed, failures = sum(look.missed for look in counts), sum(look.failures for look in counts)
        if not failures or not situation.promise.missed.of:
            return _HOLD
        test = stats.binomtest(missed, failures, situation.promise.missed.value, alternative="greater")
        return _DRIFTED if test.pvalue < alpha else _HOLD

    return Rule("binomial", f"Retrains when a binomial test of the misses has p < {alpha:g} at any look.", worse)


def ours(budget: Budget, gates: Gates, prices: Prices | None = None) -> Rule:
    """Return forewarn's own rule; without prices no refresh is due for what errors cost."""

    def policy(situation: Situation) -> RetrainingDecision:
        grid = Grid(situation.since, budget.every, one_per_asset=budget.one_per_asset)
        drifting = detect_drift(situation.known, situation.promise, budget, grid)
        since_training = _since_training(situation, prices)
        cooldown = max(gates.cooldown, situation.known.terms.maturity)
        refresh = refresh_due(since_training, gates, cooldown=cooldown, now=situation.at)
        if not drifting.drifted and refresh is None:
            return _HOLD
        # A diagnosis takes long, and can only hold a retraining back.
        diagnosis = situation.diagnose()
        drifting = detect_drift(
            situation.known, situation.promise, budget, replace(grid, set_aside=diagnosis.set_aside)
        )
        return decide(_evidence(situation, drifting, diagnosis, since_training, gates), gates, now=situation.at)

    description = "Retrains when the promise is refuted, or a refresh pays, and every gate is open."
    return Rule("ours", description, policy)


def _evidence(
    situation: Situation, drifting: Drift, diagnosis: Diagnosis, since_training: SinceTraining, gates: Gates
) -> RetrainingEvidence:
    past, at = situation.past, situation.at
    failures = _matured_failures(situation)
    changes = [one for one in past if one.promoted or one.trigger != REFRESH]
    return RetrainingEvidence(
        drift=drifting,
        failures=len(failures),
        assets=failures["asset"].nunique(),
        start=situation.since,
        end=max(situation.known.matured_until, situation.since),
        maturity=situation.known.terms.maturity,
        doubts=tuple(finding.sentence for finding in diagnosis.findings if finding.severity == "freeze"),
        used_until=past[-1].used_until if past else None,
        last_retraining=changes[-1].at if changes else None,
        this_year=sum(one.at > at - YEAR and one.trigger != REFRESH for one in past),
        rejected_in_a_row=_rejected_in_a_row(situation, gates.rejections_lapse),
        since_training=since_training,
        last_training=past[-1].at if past else None,
    )


def _since_training(situation: Situation, prices: Prices | None) -> SinceTraining:
    past = situation.past
    answered = [place for place, one in enumerate(past) if one.trigger == DRIFT]
    since = past[-1].at - situation.known.terms.maturity if past else situation.begin
    return SinceTraining(
        errors=0.0 if prices is None else cost_of_errors(situation.known, prices.errors, since),
        retraining=None if prices is None else prices.retraining,
        drift_answered=past[answered[-1]].at if answered else None,
        trained=len(past) - answered[-1] - 1 if answered else 0,
        refreshed=sum(one.at > situation.at - YEAR and one.trigger == REFRESH for one in past),
    )


def _rejected_in_a_row(situation: Situation, lapse: pd.Timedelta) -> int:
    promotions = [place for place, one in enumerate(situation.past) if one.promoted]
    later = situation.past[promotions[-1] + 1 if promotions else 0 :]
    return sum(one.trigger != REFRESH and one.at > situation.at - lapse for one in later)


def _matured_failures(situation: Situation) -> pd.DataFrame:
    failures = situation.known.failures
    matured = failures[failures["state"].isin(["missed", "caught", "prevented"])]
    return matured[matured["event_time"] > situation.since]


RIVER = {
    "adwin": ("drift", "ADWIN", "ADWIN"),
    "page-hinkley": ("drift", "PageHinkley", "Page and Hinkley's test"),
    "ddm": ("drift.binary", "DDM", "DDM"),
}
"""River's detectors by the names of their rules: module, class, name in a sentence."""


def has_river() -> bool:
    """Return whether river is installed, with whose detectors can be compared."""
    return importlib.util.find_spec("river") is not None


def river_detector(name: str) -> Rule:
    """Return the rule of one of river's detectors (`RIVER`), with river's default parameters, fed failure by failure.

    References
    ----------
    .. [1] J. Montiel et al., "River: machine learning for streaming data in Python", JMLR 22 (2021), arXiv 2012.04740.
    """
    module, kind, detector_name = RIVER[name]
    make: Callable[[], Any] = getattr(importlib.import_module(f"river.{module}"), kind)

    def detected(situation: Situation) -> RetrainingDecision:
        detector = make()
        for missed in _stream(situation):
            detector.update(missed)
            if detector.drift_detected:
                return _DRIFTED
        return _HOLD

    return Rule(
        name, f"Retrains when {detector_name} finds a change in the stream of failures missed and caught.", detected
    )


def _stream(situation: Situation) -> list[int]:
    """Return 1 for each matured failure that was missed and 0 for others, in the order in which they matured."""
    failures = _matured_failures(situation).sort_values(["matured_at", "asset"])
    return [int(state == "missed") for state in failures["state"]]
