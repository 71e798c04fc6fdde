"""Which part of a machine's past its page shows: how many days, and which channel."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlencode

import pandas as pd

from serving.http.errors import unprocessable
from serving.http.json_bodies import show

SPANS: Final = (1, 3, 7, 14, 30, 90, 365)
_DAYS, _MOST, _LONGEST_NAME = 14, 1_000, 255


@dataclass(frozen=True)
class MachineQuery:
    """What of a machine is shown."""

    days: int
    channel: str  # empty for the most telling ones
    kept: Mapping[str, str]  # the time of the page, if it is not now

    @property
    def span(self) -> pd.Timedelta:
        """Return how far back charts reach."""
        return pd.Timedelta(days=self.days)

    def query(self, *, days: int | None = None, channel: str | None = None) -> str:
        """Return the query of this page with other days or another channel."""
        values = {"days": str(days or self.days), "channel": self.channel if channel is None else channel}
        given = {name: value for name, value in values.items() if value not in ("", str(_DAYS))}
        return f"?{urlencode({**given, **self.kept})}"


def read_query(query: Mapping[str, str], kept: Mapping[str, str]) -> MachineQuery:
    """Read what is shown; ApiError 422 for a value that cannot be."""
    days, channel = query.get("days") or str(_DAYS), query.get("channel", "").strip()
    if not (days.isascii() and days.isdecimal() and len(days) <= len(str(_MOST)) and 0 < int(days) <= _MOST):
        raise unprocessable("days", show(days[:80]), f"a whole number from 1 to {_MOST}")
    if len(channel) > _LONGEST_NAME:
        raise unprocessable("channel", show(channel[:80]), "the name of a channel")
    return MachineQuery(int(days), channel, dict(kept))
