import pandas as pd
import pytest

from models.drift import Drift, Reference, Tolerances, drift
from models.error_rates import ErrorRates, occurrence, share
from models.retraining_policy import Evidence, Gates, decide

NOW = pd.Timestamp("2026-06-01", tz="UTC")
DAY = pd.Timedelta(days=1)
GATES = Gates(cooldown=14 * DAY, min_failures=10)
WORSE = Drift(True, ("fn",), ("8 of 10 failures were missed.",))


def _rates(missed: tuple[int, int], false: tuple[int, float]) -> ErrorRates:
    return ErrorRates(
        start=NOW - 30 * DAY,
        end=NOW,
        missed=share(*missed),
        false_episodes=occurrence(*false),
        decision_fn=share(0, 1),
        decision_fp=share(0, 1),
        caught=missed[1] - missed[0],
        prevented=0,
        uncovered=0,
        undecided=0,
        confidence=0.95,
    )


@pytest.mark.parametrize(
    ("missed", "false", "which"),
    [
        ((4, 20), (20, 100.0), ()),
        ((12, 20), (20, 100.0), ("fn",)),
        ((4, 20), (60, 100.0), ("fp",)),
        ((12, 20), (60, 100.0), ("fn", "fp")),
        ((1, 1), (1, 1.0), ()),  # worse than promised, but far too little to say so
        ((0, 0), (0, 0.0), ()),
    ],
)
def test_drift_is_the_lower_end_above_reference_and_tolerance(
    missed: tuple[int, int], false: tuple[int, float], which: tuple[str, ...]
) -> None:
    """A rate has drifted iff the whole of its interval lies above the reference plus the tolerance."""
    seen = drift(_rates(missed, false), Reference(0.2, 0.2), Tolerances(0.1, 0.1))
    assert seen.which == which
    assert seen.drifted == bool(which)


def test_reasons_give_the_figures() -> None:
    """The reasons are sentences with the counts, the interval and what was accepted."""
    seen = drift(_rates((12, 20), (20, 100.0)), Reference(0.2, 0.2), Tolerances(0.1, 0.1))
    assert seen.reasons[0].startswith("12 of 20 failures were missed: 60%, 95% interval 39% to 78%.")
    assert "30% accepted" in seen.reasons[0]
    assert len(seen.reasons) == 2
    assert seen.to_dict()["which"] == ["fn"]


def _evidence(**changes: object) -> Evidence:
    given: dict[str, object] = {"drift": WORSE, "failures": 12, "start": NOW - 30 * DAY, "end": NOW} | changes
    return Evidence(**given)  # type: ignore[arg-type]


def test_drift_with_open_gates_retrains() -> None:
    """Drift, enough matured failures and no retraining lately: retrain, for the reasons of the drift."""
    assert decide(_evidence(), GATES, now=NOW).decision == "retrain"
    assert decide(_evidence(), GATES, now=NOW).reasons == WORSE.reasons


def test_no_drift_holds() -> None:
    """Without drift nothing is retrained, whatever else there is."""
    calm = Drift(False, (), ("1 of 10 failures was missed.",))
    assert decide(_evidence(drift=calm), GATES, now=NOW).decision == "hold"


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"failures": 9}, "failures have matured"),
        ({"last_retraining": NOW - 13 * DAY}, "cooldown"),
        ({"used_until": NOW - 29 * DAY}, "another"),
    ],
)
def test_each_gate_holds_and_says_so(changes: dict[str, object], word: str) -> None:
    """A closed gate holds the retraining back and is named beside the drift."""
    verdict = decide(_evidence(**changes), GATES, now=NOW)
    assert verdict.decision == "hold"
    assert verdict.reasons[: len(WORSE.reasons)] == WORSE.reasons
    assert word in verdict.reasons[-1]


def test_gates_open_again() -> None:
    """The cooldown ends, and evidence that begins where the used one ended may trigger."""
    later = _evidence(last_retraining=NOW - 14 * DAY, used_until=NOW - 30 * DAY)
    assert decide(later, GATES, now=NOW).decision == "retrain"
