"""What people have marked alarms with."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import pandas as pd

from data_contracts.records.alarm_marks.mark_records import ACKNOWLEDGE, SILENCE, AlarmMark
from data_contracts.records.alarm_marks.marks import marks_of
from models.alarms.alarm import Alarm


def marked(engine: Any, alarms: Sequence[Alarm], at: pd.Timestamp) -> list[Alarm]:
    """Return alarms with the marks that hold for them at a time, all read at once.

    An acknowledgement is of one alarm; a silence holds for later alarms of the asset by the model as well.
    """
    if not alarms:
        return []
    holding: dict[tuple[str, str], list[AlarmMark]] = {}
    for mark in marks_of(engine, sorted({alarm.asset for alarm in alarms})):
        if mark.holds(at):
            holding.setdefault((mark.asset, mark.model_name), []).append(mark)
    return [_with(alarm, holding.get((alarm.asset, alarm.model), ())) for alarm in alarms]


def _with(alarm: Alarm, marks: Iterable[AlarmMark]) -> Alarm:
    begun = [mark for mark in marks if mark.began <= alarm.last_alert]
    seen = [mark for mark in begun if mark.kind == ACKNOWLEDGE and mark.began >= alarm.opened]
    silent = [mark for mark in begun if mark.kind == SILENCE]
    if not seen and not silent:
        return alarm
    return replace(alarm, acknowledged=seen[-1] if seen else None, silenced=silent[-1] if silent else None)
