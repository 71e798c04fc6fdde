"""The versions of windows of telemetry: complete for the first time, and changed by what became known later.

A window is complete once a reading at its end or later is known. Each later time at which a row of it became known
makes another version. So its versions depend on the stored rows alone, whenever and in whatever portions they are read.
"""

import numpy as np

from features.extraction.job import CutOffs
from features.telemetry.known_telemetry import KnownTelemetry
from features.telemetry.sorted_times import IntArray, expand, locate, range_maximum

NEVER = np.iinfo(np.int64).max


def window_versions(
    telemetry: KnownTelemetry,
    asset: IntArray,
    end: IntArray,
    width: int,
    later_known: IntArray,
    since: IntArray,
    stored: tuple[IntArray, IntArray],
) -> CutOffs:
    """List the versions of windows of some assets that became known from some time on.

    Parameters
    ----------
    telemetry
        All rows of the windows; of the rows after them any part.
    asset, end
        The windows: each one's asset number and end, (n,); times in microseconds since 1970.
    width
        Their width, in microseconds.
    later_known
        For each asset the earliest known time of the rows after those of `telemetry`, (n_assets,); `NEVER` if none.
    since
        For each asset the known time from which on versions are wanted, (n_assets,).
    stored
        Versions that are wanted too, as what was known by then has changed: the windows' numbers and known times, (m,).

    Returns
    -------
    CutOffs
        One for each version, by window and known time; windows without a row have none.
    """
    begin = locate(telemetry.instant, telemetry.offset, asset, end - width, "right")
    stop = locate(telemetry.instant, telemetry.offset, asset, end, "right")
    complete = np.minimum(_first_known_from(telemetry, asset, end), later_known[asset])
    chosen = np.flatnonzero((stop > begin) & (complete < NEVER))
    earliest = -range_maximum(-_earliest_known(telemetry), begin[chosen], stop[chosen])
    first = chosen[earliest <= complete[chosen]]
    changed = chosen[range_maximum(telemetry.settled, begin[chosen], stop[chosen]) > complete[chosen]]
    owner, row = expand(telemetry.first_row[begin[changed]], telemetry.first_row[stop[changed]])
    known, owner = telemetry.rows.known[row], changed[owner]
    later = known > complete[owner]
    windows = np.concatenate([first, owner[later], stored[0]])
    versions = np.concatenate([complete[first], known[later], stored[1]])
    pairs = np.unique(np.column_stack([windows, versions]), axis=0)
    window, version = pairs[pairs[:, 1] >= since[asset[pairs[:, 0]]]].T
    return CutOffs(asset[window], end[window], known_by=np.ascontiguousarray(version))


def _first_known_from(telemetry: KnownTelemetry, asset: IntArray, time: IntArray) -> IntArray:
    """Return when the first row at some times or later was known, (n,)."""
    place = locate(telemetry.instant, telemetry.offset, asset, time, "left")
    exists = place < telemetry.offset[asset + 1]
    result = np.full(len(asset), NEVER)
    result[exists] = telemetry.first_known[place[exists]]
    return result


def _earliest_known(telemetry: KnownTelemetry) -> IntArray:
    """Return when the first row of each instant was known, (n_instants,)."""
    if not len(telemetry.instant):
        return telemetry.instant
    return np.asarray(np.minimum.reduceat(telemetry.rows.known, telemetry.first_row[:-1]))
