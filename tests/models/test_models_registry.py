"""The registry: a version's provenance is recorded, it loads without a pickle, and it can be reproduced."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from data_contracts.errors import ModelError, NotFoundError, StorageError
from data_contracts.records.records import open_records
from data_contracts.tables import tables
from data_contracts.tables.history import History, read_history
from data_contracts.upkeep.compaction import compact
from data_contracts.upkeep.deletion import Expired, delete_expired
from data_contracts.upkeep.unused_files import remove_unused
from data_contracts.workspace import Workspace, init_workspace
from models.artifact.absences import ObservationTerms
from models.artifact.artifact import Artifact
from models.experiment.experiment import Experiment
from models.registry.promotion import delete_version, promote
from models.registry.registry import CHAMPION, Registry
from models.registry.reproduce import largest_difference, reproduce
from models.registry.revision import Revision, code_revision
from models.registry.store.file_digests import FILES_DIGEST, GOLDEN_DIGEST, MODEL_DIGEST, files_digest
from models.training.training import Trained, train

Describe = Callable[..., Experiment]
REVISION = Revision("abc", "0123")
TAGS = {
    "data_version",
    "contract",
    "feature_set_hash",
    "code_revision",
    "seed",
    "experiment",
    "forewarn_version",
    "known_until",
    "model_digest",
    "predictions_digest",
    "reference_rates",
}
PICKLES = {".pkl", ".pickle", ".joblib", ".cloudpickle", ".dill"}


@pytest.fixture(scope="module")
def registered(
    _mlflow_template: Path, tmp_path_factory: pytest.TempPathFactory, plant: History, describe: Describe
) -> Workspace:
    """Return a workspace that holds the plant's tables and two registered versions."""
    workspace = init_workspace(tmp_path_factory.mktemp("registered") / "workspace")
    shutil.copy(_mlflow_template, workspace.root / "mlflow.db")
    telemetry = plant.telemetry.assign(rotate=450.0, pressure=100.0)
    for name in ("assets", "failures", "work_orders", "events"):
        tables.append(workspace, name, getattr(plant, name), "all")
    tables.append(workspace, "telemetry/azure_machine", telemetry, "all")
    history = read_history(workspace, "azure_machine")
    for overrides in ([], ["estimator.kind=logistic", "estimator.params={}"]):
        Registry(workspace).register(train(describe(*overrides), history), revision=code_revision())
    return workspace


@pytest.fixture(scope="module")
def trained(plant: History, describe: Describe) -> Trained:
    return train(describe("estimator.params={n_estimators=5}"), plant)


@pytest.mark.ml_test("Model 1")
def test_a_version_records_its_provenance(registered: Workspace) -> None:
    """Every version has data version, contract, feature-set hash, code revision, seed and the experiment."""
    tags = Registry(registered).tags("small-plant", 1)
    assert set(tags) >= TAGS
    assert json.loads(tags["data_version"])["telemetry/azure_machine"] >= 0
    assert tags["contract"].startswith("telemetry_azure_machine ")
    assert Experiment.from_json(tags["experiment"]).name == "small-plant"
    metrics = Registry(registered).metrics("small-plant", 1)
    assert {"precision", "recall", "f1", "roc_auc", "pr_auc", "brier", "failures_caught", "expected_cost"} <= set(
        metrics
    )


def test_loading_gives_the_registered_model(registered: Workspace) -> None:
    """A loaded version predicts, bit for bit, what was logged with it."""
    registry = Registry(registered)
    for version in (1, 2):
        loaded = registry.load("small-plant", version)
        with registry.run_file("small-plant", version, "predictions.parquet") as file:
            logged = pd.read_parquet(file)
        from models.artifact.scoring import score

        predictions = score(loaded.artifact, read_history(registered, "azure_machine"), logged[["asset", "as_of"]])
        assert np.array_equal(predictions["probability"], logged["prediction"])
        assert loaded.reference is not None
        assert loaded.version == version


