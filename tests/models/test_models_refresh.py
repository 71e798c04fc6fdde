"""Refreshes: when they pay, how they follow a drift, and which gates hold them back."""

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_contracts.errors import UsageError
from models.monitoring.drift import Drift
from models.retraining.refresh import NO_REFRESH, RefreshRule, SinceTraining, refresh_due
from models.retraining.retraining_policy import Gates, RetrainingEvidence, decide

NOW = pd.Timestamp("2026-06-01", tz="UTC")
DAY = pd.Timedelta(days=1)
RULE = Gates(cooldown=14 * DAY, min_failures=10, refresh_pays_at=100.0, refresh_follow_ups=3, refresh_budget=26)
CALM = Drift(False, (), ("1 of 10 failures was missed.",))
WORSE = Drift(True, ("fn",), ("8 of 10 failures were missed.",))
DUE = SinceTraining(errors=2000.0, retraining=10.0)


def _due(since: SinceTraining, rule: RefreshRule = RULE) -> bool:
    return refresh_due(since, rule, cooldown=14 * DAY, now=NOW) is not None


def _evidence(drift: Drift = CALM, **changes: object) -> RetrainingEvidence:
    given: dict[str, object] = {"failures": 12, "assets": 5, "start": NOW - 30 * DAY, "end": NOW, "maturity": 3 * DAY}
    return RetrainingEvidence(drift, **given | {"since_training": DUE} | changes)  # type: ignore[arg-type]


def _decided(evidence: RetrainingEvidence) -> tuple[str, str, bool]:
    decision = decide(evidence, RULE, now=NOW)
    return decision.decision, decision.trigger, decision.urgent


@given(errors=st.lists(st.floats(0, 1e6), min_size=1, max_size=60), price=st.floats(1, 1e4))
@pytest.mark.ml_test("Monitor 4")
def test_refreshes_cost_a_declared_share_of_the_errors_at_most(errors: list[float], price: float) -> None:
    """However errors come, what is spent on refreshes that pay is at most one hundredth of what the errors cost."""
    since, spent = 0.0, 0.0
    for cost in errors:
        since += cost
        if _due(SinceTraining(errors=since, retraining=price)):
            since, spent = 0.0, spent + price
    assert spent <= sum(errors) / RULE.refresh_pays_at * (1 + 1e-9)


def test_without_a_price_or_an_error_nothing_pays() -> None:
    """Where the cost of a retraining is unknown, or no error was made, no refresh is due."""
    assert not _due(SinceTraining(errors=1e9))
    assert not _due(SinceTraining(errors=0.0, retraining=0.0))


@pytest.mark.parametrize(("trained", "days"), [(0, 14), (1, 28), (2, 56)])
def test_follow_ups_double_their_distance(trained: int, days: int) -> None:
    """After a drift was answered a follow-up is due after one, two and four cooldowns, and not a day before."""
    assert _due(SinceTraining(drift_answered=NOW - days * DAY, trained=trained))
    assert not _due(SinceTraining(drift_answered=NOW - (days - 1) * DAY, trained=trained))
    assert not _due(SinceTraining(drift_answered=NOW - 300 * DAY, trained=3))


def test_there_is_a_yearly_budget() -> None:
    """No refresh is due once the year's are spent, nor ever where none is allowed."""
    assert _due(SinceTraining(errors=2000.0, retraining=10.0, refreshed=25))
    assert not _due(SinceTraining(errors=2000.0, retraining=10.0, refreshed=26))
    assert not _due(DUE, NO_REFRESH)


def test_a_rule_below_zero_is_refused() -> None:
    """A number below zero is named."""
    with pytest.raises(UsageError, match="pays_at"):
        RefreshRule(refresh_pays_at=-1)


@pytest.mark.ml_test("Model 4")
def test_a_refresh_goes_ahead_without_drift() -> None:
    """A champion without drift is refreshed when that pays, and the decision claims no drift."""
    assert _decided(_evidence()) == ("retrain", "refresh", False)
    assert _decided(_evidence(since_training=SinceTraining())) == ("hold", "drift", False)


def test_drift_comes_first() -> None:
    """Where the champion has drifted and the gates are open, it is retrained for that, and urgently."""
    assert _decided(_evidence(WORSE)) == ("retrain", "drift", True)


def test_rejections_do_not_hold_a_refresh_back() -> None:
    """While a person is asked, a refresh that is due goes ahead, and one that is not due does not."""
    assert _decided(_evidence(WORSE, rejected_in_a_row=2)) == ("retrain", "refresh", True)
    assert _decided(_evidence(WORSE, rejected_in_a_row=2, since_training=SinceTraining())) == ("ask", "drift", True)


@pytest.mark.parametrize(
    ("changes", "gate"),
    [
        ({"doubts": ("The vibration sensor of m1 was recalibrated.",)}, "data"),
        ({"failures": 9}, "failures"),
        ({"unreported_share": 0.2}, "findings"),
        ({"under_way": True}, "lease"),
        ({"last_training": NOW - 13 * DAY}, "cooldown"),
    ],
)
def test_gates_hold_a_refresh_back(changes: dict[str, object], gate: str) -> None:
    """A refresh passes the same gates as any retraining, and the decision names those that are blocked."""
    decision = decide(_evidence(**changes), RULE, now=NOW)
    assert (decision.decision, [blocked.gate for blocked in decision.blocked_gates]) == ("hold", [gate])
    assert decision.reasons[-1].startswith("Held back: ")


def test_a_rejected_refresh_does_not_delay_the_answer_to_a_drift() -> None:
    """The cooldown after a refresh that changed nothing is for refreshes only."""
    assert _decided(_evidence(WORSE, last_training=NOW - DAY)) == ("retrain", "drift", True)
    assert _decided(_evidence(WORSE, last_retraining=NOW - DAY, last_training=NOW - DAY))[0] == "hold"
