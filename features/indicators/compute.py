"""Computes indicators from rows of telemetry, by the same extraction as all features."""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import pandas as pd

from data_contracts.contract.twins import SOURCE_PRIORITY
from data_contracts.progress import silent
from features.extraction.extract import run
from features.extraction.job import CutOffs, Job
from features.indicators.plan import Indicators
from features.indicators.window_versions import NEVER, window_versions
from features.telemetry.known_telemetry import KnownTelemetry
from features.telemetry.sorted_times import IntArray, expand, microseconds, width

FloatArray = npt.NDArray[np.float64]

_PHYSICAL = SOURCE_PRIORITY.index("physical")


def compute(
    indicators: Indicators,
    telemetry: pd.DataFrame,
    ends: Mapping[str, IntArray],
    *,
    later_known: Mapping[str, pd.Timestamp] | None = None,
    since: Mapping[str, pd.Timestamp] | None = None,
    stored: pd.DataFrame | None = None,
    threads: int | None = None,
) -> pd.DataFrame:
    """Compute the indicators of some windows, one row for each version of a window.

    Parameters
    ----------
    indicators
        What to compute.
    telemetry
        The rows of the windows, not reconciled, and any part of the rows after them.
    ends
        For each asset the windows' ends, in microseconds since 1970.
    later_known
        For each asset when the first of the rows that are not in `telemetry`, but after it, was known.
    since
        For each asset the known time from which on versions are wanted; all if None.
    stored
        Versions that are wanted too, as what was known by then has changed: asset, event_time and known_time.
    threads
        How many cores to use; all if None. The result is the same.

    Returns
    -------
    pandas.DataFrame
        Telemetry of the indicators: asset, event_time (the window's end), known_time (when this version was known),
        source (simulation where all rows of it are, else physical) and the channels; by asset, window and known time.
    """
    names = pd.Index(sorted(ends), dtype="str")
    known = KnownTelemetry.from_frame(
        telemetry,
        names,
        indicators.recipe.channels,
        measured=indicators.source.channels,
        regimes=None,
        counters=indicators.recipe.counters,
    )
    asset = np.repeat(np.arange(len(names)), [len(ends[name]) for name in names])
    end = np.concatenate([ends[name] for name in names]) if len(names) else np.empty(0, dtype=np.int64)
    span = width(indicators.plan.window)
    after, wanted = _instants(later_known, names, NEVER), _instants(since, names, np.iinfo(np.int64).min)
    again = _again(stored, names, asset, end)
    versions = window_versions(known, asset, end, span, after, wanted, again)
    values = run(Job(indicators.recipe, versions, known, lambda _asset, _as_of: {}), threads, silent)
    frame = values.set_axis(list(indicators.channels), axis="columns")
    assert versions.known_by is not None  # noqa: S101 - window_versions gives them
    keys = {
        "asset": pd.Series(names.to_numpy(dtype=object)[versions.asset], dtype="str"),
        "event_time": _times(versions.as_of),
        "known_time": _times(versions.known_by),
        "source": pd.Series(_sources(known, versions, span), dtype="str"),
    }
    return pd.concat([pd.DataFrame(keys), frame], axis="columns")


def _again(
    stored: pd.DataFrame | None, names: "pd.Index[str]", asset: IntArray, end: IntArray
) -> tuple[IntArray, IntArray]:
    """Return the window and the known time of each stored version, (m,)."""
    if stored is None or stored.empty:
        return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64)
    windows = pd.MultiIndex.from_arrays([asset, end])
    wanted = pd.MultiIndex.from_arrays(
        [names.get_indexer(pd.Index(stored["asset"])), microseconds(stored["event_time"])]
    )
    place = windows.get_indexer(wanted).astype(np.int64)
    return place[place >= 0], microseconds(stored["known_time"])[place >= 0]


def _instants(times: Mapping[str, pd.Timestamp] | None, names: "pd.Index[str]", default: int) -> IntArray:
    values = [default if times is None or name not in times else _microseconds(times[name]) for name in names]
    return np.array(values, dtype=np.int64)


def _microseconds(time: pd.Timestamp) -> int:
    return int(time.as_unit("us").to_numpy().astype(np.int64))


def _times(values: IntArray) -> "pd.Series[pd.Timestamp]":
    return pd.Series(pd.DatetimeIndex(values.view("datetime64[us]"), tz="UTC"))


def _sources(known: KnownTelemetry, versions: CutOffs, span: int) -> npt.NDArray[np.object_]:
    """Say simulation where every row of a window is simulated."""
    simulated = known.rows.source > _PHYSICAL
    measured = np.concatenate([[0], np.cumsum(~simulated)])
    spans = known.spans(versions.asset, versions.as_of, span, known_by=versions.known_by)
    first, last = known.first_row[spans.begin], known.first_row[spans.end]
    counts = measured[last] - measured[first]
    opened = np.flatnonzero(spans.is_open)
    window, row = expand(first[opened], last[opened])
    counted = ~simulated[row] & (known.rows.known[row] <= spans.known_by[opened][window])
    counts[opened] = np.bincount(window[counted], minlength=len(opened))
    return np.where(counts > 0, "physical", "simulation").astype(object)