def test_the_experiment_says_how_long_assets_are_down_where_the_artifact_does_not(
    registered: Workspace, trained: Trained
) -> None:
    """Artifacts once did not keep it: score and endpoint take it from the experiment, and the digest stays."""
    experiment = replace(
        trained.experiment,
        model="older",
        label=replace(trained.experiment.label, down_after_failure=pd.Timedelta("30h")),
    )
    assert trained.artifact.down_after_failure == pd.Timedelta(0)
    Registry(registered).register(replace(trained, experiment=experiment), revision=REVISION)
    artifact = Registry(registered).load("older", 1).artifact
    assert artifact.digest == trained.artifact.digest
    terms = ObservationTerms.of(artifact)
    assert (terms.down, terms.breakdown) == (pd.Timedelta("30h"), pd.Timedelta("30h"))


def test_mlflow_s_own_tools_can_load_it(registered: Workspace) -> None:
    """`mlflow.pyfunc` loads the model, and predicts the same from named columns in any order."""
    import mlflow.pyfunc

    from models.registry.mlflow_store import active_store

    loaded = Registry(registered).load("small-plant", 1).artifact
    features = pd.DataFrame(
        np.random.default_rng(0).normal(size=(5, len(loaded.columns))), columns=list(loaded.columns)
    )
    path = list(sys.path)
    with active_store(registered.mlflow_uri):
        model = mlflow.pyfunc.load_model("models:/small-plant/1")
    assert sys.path == path, "what this process spawns would run the code that the version brought along"
    assert np.array_equal(model.predict(features[features.columns[::-1]]), loaded.predict(features))


def test_code_of_an_older_version_is_not_mixed_with_ours(
    registered: Workspace, repository: Path, tmp_path: Path
) -> None:
    """Where our loader is imported already, packages that a version brought along do not stand in for ours."""
    folder = tmp_path / "data" / "artifact"
    Registry(registered).load("small-plant", 1).artifact.save(folder)
    older = tmp_path / "code" / "features"
    older.mkdir(parents=True)
    (older / "__init__.py").write_text("raise ImportError('the code of an older version')\n")
    script = (
        "import sys, models.artifact\n"
        f"sys.path.insert(0, {str(older.parent)!r})\n"
        f"print(models.artifact._load_pyfunc({str(folder)!r}).artifact.digest)\n"
        f"assert {str(older.parent)!r} not in sys.path\n"
    )
    run = subprocess.run([sys.executable, "-c", script], cwd=repository, capture_output=True, text=True, check=True)
    assert run.stdout.strip() == Registry(registered).load("small-plant", 1).artifact.digest


def test_nothing_is_pickled(registered: Workspace) -> None:
    """No file of the registry is a pickle, by name or by its first bytes."""
    files = [file for file in Path(registered.artifacts_url).rglob("*") if file.is_file()]
    assert any(file.name == "model.txt" for file in files)
    assert any(file.name == "model.skops" for file in files)
    for file in files:
        assert file.suffix not in PICKLES
        assert file.read_bytes()[:2] not in {b"\x80" + bytes([protocol]) for protocol in range(2, 6)}
        assert file.suffix != ".pyc"


def test_a_run_keeps_card_plots_and_predictions(registered: Workspace) -> None:
    """With each version its model card, plots and test predictions are kept."""
    registry = Registry(registered)
    with registry.run_file("small-plant", 1, "model_card.md") as file:
        card = file.read_text()
    for part in ("# small-plant", "## Provenance", "## Figures", "## Alerts", "## Limits", "## Features"):
        assert part in card
    with registry.run_file("small-plant", 1, "plots") as folder:
        names = {file.stem for file in folder.iterdir()}
    assert {"precision_recall", "calibration", "lead_times", "importances", "threshold"} <= names


@pytest.mark.ml_test("Infra 1")
def test_a_version_is_trained_again_bit_for_bit(registered: Workspace) -> None:
    """From its tags alone a version is trained again and predicts the same, also after the tables have grown."""
    registry = Registry(registered)
    before = registry.load("small-plant", 1)
    late = read_history(registered, "azure_machine").telemetry.tail(3)
    tables.append(
        registered, "telemetry/azure_machine", late.assign(known_time=late["known_time"] + pd.Timedelta("9D")), "more"
    )
    # Known in time, but stored only now: the known time would let these in, the recorded version does not.
    backlog = read_history(registered, "azure_machine").telemetry.iloc[::40]
    tables.append(
        registered, "telemetry/azure_machine", backlog.assign(source="manual_override", vibration=99.0), "backlog"
    )
    for version in (1, 2):
        again = reproduce(registered, "small-plant", version)
        assert again.same
        assert again.same_model or version == 2  # a skops file holds the time it was written
        assert again.max_abs_difference == 0.0
        assert again.notes == ()
        assert json.loads(json.dumps(again.to_dict()))["same"] is True
    assert again.digest_before == registry.load("small-plant", 2).tags["predictions_digest"]
    assert before.artifact.digest == before.tags["model_digest"]


