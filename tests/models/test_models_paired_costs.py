"""The bootstrap over assets: its laws, and how often luck alone promotes a challenger."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_contracts.errors import UsageError
from models.experiment.plans import CostPlan
from models.retraining.paired_costs import COUNTS, cost_difference, draw_assets, missed_difference, observed_to_expected
from models.retraining.promotion_rules import PromotionRules, cheaper

COSTS = CostPlan(missed_failure=4.0, false_alarm=1.0)


def _errors(rng: np.random.Generator, champion: float, challenger: float, assets: int = 40) -> pd.DataFrame:
    events = rng.poisson(0.5, assets)
    counted = {
        "events": events,
        "champion_missed": rng.binomial(events, champion),
        "challenger_missed": rng.binomial(events, challenger),
        "champion_false": rng.poisson(0.4, assets),
        "challenger_false": rng.poisson(0.4, assets),
        "expected": events * 1.0,
        "observed": events,
    }
    return pd.DataFrame(counted, index=[f"m{number}" for number in range(assets)]).astype(np.float64)[list(COUNTS)]


def _swapped(errors: pd.DataFrame) -> pd.DataFrame:
    names = {"champion": "challenger", "challenger": "champion"}
    return errors.rename(columns=lambda c: "_".join(names.get(part, part) for part in c.split("_")))[list(COUNTS)]


@given(st.integers(0, 2**16), st.integers(1, 60))
def test_which_is_cheaper_does_not_depend_on_the_roles(seed: int, assets: int) -> None:
    """With the roles swapped the difference and its interval change their signs, and nothing else."""
    errors = _errors(np.random.default_rng(seed), 0.5, 0.2, assets)
    one, other = (
        cost_difference(frame, draw_assets(frame, draws=200, seed=seed), COSTS, 0.9)
        for frame in (errors, _swapped(errors))
    )
    assert one.value == -other.value
    assert (one.low, one.high) == pytest.approx((-other.high, -other.low))
    assert one.probability_cheaper + other.probability_cheaper <= 1.0
    assert one.low <= one.high


def test_the_same_errors_are_never_a_saving() -> None:
    """Two models that err alike, asset by asset, are a tie in every draw, however different the assets are."""
    errors = _errors(np.random.default_rng(1), 0.5, 0.5)
    for kind in ("missed", "false"):
        errors[f"challenger_{kind}"] = errors[f"champion_{kind}"]
    drawn = draw_assets(errors, draws=500, seed=0)
    extra = cost_difference(errors, drawn, COSTS, 0.9)
    assert (extra.value, extra.low, extra.high, extra.probability_cheaper) == (0.0, 0.0, 0.0, 0.0)
    assert missed_difference(errors, drawn, 0.9).high == 0.0


def test_draws_are_repeated_by_their_seed_and_keep_assets_whole() -> None:
    """The same seed draws alike; a column that is twice another is so in every draw; the mean is that of the data."""
    errors = _errors(np.random.default_rng(2), 0.5, 0.2).assign(double=lambda e: 2 * e["events"])
    one, same, other = (draw_assets(errors, draws=700, seed=seed) for seed in (3, 3, 4))
    assert one.equals(same)
    assert not one.equals(other)
    assert (one["double"] == 2 * one["events"]).all()
    assert one["events"].mean() == pytest.approx(errors["events"].sum(), rel=0.05)


def test_luck_alone_seldom_promotes() -> None:
    """Of challengers that are no better one in ten passes at 90 %; by the plain difference nearly half would."""
    rng = np.random.default_rng(7)
    rules = PromotionRules(draws=400)
    passed = figures = better = 0
    for _ in range(300):
        for challenger, counts in ((0.3, True), (0.0, False)):
            errors = _errors(rng, 0.3 if counts else 0.6, challenger)
            check = cheaper(errors, draw_assets(errors, draws=400, seed=0), COSTS, rules)
            passed += counts and bool(check.passed)
            figures += counts and check.figures["value"] < 0
            better += not counts and bool(check.passed)
    assert passed / 300 < 0.14  # 0.1 and three standard errors would be 0.15
    assert figures / 300 > 0.35
    assert better / 300 > 0.9


def test_without_counts_figures_are_nan() -> None:
    """Without assets, events or probabilities the figures are NaN, and no challenger passes."""
    none = pd.DataFrame(columns=list(COUNTS), dtype=np.float64)
    drawn = draw_assets(none, draws=200, seed=0)
    extra = cost_difference(none, drawn, COSTS, 0.9)
    assert (extra.value, extra.probability_cheaper) == (0.0, 0.0)
    silent = pd.DataFrame(0.0, index=["a", "b"], columns=list(COUNTS))
    for measure in (missed_difference, observed_to_expected):
        assert math.isnan(measure(silent, draw_assets(silent, draws=200, seed=0), 0.9).high)


def test_rules_that_make_no_sense_are_refused() -> None:
    """Each rule says what it expects."""
    for wrong in ({"confidence": 1.0}, {"missed_margin": -0.1}, {"calibration_tolerance": 0.5}, {"draws": 3}):
        with pytest.raises(UsageError, match=f"{next(iter(wrong))} is the number"):
            PromotionRules(**wrong)  # type: ignore[arg-type]
