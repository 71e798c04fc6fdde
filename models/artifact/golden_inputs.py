"""Golden inputs: a few rows of features with the scores that a version gave when it was registered.

A version that still loads may yet score otherwise: another library, another processor, a damaged file. Before a version
takes over it scores its golden inputs again.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from data_contracts.errors import ModelError
from models.artifact.artifact import Artifact

FILE = "golden_inputs.parquet"
ROWS = 8
# Feature names hold two underscores, or are lower-case words of the context: none of them looks like this.
_SCORE = "SCORE"
_RELATIVE, _ABSOLUTE = 1e-9, 1e-12


@dataclass(frozen=True)
class GoldenInputs:
    """Feature rows with the scores that belong to them.

    Parameters
    ----------
    features : pd.DataFrame
        The columns of the model's recipe; shape (n_rows, n_columns).
    scores : ndarray of float64, shape (n_rows,)
        What the model gave at registration.
    """

    features: pd.DataFrame
    scores: npt.NDArray[np.float64]

    def save(self, file: Path) -> Path:
        """Write them into a Parquet file, and return it."""
        self.features.reset_index(drop=True).assign(**{_SCORE: self.scores}).to_parquet(file, index=False)
        return file

    @classmethod
    def read(cls, file: Path) -> "GoldenInputs":
        """Read what `save` wrote.

        Parameters
        ----------
        file : Path
            The file.

        Returns
        -------
        GoldenInputs

        Raises
        ------
        ModelError
            If the file is not there or damaged.
        """
        try:
            rows = pd.read_parquet(file)
            return cls(rows.drop(columns=_SCORE), rows[_SCORE].to_numpy(dtype=np.float64))
        except Exception as error:  # pyarrow tells of a damaged file by a class of its own for each kind of damage
            raise ModelError(f"{file.name} cannot be read ({error})", "golden inputs", "Register it again") from error

    def prove(self, artifact: Artifact, what: str) -> None:
        """Score the rows again and compare.

        Parameters
        ----------
        artifact : Artifact
            The model as loaded now.
        what : str
            Its name and version, for the complaint.

        Raises
        ------
        ModelError
            If a score is not what it was at registration.
        """
        found = artifact.predict(self.features)
        same = np.isclose(found, self.scores, rtol=_RELATIVE, atol=_ABSOLUTE, equal_nan=True)
        if same.all():
            return
        apart = float(np.nanmax(np.abs(found - self.scores)))
        raise ModelError(
            f"{what} scores {int((~same).sum())} of its {len(same)} golden inputs otherwise than at its registration "
            f"(up to {apart:.3g} apart)",
            "the scores it gave when it was registered",
            "See with `forewarn doctor` whether a library has changed, or promote another version",
        )


def choose_golden(artifact: Artifact, features: pd.DataFrame, rows: int = ROWS) -> GoldenInputs | None:
    """Choose a few rows from the lowest to the highest score.

    Parameters
    ----------
    artifact : Artifact
        The model.
    features : pd.DataFrame
        The columns of its recipe, one row a sample.
    rows : int
        How many to choose at most.

    Returns
    -------
    GoldenInputs or None
        None when there is no row to choose.
    """
    if features.empty:
        return None
    scores = artifact.predict(features)
    order = np.argsort(scores, kind="stable")
    chosen = order[np.unique(np.linspace(0, len(order) - 1, rows).round().astype(int))]
    kept = features.iloc[chosen].loc[:, list(artifact.columns)]
    return GoldenInputs(kept, artifact.predict(kept))
