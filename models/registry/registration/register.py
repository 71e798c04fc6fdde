"""Registration of a trained model as a version in MLflow, with all that is needed to trust and to reproduce it."""

import contextlib
import tempfile
import time
from collections.abc import Iterator, Mapping
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from data_contracts.workspace import Workspace
from models.registry.mlflow_store import active_store, is_missing, local_copy, storage_errors
from models.registry.revision import Revision, package_folders
from models.registry.store.file_digests import FILES_DIGEST, GOLDEN_DIGEST, file_sha256, files_digest
from models.registry.version_files import signature

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion
    from mlflow.models.model import ModelInfo

    from models.training.training import Trained

_MODEL, _EXAMPLE_ROWS = "model", 3
# What loading and applying an artifact needs beside our own source; listed, since inferring takes MLflow a minute.
_REQUIREMENTS = ("lightgbm", "numpy", "pandas", "scikit-learn", "scipy", "skops", "tsfresh")


def register(client: "MlflowClient", workspace: Workspace, trained: "Trained", revision: Revision) -> "ModelVersion":
    """Log a run with its figures, files and artifact, and register the artifact; StorageError if the store fails."""
    from models.artifact.golden_inputs import FILE as GOLDEN_FILE
    from models.registry.registration.mlflow_record import model_description, run_tags, version_description
    from models.registry.registration.model_card import model_card
    from models.registry.registration.run_record import version_tags, write_run_files

    name, tags = trained.experiment.model_name, version_tags(trained, revision)
    card = model_card(trained, tags)
    with (
        storage_errors(workspace),
        tempfile.TemporaryDirectory() as scratch,
        _run(client, workspace, trained) as run_id,
    ):
        _log_figures(client, run_id, trained, tags | run_tags(revision, card))
        files = write_run_files(trained, card, Path(scratch) / "files")
        if trained.golden is not None:
            tags[GOLDEN_DIGEST] = file_sha256(files / GOLDEN_FILE)
        client.log_artifacts(run_id, str(files))
        logged = _log_model(workspace, trained, run_id, trained.artifact.save(Path(scratch) / "artifact"))
        with local_copy(workspace, logged.artifact_path) as folder:
            tags[FILES_DIGEST] = files_digest(folder)
        _ensure_name(client, name, model_description(trained, card))
        # MLflow's own store looks the logged model up through its global state.
        with active_store(workspace.mlflow_uri):
            return client.create_model_version(
                name,
                logged.model_uri,
                run_id=run_id,
                tags=tags,
                description=version_description(card),
                model_id=logged.model_id,
            )


@contextlib.contextmanager
def _run(client: "MlflowClient", workspace: Workspace, trained: "Trained") -> Iterator[str]:
    """Open a run that never stays RUNNING: it ends FINISHED, KILLED when interrupted, or FAILED.

    It begins when the training did, so that MLflow's duration is that of the training.
    """
    of_experiment = experiment_id(client, workspace, trained.experiment.name)
    took = trained.seconds if np.isfinite(trained.seconds) else 0.0
    begun = int((time.time() - took) * 1000)
    run = client.create_run(of_experiment, start_time=begun, run_name=trained.artifact.estimator)
    run_id = str(run.info.run_id)
    try:
        yield run_id
    except BaseException as error:
        stopped = isinstance(error, KeyboardInterrupt | SystemExit)
        client.set_terminated(run_id, status="KILLED" if stopped else "FAILED")
        raise
    client.set_terminated(run_id)


def experiment_id(client: "MlflowClient", workspace: Workspace, name: str) -> str:
    """Return the id of MLflow's experiment of this name: made if there is none, restored if it was deleted."""
    from models.registry.registration.mlflow_record import ready_experiment

    return ready_experiment(client, name, f"{workspace.artifacts_url.rstrip('/')}/{name}")


def _log_figures(client: "MlflowClient", run_id: str, trained: "Trained", tags: Mapping[str, str]) -> None:
    from mlflow.entities import Metric, Param, RunTag

    from models.registry.registration.mlflow_record import dataset_inputs, learning_metrics, system_metrics
    from models.registry.registration.run_record import mode_metrics, plant_metrics, run_params

    now = client.get_run(run_id).info.start_time
    figures = {**trained.evaluation.metrics, **plant_metrics(trained.by_plant), **system_metrics(trained)}
    figures |= mode_metrics(trained.evaluation.modes)
    metrics = [Metric(k, v, now, 0) for k, v in figures.items() if np.isfinite(v)]
    metrics += [Metric(name, value, now, step) for name, value, step in learning_metrics(trained)]
    params = [Param(key, value) for key, value in run_params(trained).items()]
    client.log_batch(run_id, metrics, params, [RunTag(key, value) for key, value in tags.items()])
    client.log_inputs(run_id, datasets=dataset_inputs(trained))


def _log_model(workspace: Workspace, trained: "Trained", run_id: str, folder: Path) -> "ModelInfo":
    import mlflow
    from mlflow.models import Model

    from models.artifact.artifact import LIGHTGBM, TEXT_FILE
    from models.registry.registration import mlflow_flavours

    trees = TEXT_FILE if trained.artifact.estimator == LIGHTGBM else None
    example = None if trained.golden is None else trained.golden.features.head(_EXAMPLE_ROWS).reset_index(drop=True)
    with active_store(workspace.mlflow_uri), mlflow.start_run(run_id=run_id):
        logged: ModelInfo = Model.log(
            None,
            mlflow_flavours,
            name=_MODEL,
            flavor_name=mlflow_flavours.flavour_name(trees),
            artifact=folder,
            trees=trees,
            code_paths=[str(package) for package in package_folders()],
            signature=signature(trained.artifact),
            input_example=example,
            pip_requirements=[f"{name}=={metadata.version(name)}" for name in _REQUIREMENTS],
            # It would load the model anew, and predict by it.
            validate_serving_input=False,
        )
    return logged


def _ensure_name(client: "MlflowClient", name: str, description: str) -> None:
    from mlflow.exceptions import MlflowException

    try:
        if not client.get_registered_model(name).description:
            client.update_registered_model(name, description)
    except MlflowException as error:
        if not is_missing(error):
            raise
        client.create_registered_model(name, description=description)