def test_a_different_result_is_reported() -> None:
    """Predictions that differ, or are of other samples, are not the same."""
    one = pd.DataFrame({"asset": ["a", "b"], "as_of": [1, 2], "prediction": [0.1, 0.2]})
    assert largest_difference(one, one.assign(prediction=[0.1, 0.25])) == pytest.approx(0.05)
    assert np.isnan(largest_difference(one, one.iloc[:1]))


def test_aliases_are_set_read_and_deleted(registered: Workspace) -> None:
    """An alias names one version, and can be moved and deleted."""
    registry = Registry(registered)
    assert registry.champion("small-plant") is None
    registry.set_alias("small-plant", CHAMPION, 1)
    registry.set_alias("small-plant", CHAMPION, 2)
    assert registry.champion("small-plant") == 2
    assert registry.load("small-plant", CHAMPION).version == 2
    listed = registry.versions("small-plant")
    assert [(entry["version"], entry["aliases"]) for entry in listed] == [(2, ["champion"]), (1, [])]
    json.dumps(listed)
    registry.delete_alias("small-plant", CHAMPION)
    registry.delete_alias("small-plant", CHAMPION)
    assert registry.get_alias("small-plant", CHAMPION) is None
    with pytest.raises(NotFoundError, match="no version 9"):
        registry.set_alias("small-plant", CHAMPION, 9)


def test_golden_inputs_lie_beside_each_version(registered: Workspace) -> None:
    """Each version keeps a few rows from the lowest to the highest score, and reproduces their scores."""
    registry = Registry(registered)
    for version in (1, 2):
        golden = registry.golden_inputs("small-plant", version)
        assert golden is not None
        loaded = registry.load("small-plant", version).artifact
        golden.verify(loaded, "small-plant")
        assert 2 <= len(golden.scores) <= 8
        assert set(golden.features.columns) == set(loaded.columns)
        with pytest.raises(ModelError, match="differently than when it was registered"):
            replace(golden, scores=golden.scores + 1e-6).verify(loaded, "small-plant")


def test_a_version_is_proven_before_it_takes_over_and_deleted_once_nothing_names_it(
    workspace: Workspace, trained: Trained
) -> None:
    """With a real registry: spoilt golden inputs stop a promotion, an alias stops a deletion, else it is gone."""
    registry, records = Registry(workspace), open_records(workspace.records_url)
    name = trained.experiment.model_name
    for _ in range(2):
        registry.register(trained, revision=REVISION)

    def promote_over(version: int, champion: int | None) -> None:
        promote(
            registry, records, name, expected_champion=champion, to_version=version,
            actor="a test", reason="?", evidence={}, now=pd.Timestamp("2026-06-01", tz="UTC"),
        )  # fmt: skip

    promote_over(1, None)
    with pytest.raises(ModelError, match="is the champion"):
        delete_version(registry, records, name, 1, dry_run=False)
    golden = registry.golden_inputs(name, 2)
    assert golden is not None
    with registry.run_file(name, 2, "golden_inputs.parquet") as file:
        replace(golden, scores=golden.scores / 2).save(file)
    with pytest.raises(ModelError, match="golden inputs of small-plant 2 that are not the registered ones"):
        promote_over(2, 1)
    registry._client.delete_model_version_tag(name, "2", GOLDEN_DIGEST)  # as versions once were
    with pytest.raises(ModelError, match="version 2 scores"):
        promote_over(2, 1)
    assert registry.champion(name) == 1
    delete_version(registry, records, name, 2, dry_run=True)
    delete_version(registry, records, name, 2, dry_run=False)
    assert [entry["version"] for entry in registry.versions(name)] == [1]
    with pytest.raises(NotFoundError):
        delete_version(registry, records, name, 2, dry_run=True)


