"""The crossings of a condition as the failures that a model is judged by, from stored telemetry."""

from collections.abc import Iterator
from dataclasses import replace

import pandas as pd

from data_contracts.tables import tables
from data_contracts.tables.history import History
from data_contracts.tables.readings import read_channel
from data_contracts.workspace import Workspace
from models.experiment.condition_outcomes import threshold_of
from models.experiment.experiment import Experiment
from models.labels.condition import Threshold

_BLOCK = 500  # assets whose readings of one channel are held at once


def with_stored_crossings(
    workspace: Workspace, experiment: Experiment, history: History, *, now: pd.Timestamp
) -> History:
    """Add the crossings known at `now` of the history's assets, where they count as the model's failures.

    The history need not hold the telemetry: the condition is read anew, some assets at a time.
    """
    threshold = threshold_of(experiment)
    if threshold is None:
        return history
    registered = None if experiment.data.plant is None else set(history.assets["asset"])
    found = list(_blocks(workspace, f"telemetry/{history.asset_type}", threshold, registered, now))
    return replace(history, crossings=pd.concat(found, ignore_index=True))


def _blocks(
    workspace: Workspace, table: str, threshold: Threshold, among: set[str] | None, now: pd.Timestamp
) -> Iterator[pd.DataFrame]:
    known, _ = tables.asset_watermarks(workspace, table, as_of=now)
    assets = sorted(known if among is None else set(known) & among)
    for first in range(0, max(len(assets), 1), _BLOCK):
        rows = read_channel(workspace, table, threshold.channel, as_of=now, assets=assets[first : first + _BLOCK])
        yield threshold.crossings(rows)
