"""Retraining rules to compare in a back-test: forewarn's own, its parts by themselves, and the calendar.

Each is a pure function of one situation: what had matured of the champion's predictions at a look, and the retrainings
before. All of them see the same evidence: it begins with the champion's promotion, and what has led to a retraining
once does not count again. What only watches for drift is given our refreshes, so that the tests alone differ.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace

import pandas as pd

from models.diagnosis.diagnosis import Diagnosis
from models.monitoring.drift import Budget, Drift, ReferenceRates, detect_drift
from models.monitoring.looks import Grid, Look, count_looks
from models.outcomes.error_rates import unreported_share
from models.outcomes.finding_errors import FindingQuality
from models.outcomes.outcomes import Outcomes
from models.outcomes.stratum_counts import Membership
from models.retraining.refresh import NO_REFRESH, Prices, SinceTraining, cost_of_errors, refresh_due
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
RIGHT_FINDINGS = FindingQuality()


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
    promise: ReferenceRates  # the error rates the champion is held to
    past: tuple[Retraining, ...] = ()  # the retrainings before, the latest last
    # What is wrong with the data, as known at the look; nothing by default.
    diagnose: Callable[[], Diagnosis] = Diagnosis
    membership: Membership | None = None  # the strata by which promises are divided, as known at the look

    def looks(self) -> tuple[Look, ...]:
        """Count what has matured, look by look; every failure counts."""
        return count_looks(self.known, Grid(self.since, self.every, one_per_asset=False))


@dataclass(frozen=True)
class Rule:
    """A retraining rule with its name and a sentence on what it does."""

    name: str
    description: str
    decide: Callable[[Situation], RetrainingDecision]


KEEP = RetrainingDecision(HOLD, ())
DRIFTED = RetrainingDecision(RETRAIN, (), urgent=True)
_DUE = RetrainingDecision(RETRAIN, (), trigger=CALENDAR)


def never() -> Rule:
    """Return the rule that keeps the first model."""
    return Rule("never", "Keeps the first model.", lambda _: KEEP)


def always() -> Rule:
    """Return the rule that retrains at every look."""
    return Rule("always", "Retrains at every look.", lambda _: _DUE)


def calendar(interval: pd.Timedelta = MONTHLY, name: str = "monthly") -> Rule:
    """Return the rule that retrains at the first look of every interval since the begin of the back-test."""

    def due(situation: Situation) -> RetrainingDecision:
        before = (situation.at - situation.every - situation.begin) // interval
        return _DUE if (situation.at - situation.begin) // interval > before else KEEP

    return Rule(name, f"Retrains every {interval / pd.Timedelta(days=1):g} days.", due)


def ours(budget: Budget, gates: Gates, prices: Prices | None = None, findings: FindingQuality = RIGHT_FINDINGS) -> Rule:
    """Return forewarn's own rule; without prices no refresh is due for what errors cost.

    `findings` is how far the findings of mechanics are trusted.
    """

    def test(situation: Situation, set_aside: Mapping[str, pd.Timestamp]) -> Drift:
        grid = Grid(situation.since, budget.every, budget.one_per_asset, set_aside, findings, situation.membership)
        return detect_drift(situation.known, situation.promise, budget, grid)

    description = "Retrains when the promise is refuted, or a refresh pays, and every gate is open."
    return Rule("ours", description, _policy(test, gates, prices))


def ours_without_refreshes(budget: Budget, gates: Gates, findings: FindingQuality = RIGHT_FINDINGS) -> Rule:
    """Return forewarn's own rule without refreshes."""
    description = "Retrains when the promise is refuted and every gate is open: ours without refreshes."
    rule = ours(budget, replace(gates, **asdict(NO_REFRESH)), findings=findings)
    return Rule("tests", description, rule.decide)


def ours_without_tests(gates: Gates, prices: Prices | None = None) -> Rule:
    """Return forewarn's own rule without tests for drift."""
    description = "Retrains when a refresh pays and every gate is open: ours without tests for drift."
    return Rule("refreshes", description, _policy(lambda *_: Drift(False, (), ()), gates, prices))


def with_refreshes(rule: Rule, gates: Gates, prices: Prices | None = None) -> Rule:
    """Return a rule that also refreshes where it would hold, as ours does."""
    refreshes = ours_without_tests(gates, prices)

    def either(situation: Situation) -> RetrainingDecision:
        decision = rule.decide(situation)
        return decision if decision.decision != HOLD else refreshes.decide(situation)

    return Rule(rule.name, f"{rule.description} Refreshes as ours does.", either)


def _policy(
    test: Callable[[Situation, Mapping[str, pd.Timestamp]], Drift], gates: Gates, prices: Prices | None
) -> Callable[[Situation], RetrainingDecision]:
    """Return the retraining policy with a test for drift, which may have to leave out assets that are set aside."""

    def policy(situation: Situation) -> RetrainingDecision:
        since_training = _since_training(situation, prices)
        cooldown = max(gates.cooldown, situation.known.terms.maturity)
        refresh = refresh_due(since_training, gates, cooldown=cooldown, now=situation.at)
        if refresh is None and not test(situation, {}).drifted:
            return KEEP
        # A diagnosis takes long, and can only hold a retraining back.
        diagnosis = situation.diagnose()
        drifting = test(situation, diagnosis.set_aside)
        return decide(_evidence(situation, drifting, diagnosis, since_training, gates), gates, now=situation.at)

    return policy


def _evidence(
    situation: Situation, drifting: Drift, diagnosis: Diagnosis, since_training: SinceTraining, gates: Gates
) -> RetrainingEvidence:
    past, at = situation.past, situation.at
    failures = matured_failures(situation)
    changes = [one for one in past if one.promoted or one.trigger != REFRESH]
    return RetrainingEvidence(
        drift=drifting,
        failures=len(failures),
        assets=failures["asset"].nunique(),
        start=situation.since,
        end=max(situation.known.matured_until, situation.since),
        maturity=situation.known.terms.maturity,
        unreported_share=unreported_share(situation.known, situation.since),
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


def matured_failures(situation: Situation) -> pd.DataFrame:
    """Return the failures that have matured since the evidence began."""
    failures = situation.known.failures
    matured = failures[failures["state"].isin(["missed", "caught", "prevented"])]
    return matured[matured["event_time"] > situation.since]
