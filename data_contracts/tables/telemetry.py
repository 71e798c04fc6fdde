"""Reconciliation of telemetry: the rows of several sources merged into one row per asset and instant."""

from collections.abc import Iterable, Sequence

import pandas as pd

from data_contracts.contract.contract import STORED_VERSION
from data_contracts.contract.contract_types import is_quality_column
from data_contracts.contract.twins import SOURCE_PRIORITY
from data_contracts.tables.corrections import stored_versions

KEY = ("asset", "event_time", "source")


def channels_among(columns: Iterable[str]) -> tuple[str, ...]:
    """Return the channels among the columns of a telemetry table, in their order."""
    own = (*KEY, "known_time", STORED_VERSION)
    return tuple(column for column in columns if column not in own and not is_quality_column(column))


def reconcile(frame: pd.DataFrame, channels: Sequence[str]) -> pd.DataFrame:
    """Merge the telemetry of all sources into one row per asset and event time.

    Of each source the row that became known last counts, and of rows known at the same time the one stored last (a
    correction replaces the whole row); of those, each channel takes the first value in the order manual override,
    physical, simulation. The stored rows are not changed.

    Parameters
    ----------
    frame
        Telemetry with asset, event_time, known_time, source and the channels, in any order; stored rows also have
        stored_version.
    channels
        The channels to keep.

    Returns
    -------
    pandas.DataFrame
        Asset, event_time, known_time and the channels: one row per asset and event time, in that order; the known time
        is the latest of the merged rows.

    Examples
    --------
    >>> hour = pd.Timestamp("2024-01-01T01:00Z")
    >>> frame = pd.DataFrame({"source": ["simulation", "physical"], "a": [1.0, 2.0], "b": [3.0, None]})
    >>> frame = frame.assign(asset="m1", event_time=hour, known_time=hour)
    >>> reconcile(frame, ["a", "b"])[["asset", "a", "b"]]
      asset    a    b
    0    m1  2.0  3.0
    """
    columns = ["asset", "event_time", "known_time", *channels]
    instant = ["asset", "event_time"]
    if not frame.duplicated(instant).any():
        return frame[columns].sort_values(instant, ignore_index=True)
    # Values break the ties that are left, such as between rows that were never stored: the order of rows has no effect.
    rank = frame["source"].map({source: rank for rank, source in enumerate(SOURCE_PRIORITY)})
    ranked = frame[columns].assign(_rank=rank, _stored=stored_versions(frame))
    ranked = ranked.sort_values([*instant, "_rank", "known_time", "_stored", *channels])
    latest = ranked.drop_duplicates([*instant, "_rank"], keep="last")
    groups = latest.groupby(instant, sort=True)
    merged = groups[list(channels)].first()
    merged.insert(0, "known_time", groups["known_time"].max())
    return merged.reset_index()
