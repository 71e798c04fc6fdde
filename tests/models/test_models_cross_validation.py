"""Cross-validation over assets: every asset is predicted by a model that has not seen it."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_contracts.errors import ModelError, UsageError
from data_contracts.tables.history import History
from models.experiment.experiment import Experiment
from models.registry.registration.model_card import model_card
from models.registry.registration.run_record import version_tags
from models.registry.revision import Revision
from models.training.splits import asset_folds
from models.training.training import Trained, train

Describe = Callable[..., Experiment]
CROSS = ("split={kind='cross', test_folds=4}", "features.ages=false", "estimator.calibration=sigmoid")


@pytest.fixture(scope="module")
def crossed(plant: History, describe: Describe) -> Trained:
    return train(describe(*CROSS), plant)


@given(st.integers(1, 40), st.integers(2, 60), st.integers(0, 100))
def test_folds_divide_the_assets(n_assets: int, n_folds: int, seed: int) -> None:
    """Each asset is in one fold, none is empty, and those that failed are spread evenly."""
    names = [f"m{number}" for number in range(n_assets)]
    failed = names[: n_assets // 2]
    if n_assets < 2:
        with pytest.raises(UsageError, match="1 asset"):
            asset_folds(names, failed, n_folds, seed)
        return
    folds = asset_folds(names, failed, n_folds, seed)
    assert sorted(name for fold in folds for name in fold) == sorted(names)
    assert len(folds) == min(n_folds, n_assets)
    share = [len(set(fold) & set(failed)) for fold in folds]
    assert max(share) - min(share) <= 1
    assert max(map(len, folds)) - min(map(len, folds)) <= 1


def test_every_asset_is_predicted_once_and_learned_from(crossed: Trained, plant: History) -> None:
    """The figures are of all assets, and so is the model."""
    predicted = crossed.evaluation.predictions
    assert not predicted.duplicated(["asset", "as_of"]).any()
    assert set(predicted["asset"]) == set(plant.assets["asset"])
    assert crossed.n_test == len(predicted) >= crossed.n_train
    metrics = crossed.evaluation.metrics
    assert metrics["failures_total"] == pytest.approx(len(plant.failures), abs=8)
    assert 0.5 < metrics["roc_auc_low"] < metrics["roc_auc"] < metrics["roc_auc_high"] <= 1
    assert crossed.evaluation.reference is not None
    assert crossed.golden is not None


def test_a_fold_is_a_training_without_its_assets(crossed: Trained, plant: History, describe: Describe) -> None:
    """Its predictions, alerts and all, are those of a split by these assets."""
    assets = asset_folds(plant.assets["asset"], plant.failures["asset"], 4, seed=3)[0]
    apart = train(describe(*CROSS, f"split={{kind='asset', test={list(assets)}}}"), plant)
    pooled = crossed.evaluation.predictions
    own = pooled[pooled["asset"].isin(assets)].reset_index(drop=True)
    pd.testing.assert_frame_equal(own, apart.evaluation.predictions.reset_index(drop=True))


def test_what_happens_to_an_asset_does_not_reach_its_own_predictions(plant: History, describe: Describe) -> None:
    """Other failures of one asset change its labels, and no prediction or alert of its own: nothing leaks."""
    asset = plant.failures["asset"].iloc[0]
    moved = plant.failures.copy()
    own = moved["asset"] == asset
    for column in ("event_time", "known_time"):
        moved.loc[own, column] -= pd.Timedelta(days=3)
    again = train(describe(*CROSS, "label.reporting_delay=6h"), replace(plant, failures=moved))
    before = train(describe(*CROSS, "label.reporting_delay=6h"), plant)
    keys = ["asset", "as_of", "prediction", "alert"]
    columns = [
        each.evaluation.predictions.loc[lambda frame: frame["asset"] == asset, [*keys, "state"]]
        for each in (before, again)
    ]
    joined = columns[0].merge(columns[1], on=["asset", "as_of"])
    assert len(joined) > 50
    assert (joined["state_x"] != joined["state_y"]).any()
    np.testing.assert_array_equal(joined["prediction_x"], joined["prediction_y"])
    np.testing.assert_array_equal(joined["alert_x"], joined["alert_y"])


def test_several_horizons_and_remaining_life_are_crossed_too(plant: History, describe: Describe) -> None:
    """Each horizon has its figures; hours have an error with its interval."""
    several = train(describe(*CROSS, "label.horizons=['24h', '48h']"), plant).evaluation.metrics
    assert 0.5 < several["roc_auc_24h"] <= 1
    life = train(describe(*CROSS[:2], "target=remaining_life", "label={cap='72h'}"), plant).evaluation.metrics
    assert life["rmse_capped_low"] < life["rmse_capped"] < life["rmse_capped_high"]
    assert life["rmse_capped"] < life["rmse_mean"]


def test_the_card_says_how_it_was_tested(crossed: Trained) -> None:
    """The reader of a model card learns that the figures are of other models than this one."""
    card = model_card(crossed, version_tags(crossed, Revision("abc", "0123")))
    assert "split by cross: each asset by a model fitted without it; this model is fitted to all" in card


def test_an_experiment_crossed_can_be_split_otherwise(describe: Describe) -> None:
    """Retraining tests on a period: the number of folds means nothing then. Given for another split it is refused."""
    crossed = describe(*CROSS)
    assert crossed.with_split(kind="time", test_start="2026-02-01").split.test_folds is None
    assert crossed.with_split(test_folds=3).split.test_folds == 3
    with pytest.raises(UsageError, match="test_folds"):
        describe("split.test_folds=4")


def test_a_fold_that_cannot_learn_is_named(plant: History, describe: Describe) -> None:
    """Where all failures are of the assets left out, the error says which these were."""
    first = plant.failures["asset"].iloc[0]
    only = replace(plant, failures=plant.failures[plant.failures["asset"] == first])
    with pytest.raises(ModelError, match=f"without .*{first}"):
        train(describe(*CROSS), only)
