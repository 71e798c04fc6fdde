"""What MLflow shows of a version: kind, description, source, data, example, curves; and LightGBM's own flavour."""

import json
import logging
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from data_contracts.tables.history import History
from data_contracts.workspace import Workspace
from models.experiment.experiment import Experiment
from models.registry.metric_names import LEARNING, SYSTEM
from models.registry.mlflow_store import active_store
from models.registry.registration.mlflow_record import KIND, MODEL_TRAINING, NOTE, shortened
from models.registry.registry import Registry
from models.registry.revision import Revision
from models.training.training import Trained, train

Describe = Callable[..., Experiment]
REVISION = Revision("abc123abc123+changes", "0123")


@pytest.fixture(scope="module")
def trained(plant: History, describe: Describe) -> Trained:
    return train(describe(), replace(plant, versions={"telemetry/azure_machine": 4, "failures": 2}))


def test_a_run_shows_all_that_mlflow_asks_for(workspace: Workspace, trained: Trained) -> None:
    """Kind, description, user, source, commit, tables, learning curve, plots and example are filled."""
    registry = Registry(workspace)
    registry.register(trained, revision=REVISION)
    client, entry = registry._client, registry._version("small-plant", 1)
    run = client.get_run(entry.run_id)
    assert client.get_experiment(run.info.experiment_id).tags[KIND] == MODEL_TRAINING
    tags = run.data.tags
    assert tags["mlflow.source.git.commit"] == "abc123abc123"
    assert tags["mlflow.user"]
    assert tags["mlflow.source.name"]
    assert tags[NOTE].startswith("# small-plant\n\nFor an asset of type")
    assert entry.description.startswith("# small-plant")
    assert "a failure within 48h" in client.get_registered_model("small-plant").description
    inputs = {each.dataset.name: each.dataset for each in run.inputs.dataset_inputs}
    assert {name: each.digest for name, each in inputs.items()} == {
        "telemetry/azure_machine": "version-4",
        "failures": "version-2",
    }
    assert json.loads(inputs["failures"].source) == {"path": "tables/failures", "delta_table_version": 2}
    curve = client.get_metric_history(entry.run_id, f"{LEARNING}validation_logloss")
    assert trained.learning_curve is not None
    assert [(each.step, each.value) for each in curve] == list(
        zip(trained.learning_curve.trees, trained.learning_curve.validation, strict=True)
    )
    assert run.data.metrics[f"{SYSTEM}training_seconds"] > 0
    assert not any(name.startswith((SYSTEM, LEARNING)) for name in registry.metrics("small-plant", 1))
    plots = {each.path for each in client.list_artifacts(entry.run_id, "plots")}
    assert plots >= {f"plots/{name}.png" for name in ("learning_curve", "shap_summary", "shap_dependence")}
    registry.check_version("small-plant", 1)


def test_mlflow_loads_it_by_either_flavour(workspace: Workspace, trained: Trained) -> None:
    """LightGBM's flavour gives the very booster, ours predicts from the example, and without a channel's columns."""
    import mlflow.lightgbm
    import mlflow.pyfunc

    Registry(workspace).register(trained, revision=REVISION)
    uri, artifact = "models:/small-plant/1", trained.artifact
    assert trained.golden is not None
    features = trained.golden.features
    with active_store(workspace.mlflow_uri):
        booster, model = mlflow.lightgbm.load_model(uri), mlflow.pyfunc.load_model(uri)
    raw = booster.predict(features[list(artifact.columns)].to_numpy(dtype=np.float64))
    assert np.array_equal(raw, artifact.predict(features))
    assert np.array_equal(model.predict(model.input_example), artifact.predict(model.input_example))
    optional = [each.name for each in model.metadata.get_input_schema().inputs if not each.required]
    assert set(optional) == set(artifact.columns) - set(artifact.recipe.context.columns)
    without = model.input_example.drop(columns=[name for name in optional if name.startswith("volt")])
    absent = model.input_example.assign(**{name: np.nan for name in optional if name.startswith("volt")})
    assert np.array_equal(model.predict(without), artifact.predict(absent))


def test_an_experiment_that_was_deleted_is_restored(
    workspace: Workspace, trained: Trained, caplog: pytest.LogCaptureFixture
) -> None:
    """Whoever deletes an experiment in MLflow's pages does not block the next training of its name."""
    registry = Registry(workspace)
    registry.register(trained, revision=REVISION)
    client = registry._client
    experiment = client.get_experiment_by_name("small-plant")
    client.delete_experiment(experiment.experiment_id)
    with caplog.at_level(logging.WARNING, "forewarn.registry"):
        assert registry.register(trained, revision=REVISION) == 2
    assert "restored" in caplog.text
    assert client.get_experiment_by_name("small-plant").lifecycle_stage == "active"


def test_the_learning_curve_ends_at_the_loss_of_the_whole_fold(trained: Trained) -> None:
    """The losses fall on training samples, and there are as many as trees."""
    curve = trained.learning_curve
    assert curve is not None
    assert curve.trees[-1] == 30
    assert (curve.loss, len(curve.train), len(curve.validation)) == ("logloss", 30, 30)
    assert all(np.diff(curve.train) < 0)
    assert max(curve.train[-1], 0.0) < curve.validation[-1]


def test_a_card_that_is_too_long_is_cut_between_sections() -> None:
    """MLflow holds descriptions of some thousand characters: what is left out is said, and no table is cut in two."""
    card = "# name\n\nit predicts\n\n## A\n\n" + "a" * 100 + "\n\n## B\n\n" + "b" * 400
    cut = shortened(card, 300)
    assert len(cut) <= 300
    assert "aaa" in cut
    assert "bbb" not in cut
    assert "model_card.md" in cut
    assert shortened(card, 10_000) == card
