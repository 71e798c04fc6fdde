"""What a registered version keeps of its training, to be drawn again."""

from dataclasses import dataclass

import pandas as pd

from data_contracts.workspace import Workspace
from models.artifact.artifact import Artifact
from models.assessment.thresholds import ChosenThreshold
from models.estimators.estimators import importances
from models.estimators.hazards import interval_columns
from models.experiment.experiment import Experiment
from models.registry.registration.run_record import PREDICTIONS_FILE
from models.registry.registry import LoadedModel, Registry
from models.training.evaluation import Evaluation


@dataclass(frozen=True)
class RecordedModel:
    """A version as `models.training.training.Evaluated`; costs by threshold and lead times are not kept."""

    experiment: Experiment
    artifact: Artifact
    evaluation: Evaluation
    importances: "pd.Series[float]"
    condition_unit: str | None
    threshold: ChosenThreshold | None = None


def recorded_model(workspace: Workspace, loaded: LoadedModel) -> RecordedModel:
    """Read what a version keeps of its training."""
    artifact, registry = loaded.artifact, Registry(workspace)
    columns = (*artifact.columns, *interval_columns(artifact.horizons))
    about = artifact.about
    metrics = registry.metrics(loaded.name, loaded.version)
    return RecordedModel(
        experiment=Experiment.from_json(loaded.tags["experiment"]),
        artifact=artifact,
        evaluation=Evaluation(metrics, loaded.reference, stored_predictions(workspace, loaded)),
        importances=importances(artifact.model, columns),
        condition_unit=None if about is None else about.unit,
    )


def stored_predictions(workspace: Workspace, loaded: LoadedModel) -> pd.DataFrame:
    """Read the predictions of a version's test samples."""
    with Registry(workspace).run_file(loaded.name, loaded.version, PREDICTIONS_FILE) as file:
        return pd.read_parquet(file)
