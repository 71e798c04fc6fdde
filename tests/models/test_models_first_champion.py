"""Which models may become the first champion."""

from typing import Any

import pytest

from models.assessment.first_champion import judge_first

GOOD = {
    "expected_cost": 10.0,
    "expected_cost_never": 50.0,
    "expected_cost_always": 30.0,
    "expected_cost_fixed_interval": 40.0,
    "assets_failed": 5.0,
    "roc_auc_by_asset": 0.9,
    "ranking_by_chance": 0.001,
}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({}, "beats doing without it (its errors cost 10 on the test, always acting 30)"),
        ({"rmse_capped": 5.0, "rmse_mean": 9.0}, "closer than the mean (RMSE 5, of the mean 9)"),
    ],
)
@pytest.mark.ml_test("Infra 4")
def test_a_good_model_is_accepted(change: dict[str, float], words: str) -> None:
    """It is, and the reason gives the figures."""
    judged = judge_first(GOOD | change)
    assert judged.accepted
    assert words in judged.reason


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"expected_cost": 30.0}, "always acting 30"),
        ({"expected_cost": 45.0, "expected_cost_fixed_interval": 20.0}, "by the calendar 20"),
        ({"expected_cost_never": 0.0}, "never acting 0"),
        ({"ranking_by_chance": 0.2}, "5 assets that failed"),
        ({"ranking_by_chance": 0.2, "assets_failed": 1.0}, "1 asset that failed"),
        ({"ranking_by_chance": float("nan"), "assets_failed": 0.0}, "cannot be compared with chance"),
        ({"rmse_capped": 9.0, "rmse_mean": 9.0}, "no better than predicting the mean"),
        ({"rmse_capped": float("nan"), "rmse_mean": 9.0}, "no test sample with a known outcome"),
    ],
)
@pytest.mark.ml_test("Model 5")
def test_a_model_that_is_no_use_is_not(change: dict[str, Any], words: str) -> None:
    """It is refused, and the reason names what it did not beat."""
    judged = judge_first(GOOD | change)
    assert not judged.accepted
    assert words in judged.reason


def test_without_any_figure_nothing_is_accepted() -> None:
    """A model without test samples has shown nothing."""
    assert not judge_first({}).accepted
