"""Cut-offs at which assets were observed, and how many were left out because they were not."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pandas as pd

from data_contracts.tables.history import History
from features.telemetry.machines import replacements
from features.telemetry.sorted_times import IntArray, microseconds, width
from features.telemetry.windows import count_cut_offs, cut_offs
from models.labels.breakdowns import NO_TIME
from models.labels.condition import Threshold
from models.labels.known_condition import beyond_as_known
from models.labels.labels import known_breakdowns
from models.labels.observation import (
    LONGEST_SILENCE,
    ObservationState,
    last_failures,
    last_readings,
    last_readings_of,
    replaced_at,
    retired_at,
    since_replacement,
    states_at,
    with_values,
)

STRAY = "stray"
"""The reason of cut-offs after a few readings further than `LONGEST_SILENCE` from all others: a clock was wrong."""

BEYOND = "beyond"
"""The reason of cut-offs at which the condition is beyond its threshold already."""


@dataclass(frozen=True)
class ObservationRule:
    """How a model's assets are observed, see `models.labels.observation`."""

    window: pd.Timedelta
    down_after_failure: pd.Timedelta = NO_TIME
    breakdown: pd.Timedelta = NO_TIME  # failures up to this long after the first of a breakdown are that one
    # Whether the very time of a failure still counts as observed: its remaining life is known to be zero.
    at_failure: bool = False
    # A condition beyond it is the failure: while it lasts, there is nothing to predict.
    threshold: Threshold | None = None


@dataclass(frozen=True)
class ObservedCutOffs:
    """Cut-offs (asset, as_of), sorted by both, and how many others: by `ObservationState`, `STRAY` or `BEYOND`."""

    cut_offs: pd.DataFrame
    left_out: Mapping[str, int]


def observed_cut_offs(
    history: History,
    stride: pd.Timedelta | None,
    rule: ObservationRule,
    *,
    start: pd.Timestamp | None = None,
    end: pd.Timestamp | None = None,
) -> ObservedCutOffs:
    """Draw the cut-offs between each asset's first and last reading at which it was observed, as known then.

    They are a stride apart or, without a stride, at the asset's readings.
    """
    parts = [_observed(block, stride, rule, start, end) for block in history.blocks()]
    cut_offs = parts[0].cut_offs if len(parts) == 1 else pd.concat([p.cut_offs for p in parts], ignore_index=True)
    counts = {name: sum(part.left_out[name] for part in parts) for name in parts[0].left_out}
    return ObservedCutOffs(cut_offs, {name: n for name, n in counts.items() if name != ObservationState.OBSERVED and n})


def unobserved_cut_offs(
    history: History,
    stride: pd.Timedelta | None,
    rule: ObservationRule,
    *,
    start: pd.Timestamp | None = None,
    end: pd.Timestamp | None = None,
) -> pd.DataFrame:
    """Return the cut-offs that `observed_cut_offs` only counts: asset, as_of and the reason, ``left_out``."""
    parts = [_unobserved(block, stride, rule, start, end) for block in history.blocks()]
    return pd.concat(parts, ignore_index=True)


def _unobserved(
    history: History,
    stride: pd.Timedelta | None,
    rule: ObservationRule,
    start: pd.Timestamp | None,
    end: pd.Timestamp | None,
) -> pd.DataFrame:
    drawn, states = _drawn_with_states(history, stride, rule, start, end)
    found = drawn.assign(left_out=states)
    if stride is not None:
        found = cut_offs(history, stride, start=start, end=end).merge(found, on=["asset", "as_of"], how="left")
        found["left_out"] = found["left_out"].fillna(ObservationState.SILENT.value)
    return found[found["left_out"] != ObservationState.OBSERVED]


def _observed(
    history: History,
    stride: pd.Timedelta | None,
    rule: ObservationRule,
    start: pd.Timestamp | None,
    end: pd.Timestamp | None,
) -> ObservedCutOffs:
    """Draw the cut-offs of one block, and count all by state."""
    drawn, states = _drawn_with_states(history, stride, rule, start, end)
    counts = {state: int(np.count_nonzero(states == state)) for state in (STRAY, *map(str, ObservationState))}
    if stride is not None:
        counts[ObservationState.SILENT] += count_cut_offs(history, stride, start=start, end=end) - len(drawn)
    if rule.threshold is not None:
        counts[BEYOND] = int(np.count_nonzero(states == BEYOND))
    kept = drawn[states == ObservationState.OBSERVED].reset_index(drop=True)
    return ObservedCutOffs(kept, counts)


