"""What mechanics prevent must not look like a false alarm: error rates of a fleet in which alarms are acted on."""

import numpy as np
import pandas as pd
import pytest

from benchmarks.intervened_fleet import DAY, Plant, judged_histories

HISTORIES = 100
WEEKS = 21 * DAY


@pytest.fixture(scope="module", params=[0 * DAY, WEEKS], ids=["reports at once", "reports three weeks late"])
def judged(request: pytest.FixtureRequest) -> tuple[Plant, pd.DataFrame]:
    plant = Plant(late=request.param)
    return plant, judged_histories(plant, HISTORIES, seed=1)


def covered(found: pd.DataFrame, name: str, truth: float, ends: tuple[str, str] = ("low", "high")) -> int:
    low, high = (found[f"{name}_{end}"] for end in ends)
    return int(((low <= truth) & (truth <= high)).sum())


def test_the_naive_rates_are_off_by_a_factor(judged: tuple[Plant, pd.DataFrame]) -> None:
    """Where mechanics prevent 80 % of the alarmed failures, an alarm without a failure is mostly a true one."""
    plant, found = judged
    assert found["naive_false"].mean() > 3 * plant.false_a_month
    assert found["naive_missed"].mean() > 2 * plant.missed


def test_our_rates_are_unbiased(judged: tuple[Plant, pd.DataFrame]) -> None:
    """On average over many histories the rates are the true ones, within three standard errors."""
    plant, found = judged
    for name, truth in (("false", plant.false_a_month), ("missed", plant.missed)):
        error = found[name].mean() - truth
        assert abs(error) < 3 * found[name].std() / np.sqrt(HISTORIES)


def test_our_intervals_hold_the_truth_as_often_as_they_promise(judged: tuple[Plant, pd.DataFrame]) -> None:
    """Of 95 % intervals about 95 % hold the truth, although assets differ."""
    plant, found = judged
    for name, truth in (("false", plant.false_a_month), ("missed", plant.missed)):
        assert 89 <= covered(found, name, truth) <= 99


def test_bounds_hold_the_truth_where_mechanics_do_not_say() -> None:
    """Where every third finding is never told the rates alone are biased; their bounds still hold the truth."""
    plant = Plant(late=WEEKS, unreported_share=1 / 3)
    found = judged_histories(plant, HISTORIES, seed=2)
    for name, truth in (("false", plant.false_a_month), ("missed", plant.missed)):
        assert covered(found, name, truth, ("bound_low", "bound_high")) >= 94
    assert found["false"].mean() < 0.9 * plant.false_a_month