def test_an_empty_registry_says_what_to_do(workspace: Workspace) -> None:
    """Without models, names are empty and loading says how to get one."""
    registry = Registry(workspace)
    assert registry.names() == ()
    assert registry.champion("none") is None
    with pytest.raises(NotFoundError, match="forewarn train"):
        registry.load("none", CHAMPION)


def test_asking_for_models_creates_no_store(tmp_path: Path) -> None:
    """That takes MLflow seconds, which whoever only asks has no use for; what is registered later is seen."""
    asked = Registry(init_workspace(tmp_path / "workspace"))
    assert asked.names() == ()
    assert not (asked.workspace.root / "mlflow.db").exists()
    asked.create_store()
    assert (asked.workspace.root / "mlflow.db").exists()
    assert asked.names() == ()


def test_a_missing_champion_says_what_to_do(registered: Workspace) -> None:
    """The error for a missing champion or model names those there are."""
    registry = Registry(registered)
    with pytest.raises(NotFoundError, match=r"no champion.*forewarn models promote"):
        registry.load("small-plant", CHAMPION)
    with pytest.raises(NotFoundError, match="small-plant"):
        registry.load("small-plnt", 1)


@pytest.mark.parametrize("name", ["model.json", "model.txt", "MLmodel", "conda.yaml", "code/models/__init__.py"])
def test_a_file_that_was_exchanged_is_refused_before_any_is_opened(
    workspace: Workspace, trained: Trained, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not a file of a registered version can be changed, the description and the code among them."""
    registry = Registry(workspace)
    version = registry.register(trained, revision=REVISION)
    [file] = [path for path in Path(workspace.artifacts_url).rglob("*") if path.as_posix().endswith(f"/{name}")]
    file.write_bytes(file.read_bytes() + b"\n")
    monkeypatch.setattr(Artifact, "load", lambda *_, **__: pytest.fail("the files were opened"))
    with pytest.raises(ModelError, match="not those that were registered"):
        registry.load(trained.experiment.model_name, version)


def test_a_model_is_bound_to_its_tag(workspace: Workspace, trained: Trained) -> None:
    """A whole other model in its place is refused, and so is a version without a digest."""
    registry, name = Registry(workspace), trained.experiment.model_name
    version = registry.register(trained, revision=REVISION)
    [folder] = {file.parent for file in Path(workspace.artifacts_url).rglob("model.json")}
    replace(trained.artifact, threshold=0.9e-3).save(folder)
    registry._client.delete_model_version_tag(name, str(version), FILES_DIGEST)  # as versions once were
    with pytest.raises(ModelError, match=r"digest .* as registered"):
        registry.load(name, version)
    trained.artifact.save(folder)
    assert registry.load(name, version).artifact == trained.artifact
    registry._client.delete_model_version_tag(name, str(version), MODEL_DIGEST)
    with pytest.raises(ModelError, match="no tag model_digest"):
        registry.load(name, version)


def test_files_may_be_moved_and_their_code_compiled(tmp_path: Path) -> None:
    """What says where they lie, and what Python adds, is no part of their digest; a name is."""
    folders = [tmp_path / "a", tmp_path / "b"]
    for folder in folders:
        (folder / "code").mkdir(parents=True)
        (folder / "code" / "one.py").write_text("one = 1\n")
        (folder / "MLmodel").write_text(f"artifact_path: {folder}\nflavors: {{}}\n")
    assert files_digest(folders[0]) == files_digest(folders[1])
    (folders[1] / "code" / "__pycache__").mkdir()
    (folders[1] / "code" / "__pycache__" / "one.pyc").write_bytes(b"compiled")
    assert files_digest(folders[0]) == files_digest(folders[1])
    (folders[1] / "code" / "one.py").rename(folders[1] / "code" / "two.py")
    assert files_digest(folders[0]) != files_digest(folders[1])


def test_a_corrupt_store_is_a_storage_error(tmp_path: Path) -> None:
    """A file that is not a database is a storage error, not a traceback."""
    broken = init_workspace(tmp_path / "workspace")
    (broken.root / "mlflow.db").write_bytes(b"this is no database" * 100)
    with pytest.raises(StorageError, match="damaged"):
        Registry(broken).names()


def test_the_global_state_of_mlflow_is_left_as_it_was(workspace: Workspace, trained: Trained, tmp_path: Path) -> None:
    """Registering changes neither MLflow's global store nor leaves a store of its own where it ran."""
    import mlflow

    before = mlflow.get_tracking_uri()
    other = replace(trained, experiment=replace(trained.experiment, model="other-name"))
    assert Registry(workspace).register(other, revision=REVISION) == 1
    assert mlflow.get_tracking_uri() == before
    assert Registry(workspace).names() == ("other-name",)
    assert not (tmp_path / "mlflow.db").exists()


def test_loading_needs_no_plots_and_naming_no_mlflow() -> None:
    """`models.registry` imports neither mlflow nor matplotlib, and `models` itself nothing heavy."""
    heavy = "mlflow matplotlib prefect great_expectations tsfresh"
    code = f"import sys, models.registry; print([m for m in '{heavy}'.split() if m in sys.modules])"
    light = (
        "import sys, models, models.labels; print([m for m in ('lightgbm', 'sklearn', 'mlflow') if m in sys.modules])"
    )
    for text in (code, light):
        run = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=True)
        assert run.stdout.strip() == "[]", text


