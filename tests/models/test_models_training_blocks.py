"""A model that learns from telemetry by blocks of assets is the model that learns from all of it at once."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from data_contracts.tables import tables
from data_contracts.tables.history import FRAMES, History, open_history, read_history
from data_contracts.workspace import Workspace, init_workspace
from features import stream
from features.telemetry import regimes
from models.artifact.scoring import score_in_detail
from models.experiment.experiment import Experiment
from models.training.training import train

pytestmark = pytest.mark.slow
Describe = Callable[..., Experiment]

EXPERIMENTS = {
    "failures": (),
    "regimes, gaps and several horizons": (
        "features.regimes=2",
        'features.operating_channels=["volt"]',
        'features.gaps={interval="3h", fill_for="6h", most_missing=0.5}',
        'label.horizons=["24h", "48h"]',
    ),
    "remaining life, with chosen columns": ('target="remaining_life"', "features.keep=4", 'data.sources=["physical"]'),
    "across assets": ('split={kind="cross", test_folds=2}',),
    "a condition's value": (
        'target="condition"',
        'label={condition="vibration", horizon="6h"}',
        'windows={window=["24h"], cut_offs="rows"}',
    ),
    "a condition's threshold": (
        'label={condition="vibration", threshold=43.0, horizon="24h"}',
        'features.channels=["volt"]',
    ),
}


@pytest.fixture(scope="module")
def stored(plant: History, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """Return a workspace with the plant, of which some rows came late."""
    workspace = init_workspace(tmp_path_factory.mktemp("stored") / "ws")
    late = plant.telemetry.assign(known_time=lambda rows: rows["known_time"] + rows.index % 5 * pd.Timedelta("1h"))
    for name, rows in {name: getattr(plant, name) for name in FRAMES[1:]}.items():
        tables.append(workspace, name, rows, "all")
    for number, month in enumerate(["2026-01", "2026-02", "2026-03"]):
        rows = late[late["event_time"].dt.strftime("%Y-%m") == month]
        tables.append(workspace, "telemetry/azure_machine", rows, f"part {number}")
    return workspace


@pytest.mark.parametrize("overrides", EXPERIMENTS.values(), ids=EXPERIMENTS)
def test_any_size_of_blocks_gives_the_same_model(
    stored: Workspace, describe: Describe, overrides: tuple[str, ...]
) -> None:
    """Samples, columns, figures and the model itself are the same, bit for bit; so are the scores of a version."""
    experiment = describe("estimator.params.n_estimators=5", *overrides)
    whole = read_history(stored, "azure_machine")
    expected = train(experiment, whole)
    cut_offs = expected.evaluation.predictions[["asset", "as_of"]].sample(frac=1, random_state=1, ignore_index=True)
    scores = score_in_detail(expected.artifact, whole, cut_offs)
    history = open_history(stored, "azure_machine", block_rows=4000)  # eight machines
    trained = train(experiment, history)
    assert trained.artifact.digest == expected.artifact.digest
    assert trained.predictions_digest == expected.predictions_digest
    pd.testing.assert_frame_equal(trained.evaluation.predictions, expected.evaluation.predictions)
    assert (trained.left_out, trained.data_rows) == (expected.left_out, expected.data_rows)
    assert repr(trained.evaluation.metrics) == repr(expected.evaluation.metrics)
    found = score_in_detail(expected.artifact, history, cut_offs)
    pd.testing.assert_frame_equal(found.frame, scores.frame, check_exact=True)
    pd.testing.assert_frame_equal(found.features, scores.features, check_exact=True)
    rows = stream(history, cut_offs, expected.artifact.recipe).read_all().to_pandas()
    assert rows["asset"].tolist() == cut_offs["asset"].tolist()
    np.testing.assert_array_equal(rows.iloc[:, 2:].to_numpy(), scores.features.to_numpy())


def test_regimes_of_a_long_history_are_learned_from_a_part_of_each_asset(
    stored: Workspace, describe: Describe, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The part does not depend on the blocks either."""
    monkeypatch.setattr(regimes, "_MOST_INSTANTS", 1000)
    experiment = describe("features.regimes=2", 'features.operating_channels=["volt"]')
    histories = [read_history(stored, "azure_machine"), open_history(stored, "azure_machine", block_rows=700)]
    first, second = (train(experiment, history).artifact.recipe.regimes for history in histories)
    assert first == second
    monkeypatch.undo()
    assert train(experiment, histories[0]).artifact.recipe.regimes != first
