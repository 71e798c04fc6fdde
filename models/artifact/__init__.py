"""Artifacts: a trained model as a folder of JSON and text that predicts and explains its predictions."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from models.artifact.pyfunc import PyfuncModel


def _load_pyfunc(path: str) -> "PyfuncModel":
    """Load a model for MLflow, which knows this package as the loader of every registered version."""
    # MLflow puts the code that the version was registered with before ours; one process must not mix the two.
    own_code = str(Path(__file__).resolve().parents[2])
    sys.path.insert(0, own_code)
    try:
        from models.artifact.artifact import Artifact
        from models.artifact.pyfunc import PyfuncModel
    finally:
        sys.path.remove(own_code)
    return PyfuncModel(Artifact.load(Path(path)))
