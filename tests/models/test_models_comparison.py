"""The rules of judging, on predictions made by hand; tests/pipelines compares real models."""

import pandas as pd
import pytest

from data_contracts.contract import empty_table
from data_contracts.history import History
from models.comparison import Standing, _verdict, judged_events, standing
from models.error_rates import occurrence, share
from models.experiment import CostPlan
from models.outcomes import Terms

HOUR = pd.Timedelta(hours=1)
START = pd.Timestamp("2026-01-01", tz="UTC")
NOW = START + 400 * HOUR
TERMS = Terms(lead=0 * HOUR, horizon=24 * HOUR, gap=24 * HOUR, reporting_delay=0 * HOUR)
COSTS = CostPlan(missed_failure=10.0, false_alarm=1.0)


def at(hours: float) -> pd.Timestamp:
    return START + hours * HOUR


def _history(failures: list[float], confirmed: list[float]) -> History:
    failed = pd.DataFrame(
        {"failure_id": [str(h) for h in failures], "asset": "m1", "event_time": [at(h) for h in failures], "mode": "x"}
    )
    work = pd.DataFrame(
        {
            "work_order_id": [str(h) for h in confirmed],
            "asset": "m1",
            "event_time": [at(h) for h in confirmed],
            "kind": "inspection",
            "component": None,
            "finding": "defect_confirmed",
            "prompted_by": "alarm",
        }
    )
    frames = {
        "failures": failed.assign(known_time=failed["event_time"]) if failures else empty_table("failures"),
        "work_orders": work.assign(known_time=work["event_time"]) if confirmed else empty_table("work_orders"),
    }
    rest = {name: empty_table(name) for name in ("assets", "events")}
    return History("azure_machine", (), empty_table("telemetry/azure_machine"), **frames, **rest)


ASKED = pd.DataFrame({"asset": "m1", "as_of": [at(h) for h in range(0, 370, 6)]})


def _said(*alerts: int) -> pd.DataFrame:
    return ASKED.assign(alert=ASKED["as_of"].isin([at(h) for h in alerts]))


def test_events_are_failures_and_confirmed_defects_that_could_be_announced() -> None:
    """Both are judged by the same events: inside the period, matured, and in reach of a cut-off."""
    history = _history([10, 100, 390], [200])
    events = judged_events(history, ASKED, start=at(50), now=NOW, terms=TERMS)
    assert events["event_time"].tolist() == [at(100), at(200)]
    unreachable = ASKED[ASKED["as_of"] > at(150)]
    assert judged_events(history, unreachable, start=at(50), now=NOW, terms=TERMS)["event_time"].tolist() == [at(200)]


def test_an_alarm_before_a_confirmed_defect_is_not_false() -> None:
    """Whoever announced what mechanics then confirmed is right, and whoever did not has missed it."""
    history = _history([100], [200])
    events = judged_events(history, ASKED, start=START, now=NOW, terms=TERMS)
    knew = standing(1, _said(90, 192), history, events, start=START, now=NOW, terms=TERMS, costs=COSTS)
    slept = standing(2, _said(90, 300), history, events, start=START, now=NOW, terms=TERMS, costs=COSTS)
    assert (knew.missed.count, knew.false_episodes.count, knew.cost) == (0, 0, 0.0)
    assert (slept.missed.count, slept.false_episodes.count, slept.cost) == (1, 1, 11.0)


@pytest.mark.parametrize(
    ("champion", "challenger", "events", "winner"),
    [
        (30.0, 20.0, 5, "challenger"),
        (20.0, 20.0, 5, "champion"),
        (10.0, 20.0, 5, "champion"),
        (30.0, 0.0, 2, "champion"),
    ],
)
def test_the_cheaper_wins_given_enough_events(champion: float, challenger: float, events: int, winner: str) -> None:
    """The challenger wins iff it is cheaper over enough events; a tie leaves the champion."""

    def _standing(version: int, cost: float) -> Standing:
        return Standing(version, cost, share(1, 5), occurrence(2, 3.0), share(0, 0), share(0, 0))

    decided, reason = _verdict(_standing(1, champion), _standing(2, challenger), events, 3)
    assert decided == winner
    assert f"Over {events} failures" in reason
