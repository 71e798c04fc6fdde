"""An alarm."""

from dataclasses import dataclass

import pandas as pd

from data_contracts.records.alarm_marks.mark_records import AlarmMark


@dataclass(frozen=True)
class Alarm:
    """Alerts of one model about one asset that are one alarm."""

    prediction_id: str  # of the alert that opened it, which stands for it
    model: str
    asset: str
    since: pd.Timestamp  # the first of the alerts that follow one another; an alarm is counted anew after each claim
    opened: pd.Timestamp  # the cut-off of its first alert
    last_alert: pd.Timestamp
    opens: pd.Timestamp  # the period in which the last alert claims a failure
    closes: pd.Timestamp
    alerts: int
    newest_id: str  # of its last alert, as is what follows
    probability: float | None
    remaining_life_h: float | None
    held_back: bool = False
    is_open: bool = False
    acknowledged: AlarmMark | None = None
    silenced: AlarmMark | None = None
