"""What drives a prediction: LightGBM's own contributions, by channel, in words that fit the value."""

from collections.abc import Callable
from dataclasses import replace

import lightgbm
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_contracts.errors import ModelError
from data_contracts.tables.history import History
from models.artifact.explanations.driver_words import describe_driver
from models.artifact.explanations.drivers import Driver, drivers
from models.artifact.reference_ranges import reference_ranges
from models.artifact.scoring import score_in_detail
from models.artifact.tree_contributions import TreeContributions
from models.experiment.experiment import Experiment
from models.training.training import Trained, train

Describe = Callable[..., Experiment]
NAN = float("nan")
USUAL = (165.0, 170.0, 176.0)


def fitted(seed: int, holes: float, **params: object) -> tuple[lightgbm.Booster, np.ndarray]:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(400, 6))
    x[:, 3] = np.round(x[:, 3])
    x[rng.random(x.shape) < holes] = np.nan
    y = (np.nan_to_num(x[:, 0]) + np.nan_to_num(x[:, 1] * x[:, 3]) > 0.3).astype(float)
    chosen = {"objective": "binary", "num_leaves": 12, "verbosity": -1, "num_threads": 1, "seed": seed, **params}
    return lightgbm.train(chosen, lightgbm.Dataset(x, y), num_boost_round=12), x


@settings(max_examples=12, deadline=None)
@given(
    seed=st.integers(0, 99),
    holes=st.sampled_from([0.0, 0.2]),
    params=st.sampled_from(
        [{}, {"bagging_fraction": 0.6, "bagging_freq": 1}, {"num_leaves": 60, "min_data_in_leaf": 1}]
    ),
    extreme=st.lists(st.sampled_from([NAN, 0.0, -0.0, 1e300, -1e300, 0.4, -1.2]), min_size=6, max_size=6),
)
@pytest.mark.ml_test("Infra 5")
def test_contributions_are_those_of_lightgbm(
    seed: int, holes: float, params: dict[str, object], extreme: list[float]
) -> None:
    """Whatever the trees and the row, missing and extreme values too, each feature contributes what LightGBM says."""
    booster, x = fitted(seed, holes, **params)
    x = np.vstack([x[:20], extreme, np.full(6, np.nan)])
    expected = booster.predict(x, pred_contrib=True, num_threads=1)
    contributions = TreeContributions.from_text(booster.model_to_string()).compute(x)
    assert np.allclose(contributions, expected[:, :-1], rtol=1e-9, atol=1e-10)
    assert np.allclose(contributions.sum(axis=1) + expected[:, -1], booster.predict(x, raw_score=True))


def test_one_row_contributes_as_among_many() -> None:
    """A row's contributions are the same bits alone and among others."""
    booster, x = fitted(3, 0.1)
    trees = TreeContributions.from_text(booster.model_to_string())
    alone = np.vstack([trees.compute(x[i : i + 1]) for i in range(30)])
    assert np.array_equal(alone, trees.compute(x)[:30])


@pytest.mark.parametrize(("categories", "params"), [([0], {}), ([], {"linear_tree": True})])
def test_other_trees_are_refused(categories: list[int], params: dict[str, object]) -> None:
    """Trees that forewarn's learner never grows are not explained as what they are not."""
    x = np.random.default_rng(0).integers(0, 4, size=(400, 2)).astype(float)
    data = lightgbm.Dataset(x, (x[:, 0] % 2).astype(float), categorical_feature=categories)
    booster = lightgbm.train({"objective": "binary", "verbosity": -1, **params}, data, num_boost_round=3)
    with pytest.raises(ModelError, match="by category, or with linear leaves"):
        TreeContributions.from_text(booster.model_to_string())


@pytest.fixture(scope="module")
def one(plant: History, describe: Describe) -> Trained:
    return train(describe(), plant)


@pytest.fixture(scope="module")
def several(plant: History, describe: Describe) -> Trained:
    return train(describe('label.horizons=["24h", "48h", "96h"]', "estimator.calibration=sigmoid"), plant)


