"""Features that a person computes with pandas alone: rolling means and standard deviations, and counts of events."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from data_contracts.tables.history import History
from data_contracts.tables.telemetry import reconcile
from models.experiment.condition_outcomes import feature_channels
from models.experiment.experiment import Experiment


def plain_features(
    history: History, experiment: Experiment, cut_offs: pd.DataFrame, windows: Sequence[pd.Timedelta]
) -> np.ndarray:
    """Compute mean and standard deviation of every channel in some windows, (n_cut_offs, n_columns).

    Events of the longest window are counted by code where the experiment counts events, from when they were known;
    where it uses ages, hours since the first reading are a column too. All channels but a condition that is predicted.
    """
    without_choice = experiment.with_overrides(['features.channels="all"'])
    channels = list(feature_channels(without_choice, history) or history.channels)
    rows = reconcile(history.telemetry, channels).sort_values(["asset", "event_time"])
    by_asset = rows.set_index("event_time").groupby("asset")[channels]
    parts = []
    for window in windows:
        rolling = by_asset.rolling(window)
        parts += [rolling.mean().add_suffix(f" mean {window}"), rolling.std().add_suffix(f" std {window}")]
    table = pd.concat(parts, axis=1).dropna(axis=1, how="all").reset_index()
    if experiment.features.ages:
        age = table["event_time"] - table.groupby("asset")["event_time"].transform("min")
        table["hours"] = age / pd.Timedelta(hours=1)
    if experiment.features.events:
        table = table.assign(**_event_counts(history, table, max(windows)))
    keys = cut_offs.reset_index(drop=True).reset_index(names="place").sort_values("as_of", kind="stable")
    joined = pd.merge_asof(
        keys, table.sort_values("event_time"), left_on="as_of", right_on="event_time", by="asset"
    ).sort_values("place")
    return joined.drop(columns=["place", "asset", "as_of", "event_time"]).to_numpy(np.float64)


def _event_counts(history: History, table: pd.DataFrame, window: pd.Timedelta) -> dict[str, np.ndarray]:
    """Count the events of each code that became known in the window before each row."""
    counts = {}
    for code, events in history.events.groupby("code"):
        known = {asset: np.sort(times.to_numpy()) for asset, times in events.groupby("asset")["known_time"]}
        count = np.zeros(len(table))
        for asset, places in table.groupby("asset").indices.items():
            as_of, own = table["event_time"].to_numpy()[places], known.get(asset)
            if own is not None:
                count[places] = own.searchsorted(as_of, "right") - own.searchsorted(as_of - window, "right")
        counts[f"{code} in {window}"] = count
    return counts
