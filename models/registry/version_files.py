"""What MLflow holds of a version: the folder of its artifact, its signature, and what tags alone say of old ones."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from data_contracts.errors import NotFoundError
from features.names import parse_duration

if TYPE_CHECKING:
    from models.artifact.artifact import Artifact
    from models.artifact.trained_terms import TrainedTerms


def signature(artifact: "Artifact") -> Any:
    """Return what MLflow is to know of a model's inputs and outputs.

    Columns of telemetry are optional: a channel may be missing, and then they are missing values.
    """
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, DataType, Schema, TensorSpec

    needed = set(artifact.recipe.context.columns)
    inputs = Schema([ColSpec(DataType.double, column, required=column in needed) for column in artifact.columns])
    return ModelSignature(inputs=inputs, outputs=Schema([TensorSpec(np.dtype(np.float64), (-1,))]))


def trained_terms(tags: Mapping[str, str]) -> "TrainedTerms":
    """Return what the experiment of a version says that its artifact does not hold, or once did not."""
    from models.artifact.trained_terms import TrainedTerms
    from models.labels.condition import PredictedCondition

    experiment = json.loads(tags.get("experiment", "{}"))
    label, gap = experiment.get("label", {}), experiment.get("alarms", {}).get("gap")
    costs, usual = experiment.get("costs", {}), TrainedTerms()
    condition = None
    if "condition" in label:
        condition = PredictedCondition(label["condition"], None, label.get("threshold"), label.get("direction"))
    return TrainedTerms(
        down_after_failure=parse_duration(label.get("down_after_failure", "0h"), zero=True),
        condition=condition,
        alarm_gap=None if gap is None else parse_duration(gap, zero=True),
        missed_failure_cost=float(costs.get("missed_failure", usual.missed_failure_cost)),
        false_alarm_cost=float(costs.get("false_alarm", usual.false_alarm_cost)),
    )


def artifact_folder(model_folder: Path) -> Path:
    """Return the artifact's folder inside MLflow's model folder."""
    files = sorted(model_folder.rglob("model.json"))
    if not files:
        raise NotFoundError(f"no artifact in {model_folder}", "a model.json", "Register the model again")
    return files[0].parent
