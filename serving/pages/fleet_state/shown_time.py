"""The time that a page shows: now, or an earlier one by its query."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import pandas as pd

from data_contracts.twin_state.rules import CLOCK_TOLERANCE
from serving.http.errors import unprocessable
from serving.schemas.instants import format_instant
from serving.schemas.query_parameters import instant_parameter

if TYPE_CHECKING:
    from serving.worker_context import WorkerContext

PARAMETER = "as_of"


@dataclass(frozen=True)
class ShownTime:
    """The time of which a page shows what was known by then."""

    at: pd.Timestamp
    live: bool  # whether that is now

    @property
    def known_by(self) -> pd.Timestamp | None:
        """Return by when something must have been known to be shown; None where that is now."""
        return None if self.live else self.at

    @property
    def query(self) -> dict[str, str]:
        """Return the parameter that shows another page at the same time."""
        return {} if self.live else {PARAMETER: format_instant(self.at)}

    @property
    def suffix(self) -> str:
        """Return the same for an address without a query of its own."""
        return "" if self.live else f"?{urlencode(self.query)}"


def shown_time(worker: "WorkerContext", query: Mapping[str, str]) -> ShownTime:
    """Read the time from a query; ApiError 422 for one that is none, or that is to come."""
    now = worker.predictor.clock()
    if not query.get(PARAMETER):
        return ShownTime(now, live=True)
    at = instant_parameter(query, PARAMETER)
    if at > now + CLOCK_TOLERANCE:
        expected = f"an instant up to now, {format_instant(now)}"
        raise unprocessable(PARAMETER, f"the future instant {format_instant(at)}", expected)
    return ShownTime(min(at, now), live=False)
