"""Artifacts: a trained model as a folder of JSON and text that predicts and explains its predictions."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from models.artifact.pyfunc import PyfuncModel


def _load_pyfunc(path: str) -> "PyfuncModel":
    """Load a model for MLflow, which records this package as the loader of every registered version."""
    from pathlib import Path

    from models.artifact.artifact import Artifact
    from models.artifact.pyfunc import PyfuncModel

    return PyfuncModel(Artifact.load(Path(path)))
