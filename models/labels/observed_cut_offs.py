"""Cut-offs at which assets were observed, and how many were left out because they were not."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from data_contracts.tables.history import History
from features.telemetry.sorted_times import IntArray, microseconds
from features.telemetry.windows import count_cut_offs, cut_offs
from models.labels.breakdowns import NO_TIME
from models.labels.labels import known_breakdowns
from models.labels.observation import (
    ObservationState,
    last_failures,
    last_readings,
    retired_at,
    states_at,
)


@dataclass(frozen=True)
class ObservationRule:
    """How a model's assets are observed, see `models.labels.observation`."""

    window: pd.Timedelta
    down_after_failure: pd.Timedelta = NO_TIME
    breakdown: pd.Timedelta = NO_TIME  # failures up to this long after the first of a breakdown are that one
    # Whether the very time of a failure still counts as observed: its remaining life is known to be zero.
    at_failure: bool = False


@dataclass(frozen=True)
class ObservedCutOffs:
    """Cut-offs (asset, as_of), sorted by both, and how many others there were, by their `ObservationState`."""

    cut_offs: pd.DataFrame
    left_out: Mapping[str, int]


def observed_cut_offs(
    history: History,
    stride: pd.Timedelta,
    rule: ObservationRule,
    *,
    start: pd.Timestamp | None = None,
    end: pd.Timestamp | None = None,
) -> ObservedCutOffs:
    """Draw the cut-offs between each asset's first and last reading at which it was observed, as known then."""
    drawn = cut_offs(history, stride, start=start, end=end, within=rule.window)
    failed = last_failures(drawn, history.failures, breakdown=rule.breakdown)
    states = _states(drawn, history, failed, retired_at(drawn, history.assets), rule)
    counts = {state.value: int(np.count_nonzero(states == state)) for state in ObservationState}
    counts[ObservationState.SILENT] += count_cut_offs(history, stride, start=start, end=end) - len(drawn)
    kept = drawn[states == ObservationState.OBSERVED].reset_index(drop=True)
    return ObservedCutOffs(kept, {name: n for name, n in counts.items() if name != ObservationState.OBSERVED and n})


def failed_in_hindsight(
    cut_offs: pd.DataFrame, history: History, rule: ObservationRule, *, known_until: pd.Timestamp
) -> npt.NDArray[np.bool_]:
    """Mark the cut-offs at which assets had failed by what is known later, (n,).

    Nobody knew yet; but what a failed machine has sent says nothing of a running one.
    """
    known = known_breakdowns(history.failures, known_until, rule.breakdown)
    failed = last_failures(cut_offs, known.assign(known_time=known["event_time"]))
    states = _states(cut_offs, history, failed, np.zeros(len(cut_offs), dtype=np.bool_), rule)
    return np.asarray(states == ObservationState.FAILED, dtype=np.bool_)


def _states(
    cut_offs: pd.DataFrame, history: History, failed: IntArray, retired: npt.NDArray[np.bool_], rule: ObservationRule
) -> npt.NDArray[np.object_]:
    as_of, reading = microseconds(cut_offs["as_of"]), last_readings(cut_offs, history.telemetry)
    states = states_at(as_of, reading, failed, retired, window=rule.window, down_after_failure=rule.down_after_failure)
    if rule.at_failure:
        states[(states == ObservationState.FAILED) & (failed == as_of)] = ObservationState.OBSERVED
    return states
