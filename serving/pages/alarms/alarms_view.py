"""The page of alarms: those that are open, and what became of the recent ones."""

from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import pandas as pd

from serving.http.errors import unprocessable
from serving.pages.alarms.rows import AlarmRow, alarm_rows
from serving.pages.fleet_state.alarms import alarms_since
from serving.pages.fleet_state.shown_time import ShownTime, shown_time
from serving.pages.frame.page_request import PageRequest
from serving.pages.frame.show import Page

if TYPE_CHECKING:
    from serving.worker_context import WorkerContext

_DAYS, _MOST_DAYS = 14, 365
_SPANS = (1, 7, 14, 30, 90)


@dataclass(frozen=True)
class AlarmsView:
    """What the page shows."""

    shown: ShownTime
    several_models: bool
    open: tuple[AlarmRow, ...]  # the most likely to fail first
    recent: tuple[AlarmRow, ...]  # the latest first
    days: int
    spans: tuple[int, ...]  # to choose from, in days
    asset: str  # empty for all
    back: str  # where an action returns to


def show_alarms(worker: "WorkerContext", asked: PageRequest) -> Page:
    """Gather the page; `asset` and `days` are the filter, and `as_of` shows a time in the past."""
    days, asset, shown = _days(asked), asked.query.get("asset", "").strip()[:255], shown_time(worker, asked.query)
    alarms = alarms_since(worker, shown.at - pd.Timedelta(days=days), shown, asset=asset or None)
    rows = alarm_rows(worker, alarms, shown)
    back = f"/ui/alarms?{_query(days, asset)}"
    return Page(
        "alarms",
        AlarmsView(
            shown=shown,
            several_models=len({alarm.model for alarm in alarms}) > 1,
            open=tuple(sorted((row for row in rows if row.alarm.is_open), key=_urgency)),
            recent=tuple(row for row in rows if not row.alarm.is_open),
            days=days,
            spans=tuple(sorted({*_SPANS, days})),
            asset=asset,
            back=back,
        ),
    )


def _urgency(row: AlarmRow) -> tuple[bool, float, str]:
    alarm = row.alarm
    likely = -alarm.probability if alarm.probability is not None else (alarm.remaining_life_h or 0.0)
    return alarm.silenced is not None, likely, alarm.asset


def _days(asked: PageRequest) -> int:
    text = asked.query.get("days", str(_DAYS))
    if not (text.isascii() and text.isdecimal() and len(text) <= len(str(_MOST_DAYS)) and 0 < int(text) <= _MOST_DAYS):
        raise unprocessable("days", repr(text[:80]), f"a whole number from 1 to {_MOST_DAYS}")
    return int(text)


def _query(days: int, asset: str) -> str:
    return urlencode({"days": days, **({"asset": asset} if asset else {})})
