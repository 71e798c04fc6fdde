"""Leave-one-plant-out: each plant is tested by a model of the others."""

import re
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from data_contracts.errors import UsageError
from data_contracts.tables.history import History
from data_contracts.workspace import Workspace
from models.experiment.experiment import Experiment
from models.registry.registration.model_card import model_card
from models.registry.registration.run_record import plant_metrics
from models.registry.registry import Registry
from models.registry.revision import Revision
from models.training.training import Trained, train

Describe = Callable[..., Experiment]
PLANTS = {"m00": "north", "m01": "north", "m02": "Süd/2", "m03": "Süd/2", "m04": "Süd/2"}


def in_plants(history: History, **other: str) -> History:
    places = {asset: PLANTS.get(asset, "west") for asset in history.assets["asset"]} | other
    return replace(history, assets=history.assets.assign(plant=history.assets["asset"].map(places)))


@pytest.fixture(scope="module")
def plants(plant: History) -> History:
    return in_plants(plant)


@pytest.fixture(scope="module")
def trained(plants: History, describe: Describe) -> Trained:
    return train(describe("split.kind=plant"), plants)


def test_each_plant_is_predicted_by_a_model_of_the_others(
    trained: Trained, plants: History, describe: Describe
) -> None:
    """Bit for bit what training on the other plants' assets and testing on these gives."""
    others = train(describe("split.kind=asset", 'split.test=["m00", "m01"]'), plants).evaluation.predictions
    own = trained.evaluation.predictions
    own = own[own["asset"].isin(["m00", "m01"])].reset_index(drop=True)
    pd.testing.assert_frame_equal(own, others.reset_index(drop=True))


def test_the_figures_are_of_each_plant_and_of_all(trained: Trained) -> None:
    """Counts add up, and no plant has the figures of another."""
    assert list(trained.by_plant) == ["Süd/2", "north", "west"]
    for name in ("failures_total", "failures_caught", "expected_cost"):
        assert sum(metrics[name] for metrics in trained.by_plant.values()) == trained.evaluation.metrics[name]
    assert len({metrics["roc_auc"] for metrics in trained.by_plant.values()}) == 3


def test_the_test_of_a_plant_alone_is_evaluated_alike(trained: Trained, plants: History, describe: Describe) -> None:
    """The figures by plant are those of a split by its assets, but for the calendar, chosen on all plants."""
    alone = train(describe("split.kind=asset", 'split.test=["m00", "m01"]'), plants).evaluation.metrics
    by_plant = trained.by_plant["north"]
    same = [name for name in alone if not name.startswith(("expected_cost_fixed", "fixed_interval"))]
    np.testing.assert_array_equal([by_plant[name] for name in same], [alone[name] for name in same])


def test_card_and_run_hold_them(trained: Trained, workspace: Workspace) -> None:
    """The card has a row for each plant and one for all; MLflow takes the names."""
    registry = Registry(workspace)
    version = registry.register(trained, revision=Revision("a" * 40, False))
    tags = registry.tags("small-plant", version)
    card = model_card(trained, tags)
    assert "Each plant by a model of the others" in card
    rows = re.findall(r"^\| (Süd/2|north|west|all) \|", card, flags=re.MULTILINE)
    assert rows == ["Süd/2", "north", "west", "all"]
    logged = registry.metrics("small-plant", version)
    assert logged["plants/north/roc_auc"] == trained.by_plant["north"]["roc_auc"]
    assert logged["plants/Süd_2/roc_auc"] == trained.by_plant["Süd/2"]["roc_auc"]


def test_plants_of_like_names_stay_apart() -> None:
    """What MLflow refuses is replaced, and a second plant of the name that results gets a number."""
    named = plant_metrics({"a/b": {"f1": 0.1}, "a_b": {"f1": 0.2}, "..": {"f1": 0.3}})
    assert named == {"plants/a_b/f1": 0.1, "plants/a_b_1/f1": 0.2, "plants/_/f1": 0.3}


def test_one_plant_cannot_be_left_out(plant: History, describe: Describe) -> None:
    """The remedy names the split that leaves out assets."""
    with pytest.raises(UsageError, match="all assets are of 'p'") as refused:
        train(describe("split.kind=plant"), plant)
    assert 'split.kind = "cross"' in refused.value.remedy


def test_an_asset_without_a_plant_is_named(plants: History, describe: Describe) -> None:
    """Which plant to leave out with it cannot be guessed."""
    homeless = replace(plants, assets=plants.assets[plants.assets["asset"] != "m03"])
    with pytest.raises(UsageError, match="no record places m03"):
        train(describe("split.kind=plant"), homeless)


def test_folds_are_not_counted_by_plant(describe: Describe) -> None:
    """There are as many as plants."""
    with pytest.raises(UsageError, match="test_folds"):
        describe("split.kind=plant", "split.test_folds=3")
