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
        """Predict from the columns of the recipe, those of telemetry NaN where they are missing; shape (n_rows,)."""
        optional = [name for name in self.artifact.columns if name not in self.artifact.recipe.context.columns]
        missing = [name for name in optional if name not in features.columns]
        return self.artifact.predict(features.assign(**dict.fromkeys(missing, np.nan)) if missing else features)
