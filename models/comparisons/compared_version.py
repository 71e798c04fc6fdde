"""A registered version as it is compared: its test predictions, its experiment, and what it was made of."""

import json
from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from data_contracts.errors import ModelError
from models.experiment.experiment import Experiment
from models.refitting.tags import refit_of
from models.registry.registration.run_record import PREDICTIONS_FILE
from models.registry.registry import Registry
from models.training.training import predictions_digest


@dataclass(frozen=True)
class ComparedVersion:
    """A version with the predictions of its test samples."""

    name: str
    version: int
    experiment: Experiment
    threshold: float | None  # None without alerts
    columns: tuple[str, ...]
    tags: Mapping[str, str]
    predictions: pd.DataFrame  # see `Evaluation.predictions`

    @property
    def known_until(self) -> pd.Timestamp:
        """Return up to when anything was known to it, its labels too."""
        return pd.Timestamp(self.tags["known_until"])

    @property
    def data_versions(self) -> dict[str, int]:
        """Return the versions of the tables it was trained on, by name."""
        return dict(json.loads(self.tags["data_version"]))


def read_version(registry: Registry, name: str, version: int | str) -> ComparedVersion:
    """Read a version, by number or alias; NotFoundError if there is none, ModelError without test predictions."""
    tags = registry.tags(name, version)
    predictions = stored_predictions(registry, name, version)
    loaded = registry.load(name, version)
    return ComparedVersion(
        name=name,
        version=loaded.version,
        experiment=Experiment.from_json(tags["experiment"]),
        threshold=loaded.artifact.threshold,
        columns=tuple(loaded.artifact.columns),
        tags=tags,
        predictions=predictions,
    )


def stored_predictions(registry: Registry, name: str, version: int | str) -> pd.DataFrame:
    """Return the test predictions that were registered with a version; ModelError if they are missing, or others."""
    tags = registry.tags(name, version)
    if "predictions_digest" not in tags or "experiment" not in tags:
        raise ModelError(
            f"{name} {version} has no test predictions",
            "a version that forewarn trained",
            "Train it with `forewarn train`",
        )
    judged = refit_of(tags)
    if judged is not None:
        raise ModelError(
            f"{name} {version} is a refit of version {judged}, to all data: none were left to test it on",
            "a version that was tested",
            f"Name version {judged}, whose figures count for it",
        )
    with registry.run_file(name, version, PREDICTIONS_FILE) as file:
        if not file.exists():
            raise ModelError(
                f"the test predictions of {name} {version} are gone",
                f"{PREDICTIONS_FILE} among the files of its run",
                "Restore the workspace's artifacts from a backup",
            )
        predictions = pd.read_parquet(file)
    if predictions_digest(predictions) != tags["predictions_digest"]:
        raise ModelError(
            f"test predictions of {name} {version} that are not the registered ones",
            "those of its tag predictions_digest",
            "Restore the workspace's artifacts from a backup",
        )
    return predictions
