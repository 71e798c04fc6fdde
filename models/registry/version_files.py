"""What MLflow holds of a version: the folder of its artifact, its signature, and what tags alone say of old ones."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from data_contracts.errors import NotFoundError
from features.names import parse_duration

if TYPE_CHECKING:
    from models.artifact.artifact import Artifact
    from models.labels.condition import PredictedCondition


def signature(artifact: "Artifact") -> Any:
    """Return what MLflow is to know of a model's inputs and outputs."""
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, DataType, Schema, TensorSpec

    inputs = Schema([ColSpec(DataType.double, column) for column in artifact.columns])
    return ModelSignature(inputs=inputs, outputs=Schema([TensorSpec(np.dtype(np.float64), (-1,))]))


def down_after_failure(tags: Mapping[str, str]) -> pd.Timedelta:
    """Return how long an asset is down by the experiment of a version; artifacts once did not keep it."""
    label = json.loads(tags.get("experiment", "{}")).get("label", {})
    return parse_duration(label.get("down_after_failure", "0h"), zero=True)


def condition(tags: Mapping[str, str]) -> "PredictedCondition | None":
    """Return the condition that a version is about by its experiment; artifacts once did not keep it."""
    from models.labels.condition import PredictedCondition

    label = json.loads(tags.get("experiment", "{}")).get("label", {})
    if "condition" not in label:
        return None
    return PredictedCondition(label["condition"], None, label.get("threshold"), label.get("direction"))


def artifact_folder(model_folder: Path) -> Path:
    """Return the artifact's folder inside MLflow's model folder."""
    files = sorted(model_folder.rglob("model.json"))
    if not files:
        raise NotFoundError(f"no artifact in {model_folder}", "a model.json", "Register the model again")
    return files[0].parent
