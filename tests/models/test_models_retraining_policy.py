"""The retraining policy: a trigger and open gates retrain; a blocked gate says so, and what would open it."""

import pandas as pd
import pytest

from models.monitoring.drift import Drift
from models.retraining.retraining_policy import Gates, RetrainingEvidence, decide

NOW = pd.Timestamp("2026-06-01", tz="UTC")
DAY = pd.Timedelta(days=1)
GATES = Gates(cooldown=14 * DAY, min_failures=10)
WORSE = Drift(True, ("fn",), ("8 of 10 failures were missed.",))
CALM = Drift(False, (), ("1 of 10 failures was missed.",))


def _evidence(**changes: object) -> RetrainingEvidence:
    given: dict[str, object] = {
        "drift": WORSE,
        "failures": 12,
        "assets": 5,
        "start": NOW - 30 * DAY,
        "end": NOW,
        "maturity": 3 * DAY,
    }
    return RetrainingEvidence(**given | changes)  # type: ignore[arg-type]


def test_drift_with_open_gates_retrains() -> None:
    """Drift, enough matured failures and no retraining lately: retrain, for the reasons of the drift."""
    decision = decide(_evidence(), GATES, now=NOW)
    assert (decision.decision, decision.reasons, decision.blocked_gates) == ("retrain", WORSE.reasons, ())


def test_no_drift_holds() -> None:
    """Without drift nothing is retrained, whatever else there is."""
    assert decide(_evidence(drift=CALM), GATES, now=NOW).decision == "hold"


BLOCKED = [
    ({"doubts": ("The vibration sensor of m1 was recalibrated.",)}, "data"),
    ({"failures": 9}, "failures"),
    ({"assets": 2}, "assets"),
    ({"under_way": True}, "lease"),
    ({"last_retraining": NOW - 13 * DAY}, "cooldown"),
    ({"last_retraining": NOW - 20 * DAY, "maturity": 30 * DAY}, "cooldown"),
    ({"used_until": NOW - 29 * DAY}, "used"),
    ({"this_year": 12}, "budget"),
    ({"unreported_share": 0.2}, "findings"),
]


@pytest.mark.parametrize(("changes", "gate"), BLOCKED)
@pytest.mark.parametrize("trigger", ["drift", "calendar"])
def test_each_gate_blocks_and_says_so(changes: dict[str, object], gate: str, trigger: str) -> None:
    """A blocked gate holds a retraining back whatever its trigger, and is named with what would open it."""
    decision = decide(_evidence(**changes), GATES, now=NOW, trigger=trigger)  # type: ignore[arg-type]
    assert decision.decision == "hold"
    assert [blocked.gate for blocked in decision.blocked_gates] == [gate]
    assert decision.reasons[-1] == f"Held back: {decision.blocked_gates[0].reason}"
    assert decision.blocked_gates[0].change


def test_gates_open_again() -> None:
    """The cooldown ends, and evidence that begins where the used one ended may trigger."""
    later = _evidence(last_retraining=NOW - 14 * DAY, used_until=NOW - 30 * DAY, this_year=11, rejected_in_a_row=1)
    assert decide(later, GATES, now=NOW).decision == "retrain"


def test_two_rejected_challengers_ask_a_person() -> None:
    """After two rejections in a row a person is asked; while other gates are blocked too nobody is."""
    assert decide(_evidence(rejected_in_a_row=2), GATES, now=NOW).decision == "ask"
    assert decide(_evidence(rejected_in_a_row=2, failures=0), GATES, now=NOW).decision == "hold"
    assert decide(_evidence(rejected_in_a_row=2, drift=CALM), GATES, now=NOW).decision == "hold"


def test_a_postponed_comparison_waits_unless_the_champion_drifts() -> None:
    """While the power of a comparison grows, the calendar waits with the reason; an answer to a drift does not."""
    until = NOW + 5 * DAY
    waiting = decide(_evidence(postponed_until=until), GATES, now=NOW, trigger="calendar")
    assert (waiting.decision, [gate.gate for gate in waiting.blocked_gates]) == ("hold", ["power"])
    assert f"{until:%Y-%m-%d}" in waiting.blocked_gates[0].change
    assert decide(_evidence(postponed_until=until), GATES, now=until, trigger="calendar").decision == "retrain"
    assert decide(_evidence(postponed_until=until), GATES, now=NOW).decision == "retrain"


def test_the_calendar_needs_no_drift() -> None:
    """A retraining by the calendar goes ahead without drift, through the same gates."""
    assert decide(_evidence(drift=CALM), GATES, now=NOW, trigger="calendar").decision == "retrain"


def test_blocked_gates_are_known_before_there_is_drift() -> None:
    """Without drift the blocked gates are not reasons, but they are listed."""
    decision = decide(_evidence(drift=CALM, failures=0), GATES, now=NOW)
    assert decision.reasons == CALM.reasons
    assert [blocked.gate for blocked in decision.blocked_gates] == ["failures"]
