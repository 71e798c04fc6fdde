"""A worklist as files: a table for spreadsheets (RFC 4180), and a calendar (RFC 5545)."""

import csv
import io
import uuid
from collections.abc import Callable, Iterator
from typing import Final
from zoneinfo import ZoneInfo

import icalendar
import pandas as pd

from models.planning.worklist import Line
from models.scheduling.fleet_plan import FleetPlan

COLUMNS: Final = (
    *("action", "rank", "asset", "begins", "latest", "time_zone", "repair_hours", "saves"),
    *("expected_cost", "expected_cost_without", "probability_before", "probability_without", "reason"),
    *("prediction_id", "as_of", "mode", "mode_share"),
)
# Another one would make other events of those that calendars have already.
_NAMESPACE = uuid.UUID("3f8c1c56-4c1e-5d0d-9b77-58a5e1f7a5b2")
_FORMULAS = ("=", "+", "-", "@", "\t", "\r", "\n")
_PRODUCT = "-//forewarn//worklist//EN"
Describe = Callable[[Line], tuple[str, str]]
"""From a line to the title and the text of its event."""


def worklist_csv(plan: FleetPlan, *, zone: str = "UTC", decimal_comma: bool = False) -> str:
    """Write the repairs, and after them the assets left out with the reasons; times are those of the zone.

    With a decimal comma the cells are separated by semicolons, as spreadsheets of such languages read them. A text that
    a spreadsheet would take for a formula begins with an apostrophe (OWASP, "CSV Injection").
    """
    out = io.StringIO()
    writer = csv.writer(out, delimiter=";" if decimal_comma else ",")
    writer.writerow(COLUMNS)
    writer.writerows([csv_cell(value, decimal_comma) for value in row] for row in _rows(plan, ZoneInfo(zone)))
    return out.getvalue()


def _rows(plan: FleetPlan, zone: ZoneInfo) -> Iterator[list[object]]:
    for rank, line in enumerate(plan.worklist.lines, start=1):
        forecast = plan.forecasts[line.asset]
        begins, latest, as_of = (_local(each, zone) for each in (line.begins, line.latest, forecast.as_of))
        figures = (line.saves, line.cost, line.cost_without, line.fails_before, line.fails)
        hours = plan.terms.of(line.asset).repair_hours
        mode = (forecast.mode, forecast.mode_share) if forecast.mode else ("", "")
        source = (forecast.driver, forecast.prediction_id, as_of, *mode)
        yield ["repair", rank, line.asset, begins, latest, zone.key, hours, *figures, *source]
    for left in plan.worklist.left_out:
        known = plan.forecasts.get(left.asset)
        latest = "" if left.latest is None else _local(left.latest, zone)
        of = ("",) * 4 if known is None else (known.prediction_id, _local(known.as_of, zone), "", "")
        none = ("", "", "", "")
        yield [left.why, "", left.asset, "", latest, zone.key, "", left.saves, *none, left.reason, *of]


def csv_cell(value: object, decimal_comma: bool) -> str:
    """Write a value of a table for spreadsheets."""
    if value is None:
        return ""
    if isinstance(value, float):
        written = f"{value:.6g}" if abs(value) < 1 else f"{value:.2f}"
        return written.replace(".", ",") if decimal_comma else written
    text = str(value)
    return f"'{text}" if isinstance(value, str) and text.startswith(_FORMULAS) else text


def _local(time: pd.Timestamp, zone: ZoneInfo) -> str:
    return f"{time.tz_convert(zone):%Y-%m-%d %H:%M}"


def worklist_calendar(plan: FleetPlan, *, now: pd.Timestamp, describe: Describe) -> str:
    """Write the repairs as events of their working hours."""
    calendar = icalendar.Calendar()
    calendar.add("prodid", _PRODUCT)
    calendar.add("version", "2.0")
    calendar.add("method", "PUBLISH")
    for line in plan.worklist.lines:
        title, text = describe(line)
        event = icalendar.Event()
        # The same asset on the same day is the same event, however often the plan is made anew.
        event.add("uid", f"{uuid.uuid5(_NAMESPACE, f'{line.asset}/{line.begins.date()}')}@forewarn")
        event.add("dtstamp", now.to_pydatetime())
        event.add("dtstart", _whole(line.begins))
        event.add("dtend", _whole(line.begins + pd.Timedelta(hours=plan.terms.of(line.asset).repair_hours)))
        event.add("summary", title)
        event.add("description", text)
        calendar.add_component(event)
    written: bytes = calendar.to_ical()
    return written.decode("utf-8")


def _whole(time: pd.Timestamp) -> object:
    """Return a time to the second, as calendars have it."""
    return time.tz_convert("UTC").floor("s").to_pydatetime()
