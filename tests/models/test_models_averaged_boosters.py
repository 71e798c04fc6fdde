"""Several boosters, one model: its score, its contributions and what is stored are those of their average."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_contracts.errors import UsageError
from data_contracts.tables.history import History
from models.artifact.artifact import Artifact
from models.artifact.explanations.drivers import drivers
from models.artifact.scoring import score_in_detail
from models.artifact.tree_contributions import TreeContributions
from models.estimators import estimators
from models.estimators.averaged_boosters import average_boosters
from models.estimators.lightgbm_learner import LightGBM
from models.estimators.stored_estimators import open_estimator, store_estimator
from models.experiment.experiment import Experiment
from models.training.training import train

Describe = Callable[..., Experiment]
DRAWS: Mapping[str, Any] = {"n_estimators": 12, "bagging_fraction": 0.7, "bagging_freq": 1, "extra_trees": True}
FOREST: Mapping[str, Any] = {**DRAWS, "boosting": "rf"}
STUMPS: Mapping[str, Any] = {**DRAWS, "min_child_samples": 500}


def samples(target: str, seed: int = 0) -> tuple[Any, Any]:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(300, 4))
    x[rng.random(x.shape) < 0.05] = np.nan
    signal = np.nan_to_num(x[:, 0]) + rng.normal(size=300) / 2
    return x, (signal > 0.5).astype(float) if target == "failure" else 50 + 20 * signal


def fitted(target: Any, params: Mapping[str, Any], seed: int = 7) -> LightGBM:
    return LightGBM(target, params, seed).fit(*samples(target))


def members(target: Any, params: Mapping[str, Any], n: int) -> list[LightGBM]:
    """Fit the boosters one by one, as the average fits them."""
    x, y = samples(target)
    learner = LightGBM(target, {**params, "n_boosters": n}, 7)
    return [LightGBM(target, {}, 0).read(learner.booster_text(x, y, seed)) for seed in learner.seeds]


@settings(max_examples=10, deadline=None)
@given(
    target=st.sampled_from(["failure", "remaining_life"]),
    params=st.sampled_from([DRAWS, {**DRAWS, "boosting": "dart"}, STUMPS]),
    n=st.integers(2, 5),
)
def test_the_score_and_its_contributions_are_the_mean(target: Any, params: Mapping[str, Any], n: int) -> None:
    """Whatever the trees, single leaves too: scores and contributions are means, and add up to the mean score."""
    x, _ = samples(target, 1)
    average, alone = fitted(target, {**params, "n_boosters": n}).booster, members(target, params, n)
    score = np.mean([one.booster.predict(x, raw_score=True) for one in alone], axis=0)
    contributions = np.mean([one.booster.predict(x, pred_contrib=True) for one in alone], axis=0)
    assert np.allclose(average.predict(x, raw_score=True), score, rtol=1e-12, atol=1e-12)
    ours = TreeContributions.from_text(average.model_to_string()).compute(x)
    assert np.allclose(ours, contributions[:, :-1], rtol=1e-9, atol=1e-10)
    assert np.allclose(ours.sum(axis=1) + contributions[:, -1], score)


@pytest.mark.parametrize("params", [DRAWS, FOREST, {**DRAWS, "boosting": "dart"}])
def test_hours_are_the_mean(params: Mapping[str, Any]) -> None:
    """The remaining life is the mean of what the boosters say, of random forests too; they do not say the same."""
    x, _ = samples("remaining_life", 1)
    alone = np.array([one.predict(x) for one in members("remaining_life", params, 3)])
    average = fitted("remaining_life", {**params, "n_boosters": 3}).predict(x)
    assert np.allclose(average, alone.mean(axis=0), rtol=1e-12)
    assert alone.std(axis=0).max() > 0.1


@pytest.mark.parametrize("target", estimators.ALL_TARGETS)
def test_an_average_is_one_lightgbm_text(target: Any, tmp_path: Path) -> None:
    """It is stored as the text that LightGBM itself writes, opens to the same bits, and fits to the same again."""
    x, _ = samples(target, 1)
    model = fitted(target, {**DRAWS, "n_boosters": 3})
    assert model.booster.num_trees() == 36
    assert model.booster.model_to_string() == model.text
    assert fitted(target, {**DRAWS, "n_boosters": 3}).text == model.text
    (tmp_path / "model.txt").write_bytes(store_estimator("lightgbm", model))
    opened = open_estimator("lightgbm", target, (tmp_path / "model.txt").read_bytes())
    assert np.array_equal(opened.predict(x), model.predict(x))
    assert np.array_equal([opened.predict(x[i : i + 1])[0] for i in range(40)], model.predict(x)[:40])


def test_the_importances_are_of_all_boosters() -> None:
    """A column's gain is the sum over the boosters."""
    alone = members("failure", DRAWS, 3)
    average = fitted("failure", {**DRAWS, "n_boosters": 3}).feature_importances_
    assert np.allclose(average, np.sum([one.feature_importances_ for one in alone], axis=0))


