"""Observation: whether an asset was watched and running at a cut-off.

Where it was not, there is no sample and no score. One rule for training, judging, scoring and serving:

retired
    Of the asset's records that had happened and were known by the cut-off, the latest says so.
failed
    The asset's last failure known by then is not over: the cut-off is within `down_after_failure` of it, or no reading
    later than that is known. Further bookings of a breakdown are no failures of their own, see
    `models.labels.breakdowns`.
silent
    No reading in (as_of - window, as_of] was known by the cut-off.
observed
    None of these.

A machine that took another's place under the same id (`features.telemetry.machines`) has none of its failures and
readings. Where several hold, the first of them counts. A reading is a row of telemetry with at least one value, of any
source. The window is the longest of a model's windows (`observation_window`). Everything is honest in time: a row known
after a cut-off changes nothing at it.
"""

from collections.abc import Iterable
from enum import StrEnum

import numpy as np
import numpy.typing as npt
import pandas as pd

from data_contracts.tables.corrections import in_order_of_correction
from data_contracts.tables.history import History
from data_contracts.tables.telemetry import channels_among
from features.names import SINCE_START
from features.telemetry.machines import replaced_since
from features.telemetry.sorted_times import IntArray, by_group, locate, microseconds, width
from models.labels.breakdowns import NO_TIME, opens_breakdown
from models.labels.observation_gaps import RETIRED

