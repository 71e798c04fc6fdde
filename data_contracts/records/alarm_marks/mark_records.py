"""The record of a mark."""

from dataclasses import dataclass
from typing import Annotated

import pandas as pd
import sqlalchemy as sa

from data_contracts.records.record_schema import Code, Instant, Name, Record, Text

ACKNOWLEDGE, SILENCE = "acknowledge", "silence"


@dataclass(frozen=True)
class AlarmMark(Record, table="alarm_marks", indexes=(("asset", "began"),)):
    """That somebody has seen an alarm, or wants to hear no more of it for a time."""

    mark_id: Annotated[str, sa.Column(sa.String(64), primary_key=True)]
    model_name: Name
    asset: Name
    began: pd.Timestamp  # the cut-off of the alert that opened the alarm
    kind: Code  # "acknowledge" or "silence"
    actor: Name
    reason: Text | None  # never None for a silence
    at: pd.Timestamp
    expires_at: Annotated[pd.Timestamp, sa.Column(Instant, index=True)] | None  # None for an acknowledgement
    withdrawn_at: pd.Timestamp | None = None
    withdrawn_by: Name | None = None

    def holds(self, at: pd.Timestamp) -> bool:
        """Return whether it is set at a time: not withdrawn, and not expired."""
        until = [time for time in (self.withdrawn_at, self.expires_at) if time is not None]
        return self.at <= at and all(at < time for time in until)
