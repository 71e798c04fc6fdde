"""Corrections: which of several rows with one key counts.

The one known last; of those known at the same time the one stored last, whatever its values. Rows of one batch, and of
batches that were stored at the same moment, are distinguished by their values, so that their order has no effect.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from data_contracts.contract.contract import STORED_VERSION


def stored_versions(frame: pd.DataFrame) -> npt.NDArray[np.int64]:
    """Return the version that stored each row, 0 where that is not recorded; shape (n,)."""
    if STORED_VERSION not in frame.columns:
        return np.zeros(len(frame), dtype=np.int64)
    versions = frame[STORED_VERSION]
    return (versions.fillna(0) if versions.hasnans else versions).to_numpy(dtype=np.int64)


def in_order_of_correction(frame: pd.DataFrame, key: Sequence[str]) -> pd.DataFrame:
    """Sort rows by key, and those of one key with the row that counts last."""
    if not frame.duplicated(list(key)).any():
        return frame.sort_values(list(key))
    stored = [STORED_VERSION] if STORED_VERSION in frame.columns else []
    if stored and frame[STORED_VERSION].hasnans:
        frame = frame.assign(**{STORED_VERSION: stored_versions(frame)})
    first = [*key, *(name for name in ("known_time", *stored, "event_time") if name not in key)]
    return frame.sort_values([*first, *(name for name in frame.columns if name not in first)])


def last_corrections(frame: pd.DataFrame, key: Sequence[str]) -> pd.DataFrame:
    """Keep the row of each key that counts, sorted by key."""
    return in_order_of_correction(frame, key).drop_duplicates(list(key), keep="last")


def latest_records(assets: pd.DataFrame) -> pd.DataFrame:
    """Keep the latest record of each asset, as last corrected, sorted by asset."""
    return last_corrections(assets, ["asset", "event_time"]).drop_duplicates("asset", keep="last")
