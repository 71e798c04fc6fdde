"""A part of a history that is enough to score a part of its time."""

import pandas as pd

from data_contracts.tables.history import History
from models.artifact.artifact import Artifact
from models.experiment.condition_outcomes import threshold_of
from models.experiment.experiment import Experiment


def recent_history(history: History, experiment: Experiment, after: pd.Timestamp, end: pd.Timestamp) -> History:
    """Leave out telemetry that is not in (after, end], except each asset's first and last reading.

    Sorting a whole history takes ten times as long as scoring a few weeks of it. The first and the last reading
    stay because cut-offs begin and end there; and all of a condition whose crossing counts, as it may be measured
    seldom, and an asset stays beyond the threshold until it is measured again.
    """
    threshold = threshold_of(experiment)

    def is_near(rows: pd.DataFrame) -> "pd.Series[bool]":
        near = (rows["event_time"] > after) & (rows["event_time"] <= end)
        if threshold is not None:
            near |= rows[threshold.channel].notna()
        by_asset = rows["event_time"].groupby(rows["asset"])
        near.loc[[*by_asset.idxmin(), *by_asset.idxmax()]] = True
        return near

    return history.where(is_near)


def reach(artifact: Artifact) -> pd.Timedelta:
    """Return how far before a cut-off the telemetry reaches that its features use."""
    return max(*artifact.recipe.windows, artifact.recipe.lookback)
