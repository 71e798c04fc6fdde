"""The adapter through which MLflow's own tools use an artifact."""

import numpy as np
import numpy.typing as npt
import pandas as pd

from models.artifact.artifact import Artifact


class PyfuncModel:
    """An artifact with the interface of MLflow's pyfunc flavour."""

    def __init__(self, artifact: Artifact) -> None:
        self.artifact = artifact

    def predict(self, features: pd.DataFrame) -> npt.NDArray[np.float64]:
        """Predict from the columns of the recipe; shape (n_rows,)."""
        return self.artifact.predict(features)