def test_one_booster_is_lightgbms_own() -> None:
    """One booster, by default or by name, is LightGBM's own, with the experiment's seed; more begin with it."""
    alone = fitted("failure", DRAWS).text
    assert fitted("failure", {**DRAWS, "n_boosters": 1}).text == alone
    assert "[seed: 7]" in alone
    assert [one.text for one in members("failure", DRAWS, 1)] == [alone]
    assert members("failure", DRAWS, 4)[0].text == alone
    assert average_boosters([alone]) == alone


def test_more_boosters_begin_with_fewer() -> None:
    """The seeds of fewer boosters are the first of more; all differ, of another experiment's seed too."""
    five, nine, other = (LightGBM("failure", {"n_boosters": n}, seed).seeds for n, seed in [(5, 7), (9, 7), (9, 8)])
    assert nine[:5] == five
    assert len({*nine, *other}) == 18
    assert len(LightGBM("failure", {"n_boosters": 3}, -1).seeds) == 3


def test_judging_columns_takes_one_booster() -> None:
    """What `single` gives is the learner without averaging; other learners are as they were."""
    several = estimators.make("lightgbm", "failure", {**DRAWS, "n_boosters": 3}, 7)
    x, y = samples("failure")
    assert estimators.fit(estimators.single_booster(several), x, y).text == fitted("failure", DRAWS).text
    assert estimators.fit(several, x, y).booster.num_trees() == 36
    forest = estimators.make("random_forest", "failure", {}, 7)
    assert estimators.single_booster(forest) is forest


@pytest.mark.parametrize("wrong", [0, -1, 2.0, 2.5, True, "3", None])
def test_a_number_of_boosters_is_a_whole_number(wrong: object) -> None:
    """Anything but a whole number from one on is refused with an error that names it."""
    with pytest.raises(UsageError, match="n_boosters is"):
        estimators.make("lightgbm", "failure", {"n_boosters": wrong}, 7)


@pytest.mark.parametrize("sets", [(), ('label.horizons=["24h", "48h"]', "estimator.calibration=sigmoid")])
def test_an_average_trains_and_explains(
    plant: History, describe: Describe, sets: tuple[str, ...], tmp_path: Path
) -> None:
    """A failure model, of one horizon or several, is trained, stored, applied and explained as an average.

    The average of a model with itself has its drivers.
    """
    draws = ("estimator.params.bagging_fraction=0.7", "estimator.params.bagging_freq=1")
    trained = train(describe(*sets, *draws, "estimator.params.n_boosters=3"), plant)
    artifact = Artifact.load(trained.artifact.save(tmp_path / "model"))
    assert artifact.model.booster.num_trees() == 90
    test = trained.evaluation.predictions.sort_values("prediction").tail(20)[["asset", "as_of"]]
    scored = score_in_detail(artifact, plant, test.reset_index(drop=True))
    named = drivers(artifact, scored.features)
    assert [row[0].channel for row in named] == ["vibration"] * 20
    twice = replace(artifact, stored=average_boosters([artifact.model.text] * 2).encode())
    for row, same in zip(named, drivers(twice, scored.features), strict=True):
        assert [driver.channel for driver in row] == [driver.channel for driver in same]
        assert [driver.share for driver in row] == pytest.approx([driver.share for driver in same])
