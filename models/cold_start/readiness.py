"""How far a type without a model is with its healthy operation, and when a model of anomalies can be trained."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

import pandas as pd

from data_contracts.tables import tables
from data_contracts.tables.readings import days_with_readings
from data_contracts.workspace import Workspace

NEEDED: Final = pd.Timedelta(days=42)
"""Six weeks of one machine: three to learn from, a week's claims between, and two to test on, of which one matures."""
RUN_UP: Final = pd.Timedelta(days=7)
"""The days so long before a known failure are no healthy operation."""
_DAY, _WEEK = pd.Timedelta(days=1), pd.Timedelta(days=7)


@dataclass(frozen=True)
class TypeReadiness:
    """The healthy operation that is stored of a type without a model."""

    asset_type: str
    assets: int  # with telemetry
    healthy: pd.Timedelta  # of the asset that has most
    trainable_from: pd.Timestamp | None  # if it goes on running; None without telemetry

    @property
    def is_ready(self) -> bool:
        """Return whether there is enough to train a model of anomalies."""
        return self.healthy >= NEEDED

    @property
    def words(self) -> str:
        """Say how far it is.

        >>> day = pd.Timestamp("2026-03-29", tz="UTC")
        >>> TypeReadiness("press", 1, pd.Timedelta(days=9), day).words.split("; ")[1]
        'an anomaly model can be trained from 2026-03-29'
        """
        head = f"no model of {self.asset_type} yet"
        if self.trainable_from is None:
            return f"{head}, and no telemetry"
        collected = f"{self.healthy / _WEEK:.1f} of {NEEDED / _WEEK:.0f} weeks of healthy operation collected"
        if self.is_ready:
            return f'{head}: {collected}; `forewarn train` with target = "anomaly" makes one'
        return f"{head}: {collected}; an anomaly model can be trained from {self.trainable_from:%Y-%m-%d}"

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values."""
        start = None if self.trainable_from is None else self.trainable_from.isoformat()
        return {
            "asset_type": self.asset_type,
            "assets": self.assets,
            "healthy_days": self.healthy / _DAY,
            "needed_days": NEEDED / _DAY,
            "trainable_from": start,
            "words": self.words,
        }


def type_readiness(workspace: Workspace, asset_type: str, *, now: pd.Timestamp) -> TypeReadiness:
    """Count the whole days with readings, by what is known at `now`, without those before known failures.

    That of the asset with most days counts: machines that run side by side see the same weeks.
    """
    days = days_with_readings(workspace, f"telemetry/{asset_type}", as_of=now)
    if days.empty:
        return TypeReadiness(asset_type, 0, pd.Timedelta(0), None)
    failures = tables.read(workspace, "failures", as_of=now, assets=sorted(set(days["asset"])))
    # The last day has only begun.
    last = pd.Timestamp(days["day"].max())
    counted = days[(days["day"] < last) & ~_before_failures(days, failures)]
    most = int(counted.groupby("asset")["day"].nunique().max()) * _DAY if len(counted) else pd.Timedelta(0)
    return TypeReadiness(asset_type, int(days["asset"].nunique()), most, last + max(NEEDED - most, pd.Timedelta(0)))


def untrained_types(workspace: Workspace, modelled: Iterable[str], *, now: pd.Timestamp) -> tuple[TypeReadiness, ...]:
    """Return the readiness of each recorded asset type that has telemetry and no model."""
    known = set(modelled)
    recorded = tables.read(workspace, "assets", as_of=now)["asset_type"].dropna().unique()
    found = (type_readiness(workspace, str(name), now=now) for name in sorted(set(recorded) - known))
    return tuple(each for each in found if each.trainable_from is not None)


def _before_failures(days: pd.DataFrame, failures: pd.DataFrame) -> "pd.Series[bool]":
    before = pd.Series(False, index=days.index)
    for asset, time in zip(failures["asset"], failures["event_time"], strict=True):
        before |= (days["asset"] == asset) & (days["day"] > time - RUN_UP - _DAY) & (days["day"] <= time)
    return before