def _drawn_with_states(
    history: History,
    stride: pd.Timedelta | None,
    rule: ObservationRule,
    start: pd.Timestamp | None,
    end: pd.Timestamp | None,
) -> tuple[pd.DataFrame, npt.NDArray[np.object_]]:
    """Draw the cut-offs of one block that a reading is near, with the state of each."""
    drawn = _drawn(history, stride, rule, start, end)
    replaced = replaced_at(drawn, history.assets)
    failed = last_failures(drawn, history.failures, breakdown=rule.breakdown, replaced=replaced)
    reading = since_replacement(last_readings(drawn, history.telemetry), replaced)
    states = _states(drawn, reading, failed, retired_at(drawn, history.assets), rule)
    states[(states == ObservationState.OBSERVED) & _stray(drawn, rule.window)] = STRAY
    if rule.threshold is not None:
        observed = np.flatnonzero(states == ObservationState.OBSERVED)
        states[observed[beyond_as_known(drawn.iloc[observed], history.telemetry, rule.threshold)]] = BEYOND
    return drawn, states


def _drawn(
    history: History,
    stride: pd.Timedelta | None,
    rule: ObservationRule,
    start: pd.Timestamp | None,
    end: pd.Timestamp | None,
) -> pd.DataFrame:
    if stride is not None:
        return cut_offs(history, stride, start=start, end=end, within=rule.window)
    readings = replace(history, telemetry=with_values(history.telemetry))
    return cut_offs(readings, at="rows", start=start, end=end)


def failed_in_hindsight(
    cut_offs: pd.DataFrame, history: History, rule: ObservationRule, *, known_until: pd.Timestamp
) -> npt.NDArray[np.bool_]:
    """Mark the cut-offs at which assets had failed by what is known later, (n,).

    Nobody knew yet; but what a failed machine has sent says nothing of a running one.
    """
    others = replacements(history.assets, now=known_until)
    known = known_breakdowns(history.failures, known_until, rule.breakdown, others)
    replaced = _last_known_now(cut_offs, others.assign(failure_id=others.index.astype("str")))
    failed = _last_known_now(cut_offs, known, replaced)
    reading = last_readings_of(history, cut_offs)
    states = _states(cut_offs, reading, failed, np.zeros(len(cut_offs), dtype=np.bool_), rule)
    gone = states == ObservationState.FAILED
    if (threshold := rule.threshold) is not None:
        known_then = history.as_of(known_until)
        gone |= known_then.at_cut_offs(cut_offs, lambda block, own: threshold.already_beyond(own, block.telemetry))
    return np.asarray(gone, dtype=np.bool_)


def _last_known_now(cut_offs: pd.DataFrame, events: pd.DataFrame, replaced: IntArray | None = None) -> IntArray:
    """Return the last event (failure_id, asset, event_time) before each cut-off by what is known now, (n,)."""
    return last_failures(cut_offs, events.assign(known_time=events["event_time"]), replaced=replaced)


def _stray(drawn: pd.DataFrame, window: pd.Timedelta) -> npt.NDArray[np.bool_]:
    """Mark the cut-offs, sorted by asset and time, of runs no longer than a window that stand far from longer ones."""
    asset, times = pd.factorize(drawn["asset"])[0], microseconds(drawn["as_of"])
    begins = (np.diff(asset) != 0) | (np.diff(times) > width(LONGEST_SILENCE))
    run = np.concatenate([np.zeros(min(len(drawn), 1), dtype=np.int64), np.cumsum(begins)])
    first, last = (np.searchsorted(run, np.arange(run.max(initial=-1) + 1), side=side) for side in ("left", "right"))
    short = times[last - 1] - times[first] <= width(window)
    longer = np.zeros(asset.max(initial=-1) + 1, dtype=np.bool_)
    longer[asset[first[~short]]] = True
    return np.asarray((short & longer[asset[first]])[run], dtype=np.bool_)


def _states(
    cut_offs: pd.DataFrame, reading: IntArray, failed: IntArray, retired: npt.NDArray[np.bool_], rule: ObservationRule
) -> npt.NDArray[np.object_]:
    as_of = microseconds(cut_offs["as_of"])
    states = states_at(as_of, reading, failed, retired, window=rule.window, down_after_failure=rule.down_after_failure)
    if rule.at_failure:
        states[(states == ObservationState.FAILED) & (failed == as_of)] = ObservationState.OBSERVED
    return states
