"""Questions about assets, and what is known of them: tables that are made only when somebody wants to look into one.

To make a table of one row takes as long as to compute a hundred features, and mostly nobody looks.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Protocol

import pandas as pd

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
    """Hold tables that are there already.

    Parameters
    ----------
    history
        What is known of the assets.
    cut_offs
        Columns ``asset`` and ``as_of`` (UTC).
    """

    history: "History"
    cut_offs: pd.DataFrame


@dataclass(frozen=True)
class PointInTimeQuery:
    """Ask about assets, each of them once.

    Parameters
    ----------
    assets
        The assets.
    as_of : (n,)
        Their cut-offs, in microseconds since 1970.
    read
        Reads what is known of them; called once at most.
    """

    assets: tuple[str, ...]
    as_of: IntArray
    read: "Callable[[], History]"

    @cached_property
    def history(self) -> "History":
        """What is known of the assets."""
        return self.read()

    @cached_property
    def cut_offs(self) -> pd.DataFrame:
        """Columns ``asset`` and ``as_of`` (UTC)."""
        as_of = pd.DatetimeIndex(self.as_of.view("datetime64[us]"), tz="UTC")
        return pd.DataFrame({"asset": pd.array(self.assets, dtype="str"), "as_of": as_of})
