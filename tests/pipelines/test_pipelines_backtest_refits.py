"""A back-test follows the workspace's rule on refits."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from data_contracts.tables.history import read_history
from models.experiment.experiment import Experiment
from pipelines.backtesting import backtest_versions
from pipelines.backtesting.backtest import BacktestConfig, run_backtest
from pipelines.backtesting.backtest_versions import CachedModels

pytestmark = pytest.mark.slow


def _models(plant: Any, experiment: Experiment, folder: Path, **changes: Any) -> CachedModels:
    settings = plant.settings.with_section("retrain", **{"holdout": pd.Timedelta(days=12), **changes})
    return CachedModels(plant.workspace, experiment, read_history(plant.workspace, "azure_machine"), settings, folder)


def test_a_promoted_challenger_is_refitted_as_a_retraining_would(
    plant: Any, experiment: Experiment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only if the workspace asks for refits, only if both agree, and only once; it predicts from then on."""
    models = _models(plant, experiment, tmp_path, refit=True)
    champion, challenger = (models.train(plant.at(day)) for day in (55, 102))
    compared = models.compare(champion, challenger, plant.at(102), 0.1)
    assert compared.promoted
    assert compared.refit is not None
    assert (compared.refit.refit, compared.refit.promised) == (True, challenger.promised)
    assert compared.refit.trained_until - challenger.trained_until > pd.Timedelta(days=10)
    predictions = [models.predict(each, plant.at(102), plant.at(110)) for each in (challenger, compared.refit)]
    assert predictions[0][["asset", "as_of"]].equals(predictions[1][["asset", "as_of"]])
    assert (models.artifact(compared.refit).stored) != models.artifact(challenger).stored
    monkeypatch.setattr(backtest_versions, "refit", None)  # cached: nothing is fitted again
    assert models.compare(champion, challenger, plant.at(102), 0.1) == compared
    strict = _models(plant, experiment, tmp_path, refit=True, refit_limit=0.0)
    assert strict.compare(champion, challenger, plant.at(102), 0.1).refit is None
    without = _models(plant, experiment, tmp_path)
    assert without.compare(champion, challenger, plant.at(102), 0.1).refit is None


def test_the_replay_goes_on_with_the_refit(plant: Any, experiment: Experiment) -> None:
    """From its promotion on the refit's alarms count, and the challenger's no longer."""
    settings = plant.settings.with_section("retrain", holdout=pd.Timedelta(days=12), refit=True)
    config = BacktestConfig(start=55.0, every=pd.Timedelta(days=47), rules=("always",))
    result = run_backtest(plant.workspace, experiment, config, settings=settings)
    assert result.figures[0].promoted == 1
    cache = plant.workspace.root / "backtest"
    served = sorted(file.parent.name for file in cache.rglob("alerts-20260413*-20260501*.parquet"))
    assert served == ["20260413T000000-refit"]
