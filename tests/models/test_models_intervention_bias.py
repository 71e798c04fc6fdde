"""What mechanics prevent must not look like a false alarm: error rates of a fleet in which alarms are acted on."""

import numpy as np
import pandas as pd
import pytest

from pipelines.fleet.histories.recorded import DAY
from pipelines.fleet.histories.slotted import SlottedPlant, estimated_rates

pytestmark = pytest.mark.verify

HISTORIES = 100
WEEKS = 21 * DAY


@pytest.fixture(scope="module", params=[0 * DAY, WEEKS], ids=["reports at once", "reports three weeks late"])
def estimated(request: pytest.FixtureRequest) -> tuple[SlottedPlant, pd.DataFrame]:
    plant = SlottedPlant(late=request.param)
    return plant, estimated_rates(plant, HISTORIES, seed=1)


def covered(rates: pd.DataFrame, name: str, truth: float, ends: tuple[str, str] = ("low", "high")) -> int:
    low, high = (rates[f"{name}_{end}"] for end in ends)
    return int(((low <= truth) & (truth <= high)).sum())


def test_the_naive_rates_are_off_by_a_factor(estimated: tuple[SlottedPlant, pd.DataFrame]) -> None:
    """Where mechanics prevent 80 % of the alarmed failures, an alarm without a failure is mostly a true one."""
    plant, rates = estimated
    assert rates["naive_false"].mean() > 3 * plant.false_per_month
    assert rates["naive_missed"].mean() > 2 * plant.missed


def test_our_rates_are_unbiased(estimated: tuple[SlottedPlant, pd.DataFrame]) -> None:
    """On average over many histories the rates are the true ones, within three standard errors."""
    plant, rates = estimated
    for name, truth in (("false", plant.false_per_month), ("missed", plant.missed)):
        error = rates[name].mean() - truth
        assert abs(error) < 3 * rates[name].std() / np.sqrt(HISTORIES)


def test_our_intervals_hold_the_truth_as_often_as_they_promise(estimated: tuple[SlottedPlant, pd.DataFrame]) -> None:
    """Of 95 % intervals about 95 % hold the truth, although assets differ."""
    plant, rates = estimated
    for name, truth in (("false", plant.false_per_month), ("missed", plant.missed)):
        assert 89 <= covered(rates, name, truth) <= 99


def test_bounds_hold_the_truth_where_findings_are_not_reported() -> None:
    """Where a third of the findings is not reported the rates alone are biased; their bounds still hold the truth."""
    plant = SlottedPlant(late=WEEKS, unreported_share=1 / 3)
    rates = estimated_rates(plant, HISTORIES, seed=2)
    for name, truth in (("false", plant.false_per_month), ("missed", plant.missed)):
        assert covered(rates, name, truth, ("bound_low", "bound_high")) >= 94
    assert rates["false"].mean() < 0.9 * plant.false_per_month
