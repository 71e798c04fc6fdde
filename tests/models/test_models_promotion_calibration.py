"""Whether a challenger's probabilities are too extreme or too cautious: the slope of calibration as a check."""

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit, logit

from models.retraining.promotion_rules import PromotionRules, calibrated_throughout

RULES = PromotionRules()


def _settled(slope: float, assets: int = 60, seed: int = 2) -> pd.DataFrame:
    """Draw decisions whose true log-odds are `slope` times those predicted."""
    rng = np.random.default_rng(seed)
    probability = expit(rng.normal(-1.5, 1.5, assets * 20))
    came_true = rng.random(len(probability)) < expit(slope * logit(probability))
    asset = np.repeat([f"m{number}" for number in range(assets)], 20)
    return pd.DataFrame({"asset": asset, "probability": probability, "came_true": came_true})


@pytest.mark.parametrize(("slope", "passed"), [(1.0, True), (0.2, False), (4.0, False)])
def test_a_slope_far_from_one_keeps_the_champion(slope: float, passed: bool) -> None:
    """Probabilities that are right pass; those that are far too extreme, or far too cautious, do not."""
    check = calibrated_throughout(_settled(slope), RULES)
    assert check.passed is passed
    assert check.figures["low"] < check.figures["slope"] < check.figures["high"]
    assert check.figures["slope"] == pytest.approx(slope, rel=0.3)
    assert ("within" if passed else "beyond") in check.sentence


def test_few_assets_do_not_condemn() -> None:
    """With few assets the interval is wide, and a slope that may be right passes."""
    assert calibrated_throughout(_settled(0.5, assets=3), RULES).passed is True


def test_the_curve_counts_every_decision() -> None:
    """The curve has the decisions by predicted probability, with the share that came true."""
    settled = _settled(1.0)
    curve = calibrated_throughout(settled, RULES).figures["curve"]
    assert sum(each["count"] for each in curve) == len(settled)
    assert sum(each["count"] * each["observed"] for each in curve) == pytest.approx(settled["came_true"].sum())
    assert all(each["low"] <= each["predicted"] <= each["high"] for each in curve)


def test_without_anything_that_came_true_nothing_is_judged() -> None:
    """Neither no decision at all nor decisions of which none came true count against a challenger."""
    for settled in (_settled(1.0).head(0), _settled(1.0).assign(came_true=False)):
        check = calibrated_throughout(settled, RULES)
        assert check.passed is None
        assert check.sentence == "Too little came true to say whether probabilities are too extreme."
