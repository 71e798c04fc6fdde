"""Point-in-time queries: assets at cut-offs and what is known of them, with tables built on first access.

Building a table of one row takes as long as computing a hundred features, and most queries never need it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Protocol

import numpy as np
import pandas as pd

from features.telemetry.machines import Machines
from features.telemetry.sorted_times import IntArray

if TYPE_CHECKING:
    from data_contracts.tables.history import History


class KnownHistory(Protocol):
    """Cut-offs, and what is known of their assets."""

    @property
    def history(self) -> "History":
        """What is known of the assets."""

    @property
    def cut_offs(self) -> pd.DataFrame:
        """Columns ``asset`` and ``as_of`` (UTC)."""


@dataclass(frozen=True)
class GivenHistory:
    """Tables that exist already."""

    history: "History"
    cut_offs: pd.DataFrame


@dataclass(frozen=True)
class PointInTimeQuery:
    """Assets, each of them once, at their cut-offs."""

    assets: tuple[str, ...]
    as_of: IntArray  # (n,), cut-offs in microseconds since 1970
    read: "Callable[[], History]"  # reads what is known of the assets; called at most once
    # the records of those assets that have several; None if only the history has them
    records: pd.DataFrame | None = None

    @cached_property
    def history(self) -> "History":
        """What is known of the assets."""
        return self.read()

    @cached_property
    def replaced_since(self) -> IntArray | None:
        """When each cut-off's machine took another's place, as `Machines.replaced_since` has it."""
        records = self.history.assets if self.records is None else self.records
        if len(records) < 2:
            return None
        machines = Machines.from_frame(records, pd.Index(self.assets, dtype="str"))
        return machines.replaced_since(np.arange(len(self.assets)), self.as_of)

    @cached_property
    def cut_offs(self) -> pd.DataFrame:
        """Columns ``asset`` and ``as_of`` (UTC)."""
        as_of = pd.DatetimeIndex(self.as_of.view("datetime64[us]"), tz="UTC")
        return pd.DataFrame({"asset": pd.array(self.assets, dtype="str"), "as_of": as_of})