NEVER = int(np.iinfo(np.int64).min // 4)
"""Stands for the time of what has not happened; a quarter, so that durations can be taken off it and added to it."""
LONGEST_SILENCE = pd.Timedelta(days=365).as_unit("us")
"""The window of a model all of whose windows reach back to the first reading: without a limit nothing is ever silent,
and one reading with a wrong year makes cut-offs for decades."""


class ObservationState(StrEnum):
    """Name whether an asset is watched and running at a cut-off."""

    OBSERVED = "observed"
    SILENT = "silent"
    FAILED = "failed"
    RETIRED = "retired"


def observation_window(windows: Iterable[pd.Timedelta]) -> pd.Timedelta:
    """Return the longest of a model's windows; those since the first reading count only where there is no other.

    >>> observation_window([pd.Timedelta("3h"), pd.Timedelta("24h"), SINCE_START])
    Timedelta('1 days 00:00:00')
    """
    return max((window for window in windows if window < SINCE_START), default=LONGEST_SILENCE)


def state_at(
    as_of: pd.Timestamp,
    *,
    last_reading: pd.Timestamp | None,
    last_failure: pd.Timestamp | None,
    retired: bool,
    window: pd.Timedelta,
    down_after_failure: pd.Timedelta = NO_TIME,
) -> ObservationState:
    """Return the state of one asset of which the last reading and failure are known; None where there is none.

    >>> noon, hour = pd.Timestamp("2026-01-01T12:00Z"), pd.Timedelta("1h")
    >>> state_at(noon, last_reading=noon - hour, last_failure=None, retired=False, window=6 * hour).value
    'observed'
    >>> state_at(noon, last_reading=noon - hour, last_failure=noon - hour, retired=False, window=6 * hour).value
    'failed'
    """
    times = [_instant(time) for time in (as_of, last_reading, last_failure)]
    cut_off, reading, failure = (np.array([time], dtype=np.int64) for time in times)
    state = states_at(
        cut_off, reading, failure, np.array([retired]), window=window, down_after_failure=down_after_failure
    )
    return ObservationState(state[0])


def states_at(
    as_of: IntArray,
    last_reading: IntArray,
    last_failure: IntArray,
    retired: npt.NDArray[np.bool_],
    *,
    window: pd.Timedelta,
    down_after_failure: pd.Timedelta = NO_TIME,
) -> npt.NDArray[np.object_]:
    """Return an `ObservationState` for each of n cut-offs, from arrays (n,) of what was known of each asset by then.

    Times are event times in microseconds since 1970, none later than the cut-off, or `NEVER`. `last_failure` is the
    first booking of the asset's last breakdown.
    """
    over = last_failure + width(down_after_failure)
    failed = (last_failure > NEVER) & ((as_of <= over) | (last_reading <= over))
    states = np.full(len(as_of), ObservationState.OBSERVED, dtype=object)
    states[last_reading <= as_of - width(window)] = ObservationState.SILENT
    states[failed] = ObservationState.FAILED
    states[retired] = ObservationState.RETIRED
    return states


def observation_states(
    cut_offs: pd.DataFrame,
    *,
    telemetry: pd.DataFrame,
    failures: pd.DataFrame,
    assets: pd.DataFrame,
    window: pd.Timedelta,
    down_after_failure: pd.Timedelta = NO_TIME,
    breakdown: pd.Timedelta = NO_TIME,
) -> "pd.Series[str]":
    """Return an `ObservationState` for each cut-off (asset, as_of), with its index.

    `telemetry`, `failures` and `assets` are the frames of a `History`, in any order and with rows of any known time;
    failures within `breakdown` of the first are one.
    """
    replaced = replaced_at(cut_offs, assets)
    states = states_at(
        microseconds(cut_offs["as_of"]),
        since_replacement(last_readings(cut_offs, telemetry), replaced),
        last_failures(cut_offs, failures, breakdown=breakdown, replaced=replaced),
        retired_at(cut_offs, assets),
        window=window,
        down_after_failure=down_after_failure,
    )
    return pd.Series(states, index=cut_offs.index, name="observation", dtype="str")


def replaced_at(cut_offs: pd.DataFrame, assets: pd.DataFrame) -> IntArray | None:
    """Return when each cut-off's machine took another's place, as known by then, as `Machines.replaced_since` does."""
    code, names = pd.factorize(cut_offs["asset"])
    return replaced_since(assets, pd.Index(names), code, microseconds(cut_offs["as_of"]))


def since_replacement(readings: IntArray, replaced: IntArray | None) -> IntArray:
    """Replace the times of readings, (n,), that are of the machine before by `NEVER`."""
    return readings if replaced is None else np.where(readings >= replaced, readings, NEVER)


def last_readings(cut_offs: pd.DataFrame, telemetry: pd.DataFrame) -> IntArray:
    """Return the event time of each cut-off's last reading known by then, (n,), in microseconds; `NEVER` without one.

    Telemetry has asset, event_time, known_time, source and channels; a row whose channels are all null is no reading.
    """
    result = np.full(len(cut_offs), NEVER, dtype=np.int64)
    rows = with_values(telemetry)[["asset", "event_time", "known_time"]]
    if rows.empty or cut_offs.empty:
        return result
    event = microseconds(rows["event_time"])
    latest = _latest_known(cut_offs, rows, event)
    return np.where(latest >= 0, event[latest], result)


def last_readings_of(history: History, cut_offs: pd.DataFrame) -> IntArray:
    """Return `last_readings` from a history, whether its telemetry has been read or not."""
    found = history.at_cut_offs(cut_offs, lambda block, own: last_readings(own, block.telemetry))
    return found.astype(np.int64, copy=False)


def with_values(telemetry: pd.DataFrame) -> pd.DataFrame:
    """Leave out the rows of telemetry that hold no value at all."""
    channels = list(channels_among(telemetry.columns))
    empty = telemetry[channels].isna().all(axis=1).to_numpy() if channels else np.zeros(len(telemetry), dtype=np.bool_)
    return telemetry[~empty] if empty.any() else telemetry


def last_failures(
    cut_offs: pd.DataFrame,
    failures: pd.DataFrame,
    *,
    breakdown: pd.Timedelta = NO_TIME,
    replaced: IntArray | None = None,
) -> IntArray:
    """Return when the last breakdown known by each cut-off was first booked, (n,), in microseconds; `NEVER` for none.

    Failures have failure_id, asset, event_time and known_time; a row of an id known later corrects it from then on.
    Those up to the time at which the machine took another's place, (n,), are the other's.
    """
    result = np.full(len(cut_offs), NEVER, dtype=np.int64)
    if failures.empty or cut_offs.empty:
        return result
    code, assets = pd.factorize(cut_offs["asset"])
    own = in_order_of_correction(failures[failures["asset"].isin(assets)], ["asset", "failure_id"])
    identity = pd.factorize(own["failure_id"])[0]
    event, known = microseconds(own["event_time"]), microseconds(own["known_time"])
    rows_of = dict(by_group(pd.Index(assets).get_indexer(pd.Index(own["asset"])).astype(np.int64)))
    as_of = microseconds(cut_offs["as_of"])
    for number, chosen in by_group(code):
        rows = rows_of.get(number)
        if rows is None:
            continue
        booked = identity[rows], event[rows], known[rows]
        for begin in [NEVER] if replaced is None else np.unique(replaced[chosen]).tolist():
            same = chosen if replaced is None else chosen[replaced[chosen] == begin]
            result[same] = _last_breakdown(as_of[same], *booked, width(breakdown), begin)
    return result


def retired_at(cut_offs: pd.DataFrame, assets: pd.DataFrame) -> npt.NDArray[np.bool_]:
    """Mark the cut-offs, (n,), at which the latest known record of the asset that had happened says it is retired."""
    if "status" not in assets.columns or assets.empty or cut_offs.empty:
        return np.zeros(len(cut_offs), dtype=np.bool_)
    records = in_order_of_correction(assets, ["asset", "event_time"])
    latest = _latest_known(cut_offs, records, np.arange(len(records)))
    retired = np.append(records["status"].eq(RETIRED).fillna(False).to_numpy(dtype=np.bool_), False)
    return retired[latest]


def _latest_known(cut_offs: pd.DataFrame, rows: pd.DataFrame, rank: IntArray) -> IntArray:
    """Return the row of each cut-off's asset with the highest rank, (n_rows,), of those happened and known; or -1.

    Rows are numbered by position.
    """
    code, assets = pd.factorize(cut_offs["asset"])
    owner = pd.Index(assets).get_indexer(pd.Index(rows["asset"])).astype(np.int64)
    places = np.flatnonzero(owner >= 0)
    if not len(places):
        return np.full(len(cut_offs), -1, dtype=np.int64)
    own, owner = rows.iloc[places] if len(places) < len(rows) else rows, owner[places]
    # Ranked by asset first, so that a running maximum over all rows never looks back into another asset's.
    ordered = np.lexsort([rank[places], owner])
    place_of = np.empty(len(ordered), dtype=np.int64)
    place_of[ordered] = np.arange(len(ordered))
    usable = np.maximum(microseconds(own["event_time"]), microseconds(own["known_time"]))
    by_use = np.lexsort([usable, owner])
    latest = ordered[np.maximum.accumulate(place_of[by_use])]
    offset = np.searchsorted(owner[by_use], np.arange(len(assets) + 1))
    place = locate(usable[by_use], offset, code, microseconds(cut_offs["as_of"]), "right")
    return np.where(place > offset[code], places[latest[place - 1]], -1)


def _last_breakdown(
    as_of: IntArray, identity: IntArray, event: IntArray, known: IntArray, within: int, begin: int
) -> IntArray:
    """Return the last breakdown of one machine, which stands there since `begin`, known by each cut-off.

    Rows of an identity come in order of correction.
    """
    result = np.full(len(as_of), NEVER, dtype=np.int64)
    by_event = np.argsort(event, kind="stable")
    if len(np.unique(identity)) == len(identity) and (np.diff(known[by_event]) >= 0).all():
        # What is known at any time is then the earliest failures, so that the breakdowns are the same at all times.
        by_event = by_event[event[by_event] > begin]
        first = by_event[opens_breakdown(event[by_event], within)]
        return _last_before(as_of, np.maximum(event, known)[first], event[first])
    times = np.unique(known)
    version = np.searchsorted(times, as_of, side="right")
    for number in np.unique(version[version > 0]):
        rows = np.flatnonzero(known <= times[number - 1])[::-1]
        current = np.sort(event[rows[np.unique(identity[rows], return_index=True)[1]]])
        current = current[current > begin]
        first_booked, chosen = current[opens_breakdown(current, within)], version == number
        result[chosen] = _last_before(as_of[chosen], first_booked, first_booked)
    return result


def _last_before(as_of: IntArray, usable: IntArray, times: IntArray) -> IntArray:
    """Return the last of the times (ascending) usable by each cut-off; `NEVER` where there is none."""
    return np.append(NEVER, times)[np.searchsorted(usable, as_of, side="right")]


def _instant(time: pd.Timestamp | None) -> int:
    return NEVER if time is None or pd.isna(time) else width(time - pd.Timestamp(0, tz="UTC"))
