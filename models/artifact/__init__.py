"""Artifacts: a trained model as a folder of JSON and text that predicts and explains its predictions."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from models.artifact.pyfunc import PyfuncModel


def _load_pyfunc(path: str) -> "PyfuncModel":
    """Load a model for MLflow, which knows this package as the loader of every registered version."""
    # MLflow puts the code that the version was registered with before ours: neither this process, nor one that it
    # spawns and that inherits the path, may mix the two. The artifact is in data/artifact of the model's folder.
    own_code, code_of_version = str(Path(__file__).resolve().parents[2]), Path(path).parent.parent / "code"
    sys.path[:] = [entry for entry in sys.path if entry == own_code or Path(entry) != code_of_version]
    sys.path.insert(0, own_code)
    try:
        from models.artifact.artifact import Artifact
        from models.artifact.pyfunc import PyfuncModel
    finally:
        sys.path.remove(own_code)
    return PyfuncModel(Artifact.load(Path(path)))