def test_everything_public_is_there() -> None:
    """`__all__` is sorted, and every name in it can be imported."""
    import models

    assert list(models.__all__) == sorted(models.__all__)
    assert all(getattr(models, name) is not None for name in models.__all__)
    with pytest.raises(AttributeError):
        _ = models.nothing_of_the_kind


@pytest.mark.parametrize(("error", "status"), [(KeyboardInterrupt, "KILLED"), (RuntimeError, "FAILED")])
def test_a_run_that_is_cut_off_does_not_stay_running(
    workspace: Workspace, trained: Trained, monkeypatch: pytest.MonkeyPatch, error: type[BaseException], status: str
) -> None:
    """An interrupt ends the run as killed, an error as failed; no version is left behind."""
    registry = Registry(workspace)

    def stop(*_: object) -> None:
        raise error

    monkeypatch.setattr("models.registry.registration.register._log_model", stop)
    with pytest.raises(error):
        registry.register(trained, revision=REVISION)
    client = registry._client
    (experiment,) = [each for each in client.search_experiments() if each.name == trained.experiment.name]
    (run,) = client.search_runs([experiment.experiment_id])
    assert run.info.status == status
    assert trained.experiment.model_name not in registry.names()


def test_a_registered_version_has_a_finished_run(workspace: Workspace, trained: Trained) -> None:
    """Its run ended in order."""
    registry = Registry(workspace)
    version = registry.register(trained, revision=REVISION)
    run_id = registry._version(trained.experiment.model_name, version).run_id
    assert registry._client.get_run(run_id).info.status == "FINISHED"


def test_upkeep_leaves_a_version_reproducible_until_its_telemetry_is_deleted(
    registered: Workspace, tmp_path: Path
) -> None:
    """Files rewritten and removed change nothing; rows deleted are said to be gone, where versions are listed too."""
    shutil.copytree(registered.root, tmp_path / "copy")
    workspace, table, later = (
        init_workspace(tmp_path / "copy"),
        "telemetry/azure_machine",
        pd.Timestamp("2100-01-01T00:00Z"),
    )
    history = read_history(workspace, "azure_machine").telemetry
    late = history.tail(3)
    for number in range(10):
        known = late["known_time"] + pd.Timedelta(days=9 + number)
        tables.append(workspace, table, late.assign(known_time=known), f"late {number}")
    assert compact(workspace, table, settled_until=later).made == 1
    removed = remove_unused(workspace, table, now=later, grace=pd.Timedelta(0), log_kept=pd.Timedelta(0))
    assert removed.files >= 10
    again = reproduce(workspace, "small-plant", 1)
    assert again.same
    assert again.notes == ()
    delete_expired(workspace, table, Expired(history["event_time"].min() + pd.Timedelta(days=3), read_upto=10**6))
    with pytest.raises(ModelError, match="can no longer be reproduced") as refused:
        reproduce(workspace, "small-plant", 1)
    assert "upkeep.keep_trained" in refused.value.remedy
    assert [entry["reproducible"] for entry in Registry(workspace).versions("small-plant")] == [False, False]
    assert all("reproducible" not in entry for entry in Registry(registered).versions("small-plant"))
