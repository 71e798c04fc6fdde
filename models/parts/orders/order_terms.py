"""The terms of ordering that no table of parts holds, a section of the workspace's settings."""

from typing import Annotated

import pandas as pd
from pydantic import Field

from data_contracts.configuration.values import configuration
from features.setting_types import Amount, InnerShare, OrWord, PositiveDuration


@configuration
class OrderTerms:
    """On which terms spare parts are ordered."""

    downtime_per_hour: Annotated[Amount | None, OrWord("unknown")] = None
    """What an hour costs that a machine stands for want of a part, in the currency of the parts' prices; while it is
    "unknown", parts are ordered up to `service_level`."""
    review: PositiveDuration = pd.Timedelta(days=7)
    """How often orders are placed: what is there and under way has to last until the order after the next decision
    arrives."""
    service_level: InnerShare = 0.95
    """The probability of having enough of a part, where its price or the hour of downtime is not known."""
    old_count: PositiveDuration = pd.Timedelta(days=30)
    """A stock that was counted longer ago is used, and said to be old."""
    memory: Annotated[InnerShare, Field(json_schema_extra={"unit": "share"})] = 0.05
    """How much of what experience says comes from the last week: the smaller, the longer the memory."""

    @property
    def review_days(self) -> float:
        """Return the time between reviews in days."""
        return float(self.review / pd.Timedelta(days=1))