def detailed(trained: Trained, plant: History, n: int = 60) -> tuple[pd.DataFrame, np.ndarray]:
    test = trained.evaluation.predictions.sort_values("prediction")[["asset", "as_of"]]
    scored = score_in_detail(
        trained.artifact, plant, pd.concat([test.head(n // 2), test.tail(n // 2)], ignore_index=True)
    )
    return scored.features, scored.probabilities


def test_drivers_are_the_channels_sums(one: Trained, plant: History) -> None:
    """A channel's share and direction are those of LightGBM's contributions summed over its columns."""
    features, _ = detailed(one, plant)
    columns = one.artifact.columns
    raw = one.artifact.model.booster.predict(features[list(columns)].to_numpy(), pred_contrib=True, num_threads=1)
    by_channel = (
        pd.DataFrame(raw[:, :-1], columns=[column.split("__")[0] for column in columns]).T.groupby(level=0).sum().T
    )
    for named, (_, sums) in zip(drivers(one.artifact, features, most=99), by_channel.iterrows(), strict=True):
        shares = sums.abs() / sums.abs().sum()
        assert {driver.channel for driver in named} == set(sums.index[sums != 0.0])
        for driver in named:
            assert driver.share == pytest.approx(shares[driver.channel])
            assert driver.raises == (sums[driver.channel] > 0)
        assert [driver.share for driver in named] == sorted((driver.share for driver in named), reverse=True)


@pytest.mark.parametrize("which", ["one", "several"])
def test_vibration_drives_what_it_announces(which: str, plant: History, request: pytest.FixtureRequest) -> None:
    """Where vibration rises before failures it raises the high risks; what comes first lowers the low ones."""
    trained = request.getfixturevalue(which)
    features, _ = detailed(trained, plant)
    named = drivers(trained.artifact, features)
    assert all(len(row) == 3 for row in named)
    for row in named[-20:]:
        assert row[0].channel == "vibration"
        assert row[0].raises
        assert row[0].share > 0.5
        assert "vibration" in row[0].words
        assert "than usual" in row[0].words
        assert " where " in row[0].words
    lowest = [driver.share * (1 if driver.raises else -1) for row in named[:20] for driver in row[:1]]
    assert np.mean(lowest) < 0


def test_drivers_of_several_horizons_follow_the_decision(several: Trained, plant: History) -> None:
    """With several horizons a column's contribution is how much it moves the decision, to first order in the scores."""
    from models.artifact.explanations.drivers import _contributions
    from models.estimators.hazards import failed_by, in_interval

    artifact = several.artifact
    features, probabilities = detailed(several, plant, 10)
    x = features[list(artifact.columns)].to_numpy()
    trees = TreeContributions.from_text(artifact.model.text)
    contributions = _contributions(artifact, trees, x)
    scored = [artifact.model.booster.predict(in_interval(x, k, 3), raw_score=True) for k in range(2)]

    def decided(scores_: list[np.ndarray]) -> np.ndarray:
        hazards = [1 / (1 + np.exp(-score)) for score in scores_]
        fitted = [
            calibration.apply(h) if calibration else h
            for h, calibration in zip(hazards, artifact.calibrations, strict=False)
        ]
        return failed_by(np.column_stack(fitted))[:, 1]

    assert np.allclose(decided(scored), probabilities[:, 1])
    moved = np.column_stack(
        [(decided([s + 1e-5 * (i == k) for i, s in enumerate(scored)]) - decided(scored)) for k in range(2)]
    )
    weights = moved / moved.sum(axis=1, keepdims=True)
    parts = [trees.compute(in_interval(x, k, 3))[:, : x.shape[1]] for k in range(2)]
    assert np.allclose(contributions, sum(weights[:, [k]] * parts[k] for k in range(2)), rtol=1e-3, atol=1e-6)


def test_other_learners_name_no_drivers(plant: History, describe: Describe) -> None:
    """A learner without contributions names none, one empty tuple a row."""
    trained = train(describe("estimator.kind=logistic", "estimator.params={}"), plant)
    features, _ = detailed(trained, plant, 6)
    assert drivers(trained.artifact, features) == [()] * 6
    assert drivers(trained.artifact, features.iloc[:0]) == []


def test_an_artifact_of_old_names_the_value_alone(one: Trained, plant: History) -> None:
    """Without reference ranges a description gives the value alone."""
    features, _ = detailed(one, plant, 6)
    for row in drivers(replace(one.artifact, reference_ranges=()), features):
        assert all("usual" not in driver.words for driver in row)


def test_remaining_life_is_explained_as_risk(plant: History, describe: Describe) -> None:
    """Of remaining life what takes hours away raises the risk."""
    split = ("split.kind=asset", "split.test=m0[67]")
    trained = train(describe("target=remaining_life", "label.cap=120h", *split), plant)
    features, _ = detailed(trained, plant, 6)
    raw = trained.artifact.model.booster.predict(
        features[list(trained.artifact.columns)].to_numpy(), pred_contrib=True, num_threads=1
    )
    vibration = [number for number, name in enumerate(trained.artifact.columns) if name.startswith("vibration")]
    for row, contributions in zip(drivers(trained.artifact, features, most=99), raw, strict=True):
        raises = {driver.channel: driver.raises for driver in row}
        assert raises["vibration"] == (contributions[vibration].sum() < 0)


@pytest.mark.parametrize(
    ("column", "value", "usual", "words"),
    [
        ("volt__mean", 182.4, USUAL, "volt is higher than usual: 182 V where 165 to 176 is usual"),
        ("volt__median", 170.0, USUAL, "volt is as usual: 170 V where 165 to 176 is usual"),
        ("volt__quantile__q_0.1", 160.0, USUAL, "volt drops lower than usual: 160 V where 165 to 176 is usual"),
        (
            "volt__standard_deviation",
            12.1,
            (4.0, 6.0, 9.0),
            "volt scatters more than usual: 12.1 V where 4 to 9 is usual",
        ),
        (
            'volt__linear_trend__attr_"slope"',
            0.5,
            (-0.1, 0.0, 0.1),
            "volt rises: 0.5 V a reading where -0.1 to 0.1 is usual",
        ),
        (
            'volt__linear_trend__attr_"slope"',
            -0.5,
            (-0.1, 0.0, 0.1),
            "volt falls: -0.5 V a reading where -0.1 to 0.1 is usual",
        ),
        ("volt__length", 3.0, (20.0, 24.0, 24.0), "volt gave fewer readings than usual: 3 where 20 to 24 is usual"),
        ("volt__skewness", 2.0, (0.0, 0.5, 1.0), "volt has a higher skewness than usual: 2 where 0 to 1 is usual"),
        ("volt__mean", NAN, USUAL, "volt gave too few readings to tell"),
        (
            "spindle_power~regime__maximum",
            3.0,
            (0.1, 1.0, 2.0),
            "spindle power peaks higher than usual for the way the machine runs: 3 where 0.1 to 2 is usual "
            "(in standard deviations)",
        ),
        (
            'events__count__code_"error3"__span_"24h"',
            4.0,
            (0.0, 0.0, 1.0),
            "error3 came 4 times in 24 h where 0 to 1 is usual",
        ),
        (
            'events__count__code_"error3"__span_"24h"',
            0.0,
            (0.0, 0.0, 0.0),
            "error3 came not once in 24 h where 0 is usual",
        ),
        (
            'events__hours_since__code_"error3"',
            3.0,
            (20.0, 90.0, 240.0),
            "error3 last came 3 h ago where 20 h to 10 days is usual",
        ),
        ('events__hours_since__code_"error3"', NAN, USUAL, "error3 has never come"),
        (
            'work_orders__hours_since_maintenance__component_"tool_head"',
            480.0,
            (24.0, 96.0, 240.0),
            "its tool head was last maintained 20 days ago where 24 h to 10 days is usual",
        ),
        ('work_orders__hours_since__kind_"inspection"', 48.0, None, "its last inspection work was 48 h ago"),
        ("work_orders__count", 2.0, None, "work was done on it 2 times so far"),
        ("failures__hours_since", NAN, None, "it has never failed"),
        ("asset__age_hours", 26298.0, None, "it has been in service for 3 years"),
        ('asset__is_model__model_"m3"', 1.0, (0.0, 0.0, 1.0), "it is a m3"),
        ('asset__is_model__model_"m3"', 0.0, (0.0, 0.0, 1.0), "it is not a m3"),
    ],
)
def test_words_fit_the_value(column: str, value: float, usual: tuple[float, float, float] | None, words: str) -> None:
    """Each kind of feature has its own words, with the unit of its channel and what is usual."""
    assert describe_driver(column, "V", None)(value, usual) == words


def test_windows_are_named_where_there_are_several() -> None:
    """Where a model looks back over several windows the words say over which."""
    assert describe_driver("volt@50h__mean", None, pd.Timedelta("50h"))(1.0, None) == "volt over 50 h reads 1"


def test_what_is_usual_are_values_that_occurred() -> None:
    """The usual values lie at the quantiles' ranks among the values that are there."""
    x = np.random.default_rng(0).normal(size=(101, 2))
    x[:50, 1] = np.nan
    assert reference_ranges(x)[0] == pytest.approx(np.quantile(x[:, 0], [0.1, 0.5, 0.9]), rel=1e-5)
    there = reference_ranges(x)[1]
    assert there is not None
    assert there[1] == pytest.approx(np.nanmedian(x[:, 1]), rel=1e-5)
    assert reference_ranges(np.full((3, 1), np.nan)) == (None,)


def test_a_driver_is_plain() -> None:
    """A driver says channel, share, direction and words."""
    assert Driver("volt", 0.5, True, "volt is high").channel == "volt"
