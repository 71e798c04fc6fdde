"""Several files as one table: their rows below each other, or their columns joined on asset and time."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from data_contracts.contract.file_layout import FileLayout

_KEY = ("asset", "event_time", "known_time", "source")


def stack(frames: Sequence[pd.DataFrame]) -> tuple[pd.DataFrame, int]:
    """Put frames below each other; leave out, and count, rows that an earlier frame has too, as exports overlap."""
    if len(frames) == 1:
        return frames[0], 0
    whole = pd.concat(frames, ignore_index=True)
    repeated = whole.duplicated()
    if repeated.any():
        own = np.concatenate([frame.duplicated().to_numpy() for frame in frames])
        repeated &= ~own
    return (whole[~repeated].reset_index(drop=True), int(repeated.sum())) if repeated.any() else (whole, 0)


def join(frame: pd.DataFrame) -> pd.DataFrame:
    """Make one row of those of one asset and time, whose columns come from several files.

    Where they contradict each other all of them stay, for the checks to refuse.
    """
    keys = [name for name in _KEY if name in frame]
    values = [name for name in frame if name not in keys]
    if not values or not frame.duplicated(keys).any():
        return frame
    groups = frame.groupby(keys, dropna=False, sort=False)
    numbers = groups.ngroup().to_numpy()
    first = groups[values].first()
    agreed = first.iloc[numbers].reset_index(drop=True)
    present = frame[values].reset_index(drop=True)
    contrary = np.zeros(len(frame), dtype=bool)
    for name in values:
        differs: Any = present[name].notna() & (present[name] != agreed[name])
        contrary |= differs.fillna(False).to_numpy(dtype=bool)
    bad = np.zeros(len(first), dtype=bool)
    bad[numbers[contrary]] = True
    merged = first.reset_index()[list(frame.columns)][~bad]
    return pd.concat([merged, frame[bad[numbers]]], ignore_index=True) if bad.any() else merged.reset_index(drop=True)


def number_rows(frame: pd.DataFrame, layout: FileLayout) -> "pd.Series[Any]":
    """Return the times of a table whose clock is the number of an asset's row, from 1."""
    number = frame.groupby("asset", dropna=False, sort=False).cumcount() + 1
    times: pd.Series[Any] = layout.start_time + number * layout.cycle_duration
    return times.astype("datetime64[us, UTC]")
