"""Jobs that read telemetry by blocks of assets: what they give does not depend on the size of the blocks."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from data_contracts.tables.blocks import stored_telemetry
from data_contracts.tables.history import open_history, read_history
from data_contracts.tables.stored_features import load_features
from models.artifact.scoring import score_in_detail
from models.experiment.experiment import Experiment
from models.labels.observation import observation_window
from pipelines.backtesting.backtest import BacktestConfig, run_backtest
from pipelines.evidence.champion import load_champion
from pipelines.evidence.diagnosis_inputs import gather_inputs
from pipelines.evidence.fleet_cut_offs import fleet_cut_offs
from pipelines.jobs.score import score_fleet
from pipelines.retraining.challenger import hold_out, plan_comparison

pytestmark = pytest.mark.slow

DAY = pd.Timedelta(days=1)
FEW_ROWS = 6000  # two machines of twelve


@pytest.fixture
def few_rows(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a function that makes the blocks small."""
    return lambda rows=FEW_ROWS: monkeypatch.setattr(stored_telemetry, "BLOCK_ROWS", rows)


def test_without_a_cut_off_only_the_windows_are_read(plant: Any) -> None:
    """The latest known time is known without reading the telemetry; of that, only what the windows reach is read."""
    artifact = load_champion(plant.workspace, "plant").model.artifact
    opened = open_history(plant.workspace, "azure_machine", plant="plant")
    cut_offs, near = fleet_cut_offs(plant.workspace, artifact, opened, as_of=None, made_at=plant.at(120))
    assert cut_offs.latest == plant.at(120)
    assert near.stored is not None
    assert len(near.telemetry) == 12 * max(artifact.recipe.lookback, observation_window(artifact.recipe.windows)) / (
        DAY / 24
    )
    whole = read_history(plant.workspace, "azure_machine", plant="plant")
    found, expected = (
        score_in_detail(artifact, history, cut_offs.active[["asset", "as_of"]]) for history in (near, whole)
    )
    pd.testing.assert_frame_equal(found.frame, expected.frame, check_exact=True)


def test_scores_do_not_depend_on_blocks(plant: Any, few_rows: Any) -> None:
    """The same predictions, so that none is stored again, and the same features."""
    now = plant.at(120.5)
    first = score_fleet(plant.workspace, "plant", now=now)
    digest = load_champion(plant.workspace, "plant").model.artifact.recipe.digest
    features = load_features(plant.workspace, "plant", digest)
    few_rows(1)
    again = score_fleet(plant.workspace, "plant", now=now)
    assert (first.stored, again.stored) == (12, 0)
    assert again.to_dict() | {"stored": 12} == first.to_dict()
    stored = load_features(plant.workspace, "plant", digest)
    assert features is not None
    assert stored is not None
    np.testing.assert_array_equal(stored.features, features.features)
    assert stored.read_at == features.read_at


def test_what_a_diagnosis_rests_on_does_not_depend_on_blocks(plant: Any, few_rows: Any) -> None:
    """Daily counts, levels relative to the regimes of the whole fleet, and regimes."""
    champion = load_champion(plant.workspace, "plant")
    first = gather_inputs(plant.workspace, champion, now=plant.at(100.3), since=plant.at(80))
    few_rows()
    again = gather_inputs(plant.workspace, champion, now=plant.at(100.3), since=plant.at(80))
    for name in ("readings", "levels", "regimes"):
        pd.testing.assert_frame_equal(getattr(again, name), getattr(first, name), check_exact=True)
    # The reading at midnight of the first day stands for the day before.
    assert len(first.levels) == 12 * 101
    assert again.arrived == first.arrived


def test_a_holdout_does_not_depend_on_blocks(plant: Any, few_rows: Any) -> None:
    """A retraining holds out and plans the same."""
    plans = []
    for change in (lambda: None, few_rows):
        change()
        held = hold_out(plant.workspace, "plant", plant.settings, now=plant.at(90), urgent=True)
        period, plan = plan_comparison(held, plant.settings)
        plans.append((held.length, period.cut_offs.to_dict(), plan))
    assert repr(plans[0]) == repr(plans[1])


def test_a_back_test_does_not_depend_on_blocks(plant: Any, experiment: Experiment, few_rows: Any) -> None:
    """Another cache, the same figures: trainings, refits, comparisons and alarms are all the same."""
    settings = plant.settings.with_section("retrain", holdout=14 * DAY)
    config = BacktestConfig(start=50.0, every=30 * DAY, rules=("monthly",))
    first = run_backtest(plant.workspace, experiment, config, settings=settings).to_dict()
    cached = {path: path.read_bytes() for path in Path(plant.workspace.root / "backtest").rglob("*.json")}
    assert cached
    Path(plant.workspace.root / "backtest").rename(plant.workspace.root / "before")
    few_rows()
    assert run_backtest(plant.workspace, experiment, config, settings=settings).to_dict() == first
    assert {path: path.read_bytes() for path in cached} == cached
