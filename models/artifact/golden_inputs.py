"""Golden inputs: a few rows of features with the scores that a version gave when it was registered.

A version that still loads may score differently: another library, another processor, a damaged file. So it scores its
golden inputs again before it becomes champion.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from data_contracts.errors import ModelError
from models.artifact.artifact import Artifact

FILE = "golden_inputs.parquet"
_ROWS = 8
# Feature names contain two underscores, or are lower-case context columns: none can equal this.
_SCORE = "SCORE"
_RELATIVE, _ABSOLUTE = 1e-9, 1e-12


@dataclass(frozen=True)
class GoldenInputs:
    """Feature rows of a model with their scores at registration."""

    features: pd.DataFrame  # the columns of the model's recipe, shape (n_rows, n_columns)
    scores: npt.NDArray[np.float64]  # shape (n_rows,)

    def save(self, file: Path) -> Path:
        """Write them to a Parquet file, and return its path."""
        self.features.reset_index(drop=True).assign(**{_SCORE: self.scores}).to_parquet(file, index=False)
        return file

    @classmethod
    def read(cls, file: Path) -> "GoldenInputs":
        """Read what `save` wrote."""
        try:
            rows = pd.read_parquet(file)
            return cls(rows.drop(columns=_SCORE), rows[_SCORE].to_numpy(dtype=np.float64))
        except Exception as error:  # pyarrow raises a different class for each kind of damage
            raise ModelError(f"{file.name} cannot be read ({error})", "golden inputs", "Register it again") from error

    def verify(self, artifact: Artifact, what: str) -> None:
        """Score the rows again; raise a ModelError that names `what` if a score differs from registration."""
        scores = artifact.predict(self.features)
        same = np.isclose(scores, self.scores, rtol=_RELATIVE, atol=_ABSOLUTE, equal_nan=True)
        if same.all():
            return
        apart = float(np.nanmax(np.abs(scores - self.scores)))
        raise ModelError(
            f"{what} scores {int((~same).sum())} of its {len(same)} golden inputs differently than when it was "
            f"registered (up to {apart:.3g} apart)",
            "the scores it gave when it was registered",
            "Run `forewarn doctor` to see whether a library has changed, or promote another version",
        )


def choose_golden(artifact: Artifact, features: pd.DataFrame, rows: int = _ROWS) -> GoldenInputs | None:
    """Choose up to `rows` rows from the lowest to the highest score; None if there are none to choose from."""
    if features.empty:
        return None
    scores = artifact.predict(features)
    order = np.argsort(scores, kind="stable")
    chosen = order[np.unique(np.linspace(0, len(order) - 1, rows).round().astype(int))]
    golden = features.iloc[chosen].loc[:, list(artifact.columns)]
    return GoldenInputs(golden, artifact.predict(golden))
