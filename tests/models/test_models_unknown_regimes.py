"""A model says nothing of a machine that is run as no machine of its training was."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd

from data_contracts.tables.history import History
from models.artifact.scoring import score, score_in_detail
from models.experiment.experiment import Experiment
from models.training.training import train

Describe = Callable[..., Experiment]


def test_an_unknown_regime_is_not_predicted(plant: History, describe: Describe) -> None:
    """Where most readings lie beyond every regime there is no number and a reason; others keep theirs, bit for bit."""
    trained = train(describe("features.regimes=2", 'features.operating_channels=["volt"]'), plant)
    artifact = trained.artifact
    assert artifact.recipe.regimes is not None
    last = trained.evaluation.predictions.groupby("asset")["as_of"].max().reset_index()
    telemetry = plant.telemetry.copy()
    changed = (telemetry["asset"] == "m03") & (telemetry["event_time"] > last["as_of"].iloc[3] - pd.Timedelta("20h"))
    telemetry.loc[changed, "volt"] = 900.0
    usual = score(artifact, plant, last)
    assert usual["reason"].isna().all()
    scored = score_in_detail(artifact, replace(plant, telemetry=telemetry), last)
    silent = (last["asset"] == "m03").to_numpy()
    frame = scored.frame
    assert frame.loc[silent, "reason"].str.startswith("unknown operating regime: ").all()
    assert frame.loc[silent, "probability"].isna().all()
    assert not frame.loc[silent, "alert"].any()
    assert np.isnan(scored.probabilities[silent]).all()
    assert frame.loc[~silent, "reason"].isna().all()
    assert np.array_equal(frame.loc[~silent, "probability"], usual.loc[~silent, "probability"])
    old = replace(artifact, recipe=replace(artifact.recipe, regimes=replace(artifact.recipe.regimes, reach=None)))
    assert score(old, replace(plant, telemetry=telemetry), last)["reason"].isna().all()


def test_regimes_do_not_disturb_figures(plant: History, describe: Describe) -> None:
    """Scoring the test samples of an experiment with regimes gives its evaluation: nothing of it is withheld."""
    trained = train(describe("features.regimes=2", 'features.operating_channels=["volt"]'), plant)
    expected = trained.evaluation.predictions
    scored = score(trained.artifact, plant, expected[["asset", "as_of"]])
    assert scored["reason"].isna().all()
    assert np.array_equal(scored["probability"], expected["prediction"])
