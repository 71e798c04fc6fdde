"""An alarm budget instead of costs: how it is written, and the threshold that keeps to it."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_contracts.errors import UsageError
from models.assessment.budget_figures import budget_metrics
from models.assessment.first_champion import judge_first
from models.assessment.thresholds import within_budget
from models.experiment.alarm_budget import AlarmBudget
from models.experiment.plans import AlarmPlan
from models.outcomes.episodes import Terms, number_alerts

START = pd.Timestamp("2026-01-01T00:00Z").as_unit("us")
HOUR = pd.Timedelta("1h").as_unit("us")
TERMS = Terms(lead=0 * HOUR, horizon=24 * HOUR, gap=6 * HOUR, reporting_delay=0 * HOUR)
NO_FAILURES = pd.DataFrame({"asset": pd.Series(dtype="str"), "event_time": pd.Series(dtype="datetime64[us, UTC]")})
PRICES = {"missed_failure": 10.0, "false_alarm": 1.0}


def scored(seed: int, assets: int = 4, cut_offs: int = 60) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    rows = [(f"m{a}", START + 6 * hour * HOUR) for a in range(assets) for hour in range(cut_offs)]
    frame = pd.DataFrame(rows, columns=["asset", "as_of"])
    walks = np.concatenate([np.abs(np.cumsum(rng.normal(size=cut_offs))) for _ in range(assets)])
    return frame.assign(probability=np.round(walks / (1 + walks.max()), 3), state="negative")


def alarms(frame: pd.DataFrame, threshold: float) -> int:
    episodes = number_alerts(frame.assign(alert=frame["probability"] >= threshold), TERMS)["episode"]
    return 0 if episodes.empty else int(episodes.max())


@given(st.integers(0, 10_000), st.floats(0.1, 60.0))
@settings(max_examples=40, deadline=None)
def test_the_threshold_keeps_to_the_budget_and_no_higher_one_breaks_it(seed: int, per_week: float) -> None:
    """Out of fold its episodes are within what the budget allows; the next lower score that counts would not be."""
    frame = scored(seed)
    budget = AlarmBudget(per_week, pd.Timedelta(days=7))
    chosen = within_budget(frame, NO_FAILURES, terms=TERMS, budget=budget, n_assets=4, **PRICES)
    allowed = per_week * (59 * 6 / 24 / 7)
    assert alarms(frame, chosen.value) <= allowed
    higher = [score for score in np.unique(frame["probability"]) if score > chosen.value]
    assert all(alarms(frame, (score + chosen.value) / 2) <= allowed + 1 for score in higher[:1])
    if alarms(frame, frame["probability"].min()) > allowed:
        lower = np.unique(frame["probability"])[::-1]
        assert any(alarms(frame, score) > allowed for score in lower if score < chosen.value)


@given(st.integers(0, 1000))
@settings(max_examples=20, deadline=None)
def test_a_larger_budget_never_raises_the_threshold(seed: int) -> None:
    """More inspections, no fewer alarms."""
    frame = scored(seed)
    values = [
        within_budget(
            frame, NO_FAILURES, terms=TERMS, budget=AlarmBudget(n, pd.Timedelta(days=7)), n_assets=4, **PRICES
        ).value
        for n in (0.2, 1.0, 5.0, 50.0, 1e6)
    ]
    assert values == sorted(values, reverse=True)
    assert values[-1] <= frame["probability"].quantile(0.05)


def test_a_share_of_the_fleet_has_a_share_of_the_budget() -> None:
    """Half of the assets predicted out of fold may raise half of the alarms."""
    frame = scored(3)
    budget = AlarmBudget(8.0, pd.Timedelta(days=7))
    whole, half = (within_budget(frame, NO_FAILURES, terms=TERMS, budget=budget, n_assets=n, **PRICES) for n in (4, 8))
    assert alarms(frame, half.value) <= alarms(frame, whole.value)
    assert "of 8 per week" in whole.reason
    assert "where it allows 16.9" in whole.reason
    assert "where it allows 8.4" in half.reason


def test_nothing_out_of_fold_alerts_only_at_certainty() -> None:
    """Without predictions to count there is no threshold to choose; the reason says so."""
    chosen = within_budget(
        scored(1).iloc[:0], NO_FAILURES, terms=TERMS, budget=AlarmBudget(1.0, 24 * HOUR), n_assets=4, **PRICES
    )
    assert chosen.value == 1.0
    assert "nothing to count" in chosen.reason


@pytest.mark.parametrize(
    ("text", "alarms_of", "days"), [("5 per week", 5, 7), ("2.5 per day", 2.5, 1), ("10 per 14d", 10, 14)]
)
def test_a_budget_is_read_and_written_alike(text: str, alarms_of: float, days: int) -> None:
    """A file's words become a number in a time, and come back as the same words."""
    budget = AlarmPlan(budget=text).budget  # type: ignore[arg-type]  # a file's text is read as one
    assert budget is not None
    assert (budget.alarms, budget.per) == (alarms_of, pd.Timedelta(days=days))
    assert AlarmPlan(budget=str(budget)).budget == budget  # type: ignore[arg-type]


@pytest.mark.parametrize("text", ["5", "five per week", "0 per week", "5 per fortnight", "-1 per week", 5])
def test_a_budget_that_is_none_is_refused(text: object) -> None:
    """With what was found, and examples of what is expected."""
    with pytest.raises(UsageError, match="budget"):
        AlarmPlan(budget=text)  # type: ignore[arg-type]


def test_alarms_that_find_no_more_than_chance_are_no_champion() -> None:
    """With a budget the costs do not count: a model has to find more failures than inspections at random."""
    frame = scored(1).assign(alert=False)
    frame.loc[[10, 70], "alert"] = True
    metrics = {"failures_total": 6.0, "failures_caught": 1.0, "ranking_by_chance": 0.001, "roc_auc_by_asset": 0.9}
    figures = budget_metrics(frame, metrics, budget=AlarmBudget(1.0, pd.Timedelta(days=7)), terms=TERMS)
    assert figures["alarms"] == 2
    # 59 steps of 6 h are 2.1 weeks: 2.1 inspections, each of a day of 4 x 354 h and the last horizon.
    assert figures["alarms_allowed"] == pytest.approx(354 / 168)
    assert figures["failures_caught_at_random"] == pytest.approx(6 * (1 - (1 - 24 / (4 * 354 + 24)) ** (354 / 168)))
    assert judge_first(metrics | figures).accepted
    missed = judge_first(metrics | figures | {"failures_caught": 0.0})
    assert not missed.accepted
    assert "0 of 6 failures, as many inspections at random 0.2" in missed.reason
