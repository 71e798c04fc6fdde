"""The features that scoring runs computed, kept so that what was said can be said again without the telemetry.

A run is one batch of the table ``features/<model>``: a row for each asset, its features packed into one value, for a
model may have thousands of columns. They belong to the recipe that they were computed by, whatever version used it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from data_contracts.tables import tables
from data_contracts.workspace import Workspace

_PACKED = np.dtype("<f8")


@dataclass(frozen=True)
class StoredFeatures:
    """What one scoring run computed.

    Parameters
    ----------
    as_of
        Its cut-off.
    assets
        The assets.
    read_at
        The latest reading used of each; None where there is none.
    reasons
        Why nothing can be predicted; None where something can.
    features : (n_assets, n_columns)
        The features, in the order of the recipe's columns.
    """

    as_of: pd.Timestamp
    assets: Sequence[str]
    read_at: Sequence[pd.Timestamp | None]
    reasons: Sequence[str | None]
    features: npt.NDArray[np.float64]


def store_features(
    workspace: Workspace, model_name: str, recipe_digest: str, run: StoredFeatures, *, now: pd.Timestamp
) -> bool:
    """Store what a scoring run computed, once.

    Parameters
    ----------
    workspace
        Where the tables are.
    model_name
        The model that was asked.
    recipe_digest
        Of the recipe that the features were computed by.
    run
        What was computed.
    now
        The time.

    Returns
    -------
    bool
        False if this run is stored already.

    Raises
    ------
    StorageError
        If the table is corrupt or cannot be written.
    """
    frame = pd.DataFrame(
        {
            "asset": pd.Series(list(run.assets), dtype="str"),
            "event_time": run.as_of,
            "known_time": now,
            "recipe": recipe_digest,
            "read_at": pd.Series(list(run.read_at), dtype="datetime64[us, UTC]"),
            "reason": pd.Series(list(run.reasons), dtype="str"),
            "features": pd.Series([row.astype(_PACKED).tobytes() for row in run.features], dtype=object),
        }
    )
    return tables.append(workspace, table_of(model_name), frame, f"{recipe_digest}/{run.as_of.isoformat()}")


def load_features(
    workspace: Workspace, model_name: str, recipe_digest: str, *, until: pd.Timestamp | None = None
) -> StoredFeatures | None:
    """Read what the latest scoring run computed by a recipe.

    Parameters
    ----------
    workspace
        Where the tables are.
    model_name
        The model.
    recipe_digest
        Of the recipe.
    until
        Only runs up to this cut-off.

    Returns
    -------
    StoredFeatures or None
        None if there is no such run.

    Raises
    ------
    StorageError
        If the table is corrupt.
    """
    table = table_of(model_name)
    latest = tables.last_event(workspace, table, "recipe", recipe_digest, until=until)
    if latest is None:
        return None
    frame = tables.read(workspace, table, start=latest - pd.Timedelta(1, "us"), end=latest)
    frame = frame[frame["recipe"] == recipe_digest]
    return StoredFeatures(
        as_of=latest,
        assets=frame["asset"].tolist(),
        read_at=[None if pd.isna(time) else time for time in frame["read_at"]],
        reasons=[None if pd.isna(reason) else str(reason) for reason in frame["reason"]],
        features=np.array([np.frombuffer(packed, _PACKED) for packed in frame["features"]], dtype=np.float64),
    )


def table_of(model_name: str) -> str:
    """Name the table of a model's features."""
    return f"features/{model_name}"
