"""The figures of versions by plant and by failure mode, where these are known."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from models.comparisons.alarm_record import AlarmRecord


@dataclass(frozen=True)
class GroupFigures:
    """One version in one plant, or on the failures of one mode."""

    group: str
    failures: int
    caught: int
    median_warning_h: float  # of the failures caught; NaN without any
    false_alarms: int | None  # None of a mode: a false alarm has none
    cost: float | None


def plants_of(assets: pd.DataFrame, names: "pd.Index[str]") -> "pd.Series[str]":
    """Return the plant of each asset by its last record; empty where none is known."""
    ordered = assets.sort_values("known_time").drop_duplicates("asset", keep="last")
    plants: pd.Series[str] = ordered.set_index("asset")["plant"].reindex(names).astype("object").fillna("").astype(str)
    return plants


def by_plant(record: AlarmRecord, plants: "pd.Series[str]") -> tuple[GroupFigures, ...]:
    """Return a version's figures in each plant; none where there is only one."""
    if plants.nunique() < 2:
        return ()
    figures = []
    for plant, names in plants.groupby(plants).groups.items():
        own, failures = record.by_asset.loc[names], record.failures[record.failures["asset"].isin(names)]
        false, cost = round(own["false"].sum()), float(own["cost"].sum())
        figures.append(GroupFigures(str(plant) or "unknown", *_warnings(failures), false, cost))
    return tuple(figures)


def by_mode(record: AlarmRecord) -> tuple[GroupFigures, ...]:
    """Return a version's figures on the failures of each mode; none where there is only one."""
    modes = record.failures["mode"]
    if modes.nunique() < 2:
        return ()
    return tuple(
        GroupFigures(str(mode) or "unknown", *_warnings(own), None, None)
        for mode, own in record.failures.groupby(modes)
    )


def quantiles(hours: Sequence[float], at: Sequence[float]) -> tuple[float, ...]:
    """Return quantiles; NaN of nothing."""
    return tuple(np.quantile(hours, at).tolist()) if len(hours) else (float("nan"),) * len(at)


def _warnings(failures: pd.DataFrame) -> tuple[int, int, float]:
    warned = failures["warned_h"].dropna().tolist()
    return len(failures), int(failures["caught"].sum()), quantiles(warned, (0.5,))[0]
