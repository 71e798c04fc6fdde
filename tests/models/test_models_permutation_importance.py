"""Permutation importance is measured on assets that the learner has not seen."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from models.experiment.experiment import Experiment
from models.training.permutation_importance import permutation_importance

Describe = Callable[..., Experiment]


@pytest.mark.ml_test("Data 2")
def test_a_column_that_only_names_the_asset_is_worth_nothing(describe: Describe) -> None:
    """A cause is worth what it explains of unseen assets; what tells assets apart is worth nothing there."""
    rng = np.random.default_rng(0)
    assets, samples = 150, 8
    cause = rng.normal(size=assets * samples)
    level = rng.normal(size=assets).repeat(samples)
    target = cause + 2 * level + 0.1 * rng.normal(size=assets * samples)
    names = {f"asset{number}": rng.normal(size=assets).repeat(samples) for number in range(6)}
    index = pd.MultiIndex.from_arrays([np.arange(assets).repeat(samples).astype(str), np.arange(assets * samples)])
    features = pd.DataFrame({"cause": cause, **names}, index=index)
    experiment = describe("target=remaining_life", "label.cap=10h", "split.kind=asset", "split.test=m0[67]")
    worth = permutation_importance(experiment, features, tuple(features.columns), target)
    assert worth.idxmax() == "cause"
    assert worth["cause"] > 0.1
    assert worth.drop("cause").mean() < 0.02
    again = permutation_importance(experiment, features, tuple(features.columns), target)
    pd.testing.assert_series_equal(again, worth, check_exact=True)
