"""Columns within a budget of time: what they cost, which are chosen, and what another budget would give."""

import itertools
import math
import re
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_contracts.errors import UsageError
from data_contracts.tables.history import History
from features.calculators.costs import CalculatorCost, CostTable, cost_table, series_cost
from features.calculators.presets import preset_features
from features.recipe.column_cost import ColumnCost
from features.recipe.feature_set import FeatureSet
from features.recipe.recipe import Recipe
from models.experiment.experiment import Experiment
from models.registry.registration.model_card import model_card
from models.training.columns.budgeted import within_budget
from models.training.columns.series_lengths import measure_series
from models.training.training import train

Describe = Callable[..., Experiment]
CALCULATORS = ("mean", "sample_entropy", "skewness", "median", "variance", "maximum", "longest_strike_above_mean")
KINDS = tuple(f"c{number}" for number in range(len(CALCULATORS)))
COLUMNS = tuple(f"{kind}__{name}" for kind, name in zip(KINDS, CALCULATORS, strict=True))
COST = ColumnCost(dict.fromkeys(KINDS, 100))
_TAGS = ("data_version", "contract", "feature_set_hash", "code_revision", "seed")

importances = st.lists(st.floats(-0.5, 1.0), min_size=len(COLUMNS), max_size=len(COLUMNS)).map(
    lambda values: pd.Series(values, index=list(COLUMNS))
)


def test_every_calculator_has_a_measured_cost() -> None:
    """The table covers all that tsfresh has, and longer series cost no less than a fraction of the shortest."""
    calculators = {feature.partition("__")[0] for feature in preset_features("comprehensive")}
    table = cost_table()
    assert calculators <= set(table.calculators)
    assert all(min(cost.first) > 0 and min(cost.further) > 0 for cost in table.calculators.values())
    assert {len(cost.first) for cost in table.calculators.values()} == {len(table.samples)}


def test_costs_between_the_measured_lengths_grow_by_a_power() -> None:
    """At a measured length the cost is the measured one; halfway between two, by ratio, it is their geometric mean."""
    table = CostTable((16, 64), (100.0, 100.0), {"mean": CalculatorCost((200.0, 800.0), (10.0, 40.0))})
    assert [table.of_calculator("mean", 3, samples) for samples in (16, 32, 64)] == pytest.approx([220, 440, 880])
    assert [table.of_calculator("mean", 1, samples) for samples in (4, 256)] == pytest.approx([200, 3200])
    assert table.of_calculator("an own one", 1, 16) == 200


@given(st.lists(st.sampled_from(preset_features("efficient")), min_size=1, max_size=30, unique=True), st.data())
def test_a_feature_more_never_costs_less(features: list[str], data: st.DataObject) -> None:
    """A set costs as much as any part of it at least, and as much as its parts together at most."""
    part = data.draw(st.lists(st.sampled_from(features), unique=True))
    rest = [feature for feature in features if feature not in part]
    whole, costs = series_cost(features, 300), [series_cost(each, 300) for each in (part, rest)]
    assert max(costs) <= whole * (1 + 1e-12)
    assert whole <= sum(costs) * (1 + 1e-12)


@given(importances, st.floats(5e-5, 7e-4), st.integers(0, 4))
def test_what_is_chosen_helps_and_keeps_to_the_budget(importance: "pd.Series[float]", budget: float, most: int) -> None:
    """No column that does not help, none beyond the budget or the number allowed, and all in the old order."""
    chosen = within_budget(importance, COST, budget, most=most)
    assert all(importance[column] > 0 for column in chosen)
    assert COST.seconds(chosen) <= budget
    assert list(chosen) == [column for column in COLUMNS if column in chosen]
    assert not most or len(chosen) <= most


@given(importances, st.floats(5e-5, 7e-4))
def test_the_choice_is_never_far_from_the_best(importance: "pd.Series[float]", budget: float) -> None:
    """Of columns that share no cost it holds at least 1 - 1/sqrt(e) of the importance of the best choice there is."""
    helpful = [column for column in COLUMNS if importance[column] > 0]
    best = 0.0
    for size in range(len(helpful) + 1):
        for some in itertools.combinations(helpful, size):
            if COST.seconds(some) <= budget:
                best = max(best, float(importance[list(some)].sum()))
    got = float(importance[list(within_budget(importance, COST, budget))].sum())
    assert got >= (1 - math.exp(-0.5)) * best - 1e-12


def test_features_of_a_calculator_already_paid_for_are_cheap() -> None:
    """A second quantile of a channel costs next to nothing beside the first, so it is taken before a dearer column."""
    importance = pd.Series({"v__quantile__q_0.1": 0.3, "v__quantile__q_0.9": 0.1, "w__sample_entropy": 0.12})
    cost = ColumnCost({"v": 1000, "w": 1000})
    budget = cost.seconds(["v__quantile__q_0.1", "v__quantile__q_0.9"])
    assert within_budget(importance, cost, budget) == ("v__quantile__q_0.1", "v__quantile__q_0.9")


SETTINGS = (
    "features.tsfresh=['mean', 'maximum', 'standard_deviation', 'median', 'skewness', 'benford_correlation']",
    "split.folds=2",
)


@pytest.mark.slow
def test_a_model_keeps_to_its_budget_and_shows_what_others_would_give(plant: History, describe: Describe) -> None:
    """The columns cost no more than declared, the card tabulates the other budgets, and training again is the same."""
    experiment = describe(*SETTINGS, 'features.budget="0.3ms"')
    trained = train(experiment, plant)
    assert trained.columns_reason is not None
    assert "of 0.3 ms a prediction" in trained.columns_reason
    curve = trained.budget_curve
    assert [point.budget_s for point in curve if point.budget_s] == pytest.approx(
        [0.3e-3 * share for share in (0.125, 0.25, 0.5, 1, 2, 4)]
    )
    bounded = [point for point in curve if point.budget_s is not None]
    assert all(point.cost_s <= (point.budget_s or 0) for point in bounded)
    assert curve[-1].n_columns >= curve[3].n_columns
    assert "Budgets of time" in model_card(trained, dict.fromkeys(_TAGS, ""))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("always", "remedy"), [("[]", "Raise the budget$"), ("['skewness']", "fewer features in features.always")]
)
def test_a_budget_that_buys_no_column_is_refused(plant: History, describe: Describe, always: str, remedy: str) -> None:
    """The error says what the cheapest choice costs, rather than that no column helps."""
    with pytest.raises(UsageError, match=r"which the cheapest column costs") as refused:
        train(describe(*SETTINGS, f"features.always={always}", 'features.budget="0.02ms"'), plant)
    assert re.search(remedy, refused.value.remedy)


def test_the_number_of_readings_is_that_of_the_series(plant: History) -> None:
    """The cost rests on the median number of readings in each window."""
    recipe = Recipe(
        plant.asset_type, plant.channels[:1], (pd.Timedelta("24h"), pd.Timedelta("48h")), FeatureSet(("mean",))
    )
    ends = plant.telemetry.groupby("asset")["event_time"].max()
    cut_offs = pd.DataFrame({"asset": ends.index, "as_of": ends.to_numpy()})
    counted = measure_series(plant, cut_offs, recipe).samples
    short, long = (counted[f"{plant.channels[0]}@{hours}h"] for hours in (24, 48))
    step = plant.telemetry.sort_values(["asset", "event_time"]).groupby("asset")["event_time"].diff().median()
    assert short == pytest.approx(pd.Timedelta("24h") / step, abs=1)
    assert long == pytest.approx(2 * short, abs=2)
    assert np.isfinite(list(counted.values())).all()
