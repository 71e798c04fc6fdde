"""The crossings of a condition as the failures that a model is judged by, from stored telemetry."""

from dataclasses import replace

import pandas as pd

from data_contracts.contract.registered import empty_table
from data_contracts.tables.blocks.channel_blocks import channel_blocks
from data_contracts.tables.history import History
from data_contracts.workspace import Workspace
from models.experiment.condition_outcomes import threshold_of
from models.experiment.experiment import Experiment


def with_stored_crossings(
    workspace: Workspace, experiment: Experiment, history: History, *, now: pd.Timestamp
) -> History:
    """Add the crossings known at `now` of the history's assets, where they count as the model's failures.

    The history need not hold the telemetry: the condition is read anew, some assets at a time.
    """
    threshold = threshold_of(experiment)
    if threshold is None:
        return history
    table, among = f"telemetry/{history.asset_type}", None
    if experiment.data.plant is not None:
        among = sorted(set(history.assets["asset"]))
    blocks = channel_blocks(workspace, table, [threshold.channel], assets=among, as_of=now)
    found = [threshold.crossings(rows) for rows in blocks if threshold.channel in rows]
    found = found or [threshold.crossings(empty_table(workspace.contracts, table))]
    return replace(history, crossings=pd.concat(found, ignore_index=True))
