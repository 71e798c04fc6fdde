"""Trials of a search: which one is chosen, when one stops early, and how the choice compares with the test."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_contracts.tables.history import History
from features.extraction.extract import extract
from models.estimators import estimators
from models.experiment.experiment import Experiment
from models.experiment.sweep_plan import SweepPlan
from models.sweeps.feature_store import FeatureStore, MappedFeatures
from models.sweeps.inner_data import inner_data, with_named_test
from models.sweeps.optimism import Scored, optimism
from models.sweeps.search_metrics import measure
from models.sweeps.search_space import search_space
from models.sweeps.simplicity import fitted_size
from models.sweeps.trials import Trial, choose_trial, is_hopeless
from models.training.column_selection import learn_recipe

Describe = Callable[..., Experiment]
METRICS = ("brier", "log_loss", "pr_auc", "roc_auc", "rmse", "mae")


def trial(number: int, scores: tuple[float, ...], columns: int = 9, size: int = 90, state: str = "complete") -> Trial:
    return Trial(number, {"k": number}, state, scores, columns, size)  # type: ignore[arg-type] # one of the states


def test_the_simplest_within_one_standard_error_is_chosen() -> None:
    """The best has mean 2 and standard error 1 / sqrt(3): up to 2.577 the fewest columns, then leaves, decide."""
    best, close = trial(1, (1.0, 2.0, 3.0)), trial(2, (2.5, 2.5, 2.7), columns=5)
    closer, beyond = trial(3, (2.5, 2.5, 2.5), columns=5, size=80), trial(4, (2.6, 2.6, 2.6), columns=1)
    pruned = trial(5, (2.0, 2.0), columns=1, state="pruned")
    trials = [best, close, closer, beyond, pruned]
    assert choose_trial(trials, "brier", "simplest") == closer
    assert choose_trial(trials, "brier", "best") == best
    assert choose_trial([best, beyond], "brier", "simplest") == best
    assert choose_trial([trial(1, (1.0, 2.0, 3.0)), trial(2, (9.0, 9.0, 9.0))], "pr_auc", "best") == trial(
        2, (9.0,) * 3
    )
    assert choose_trial([pruned], "brier", "simplest") is None


def test_only_what_would_not_be_chosen_stops_early() -> None:
    """Worse than the median and than the best by more than its standard error, after two folds and five trials."""
    others = [(float(number), number + 2.0, number + 4.0) for number in range(5)]  # means 1 to 5, errors 1
    assert is_hopeless("brier", (4.0, 6.0), others)
    assert not is_hopeless("brier", (2.0, 4.0), others)  # the median itself
    assert not is_hopeless("brier", (9.0,), others)
    assert not is_hopeless("brier", (9.0, 9.0), others[:4])
    assert not is_hopeless("pr_auc", (9.0, 9.0), others)
    close = [(0.0, 10.0), (4.0, 6.0), (4.0, 6.0), (4.0, 6.0), (4.0, 6.0)]
    assert not is_hopeless("brier", (6.0, 6.0), close)  # within one standard error of the first
    assert is_hopeless("brier", (0.5, 0.5), [(0.1, 0.1), *[(float("nan"), 0.1)] * 4])


@given(st.lists(st.tuples(st.booleans(), st.floats(0.01, 0.99), st.integers(0, 3)), min_size=4, max_size=30))
def test_a_weight_counts_as_repeated_rows(rows: list[tuple[bool, float, int]]) -> None:
    """Drawing assets by weights is the same as drawing their rows."""
    truth, predicted = np.array([float(own) for own, _, _ in rows]), np.array([value for _, value, _ in rows])
    weight = np.array([count for _, _, count in rows])
    for metric in METRICS:
        repeated = measure(metric, np.repeat(truth, weight), np.repeat(predicted, weight))
        assert measure(metric, truth, predicted, weight.astype(float)) == pytest.approx(repeated, nan_ok=True)


def test_optimism_is_told_from_chance_by_assets() -> None:
    """Twice the error on the test is seen with forty assets; the same error is not taken for optimism."""
    rng = np.random.default_rng(1)
    asset = np.repeat([f"m{number:02}" for number in range(40)], 25)

    def scored(spread: float, names: np.ndarray) -> Scored:  # type: ignore[type-arg] # of texts
        return Scored(names, np.zeros(len(names)), rng.normal(0.0, spread, len(names)))

    elsewhere = np.char.replace(asset, "m", "n")
    found = optimism("rmse", scored(1.0, asset), scored(2.0, elsewhere))
    assert found.low < found.difference < found.high < 0
    assert "looked better than the test" in found.sentence
    same = optimism("rmse", scored(1.0, asset), scored(1.0, asset))
    assert same.low < 0 < same.high
    assert "chance" in same.sentence


def test_the_interval_holds_the_true_difference_as_often_as_it_says() -> None:
    """Of forty intervals around no difference, between assets that differ, at least thirty-three hold zero."""
    rng, held = np.random.default_rng(2), 0
    for _ in range(40):
        parts = []
        for prefix in "mn":
            asset = np.repeat([f"{prefix}{number}" for number in range(30)], 10)
            parts.append(Scored(asset, np.zeros(300), np.repeat(rng.normal(0, 1, 30), 10)))
        found = optimism("rmse", *parts)
        held += found.low <= 0.0 <= found.high
    assert held >= 33


@pytest.mark.parametrize("split", ["{kind='time', test_start='2026-02-10'}", "{kind='asset', test=['m00', 'm05']}"])
def test_nothing_is_learned_from_the_assets_or_the_time_that_is_predicted(
    plant: History, describe: Describe, split: str
) -> None:
    """Of a fold neither the assets nor, purged by the horizon, a later time is learned from; the test is in none."""
    experiment = describe(f"split={split}", "sweep={folds=4, steps=2, space={'windows.window'=['24h', ['48h']]}}")
    plan = experiment.sweep or SweepPlan()
    inner = inner_data(search_space(experiment), plant, plan)
    predicted = np.zeros(len(inner.train))
    for fold in inner.folds:
        for learn, predict in fold.steps:
            assert set(inner.train["asset"][predict]) <= set(fold.assets)
            assert not set(inner.train["asset"][learn]) & set(fold.assets)
            if experiment.split.kind == "time":
                last = inner.train["as_of"][learn].max() + experiment.purge
                assert last < inner.train["as_of"][predict].min()
            predicted += predict
    assert predicted.max() == 1
    if experiment.split.kind == "time":
        test_start = experiment.split.test_start
        assert test_start is not None
        assert inner.train["as_of"].max() + experiment.purge < test_start
        assert inner.history.telemetry["known_time"].max() <= test_start
    else:
        assert predicted.min() == 1
        assert not {"m00", "m05"} & set(inner.history.telemetry["asset"])


def test_a_share_of_test_assets_is_drawn_once(plant: History, describe: Describe) -> None:
    """Whatever windows are chosen, the test is of the same assets, and the search has not seen them."""
    experiment = describe("split={kind='asset', test_share=0.3}")
    named = with_named_test(experiment, plant)
    assert named.split.test_share is None
    assert len(named.split.test) == 2
    inner = inner_data(search_space(named), plant, SweepPlan(folds=3))
    assert not set(named.split.test) & set(inner.train["asset"])
    assert with_named_test(named, plant) == named


@pytest.fixture
def store(plant: History, describe: Describe, tmp_path: object) -> FeatureStore:
    inner = inner_data(search_space(describe()), plant, SweepPlan())
    return FeatureStore(tmp_path, inner.history, inner.train[["asset", "as_of"]])  # type: ignore[arg-type] # a Path


def test_stored_features_are_those_of_one_extraction(store: FeatureStore, describe: Describe, plant: History) -> None:
    """Window by window, with the context beside them, they are what training would compute, bit for bit."""
    for overrides in (
        ["windows.window=['24h', '72h']"],
        ["features.events=counts", "features.regimes=2", "features.operating_channels=['volt']"],
    ):
        recipe = learn_recipe(describe(*overrides), plant, store.samples)
        mapped = MappedFeatures.open(store.blocks(recipe))
        whole = extract(store.history, store.samples, recipe)
        assert mapped.columns == recipe.output
        rows = np.arange(len(whole))
        pd.testing.assert_frame_equal(mapped.frame(store.samples, rows), whole)
        some = [recipe.output[3], recipe.output[-1]]
        np.testing.assert_array_equal(mapped.take(rows[::7], some), whole[some].to_numpy()[::7])


def test_a_window_is_computed_once(store: FeatureStore, describe: Describe, plant: History) -> None:
    """Trials share windows and context; what was not used for longest goes where the disk is limited."""

    def recipe(*windows: str) -> object:
        return learn_recipe(describe(f"windows.window={list(windows)}"), plant, store.samples)

    first = store.blocks(recipe("24h"))  # type: ignore[arg-type] # a Recipe
    assert store.extracted == 2
    both = store.blocks(recipe("24h", "72h"))  # type: ignore[arg-type]
    assert {block.file for block in first} & {block.file for block in both}
    # The counts of events go back as far as the windows: their context is another.
    assert store.extracted == 4
    store.blocks(recipe("24h"))  # type: ignore[arg-type]
    assert store.extracted == 4
    store.most_bytes = 1
    last = store.blocks(recipe("48h"))  # type: ignore[arg-type]
    assert set(store.folder.glob("features-*")) == {block.file for block in last}


def test_the_size_of_a_model_is_that_of_what_it_predicts_by() -> None:
    """Leaves of trees are counted, and coefficients that are not zero."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 4))
    y = (x[:, 0] + rng.normal(size=300) > 0).astype(float)
    sizes = {}
    for kind, params in (
        ("lightgbm", {"n_estimators": 7, "num_leaves": 2, "n_boosters": 2}),
        ("random_forest", {"n_estimators": 7, "max_leaf_nodes": 3}),
        ("hist_gradient_boosting", {"max_iter": 7, "max_leaf_nodes": 3}),
        ("logistic", {}),
    ):
        sizes[kind] = fitted_size(estimators.fit(estimators.make(kind, "failure", params, 1), x, y), 4)
    assert sizes == {"lightgbm": 28, "random_forest": 21, "hist_gradient_boosting": 21, "logistic": 4}


def test_a_trial_comes_back_from_its_text() -> None:
    """A trial that was stored is the one that ended, NaN included."""
    stored = replace(trial(4, (0.25, float("nan"))), params={"windows.window": ["3h", "24h"]}, reason="why")
    assert str(Trial.from_json(stored.to_json())) == str(stored)
