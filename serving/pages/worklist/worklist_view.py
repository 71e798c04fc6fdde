"""The page of the worklist, and its files."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import pandas as pd
from starlette.responses import Response

from models.planning.worklist import LeftOut, Line
from models.scheduling.fleet_plan import FleetPlan
from models.scheduling.plan_files import worklist_calendar, worklist_csv
from serving.pages.frame.notices import FIELD
from serving.pages.frame.page_request import PageRequest
from serving.pages.frame.show import HEADERS, Page
from serving.pages.worklist.plan_request import plan_request
from serving.routes.worklist import fleet_plan
from serving.schemas.planning_requests import WorklistRequest

if TYPE_CHECKING:
    from serving.worker_context import WorkerContext

_MOST_LISTED = 200
_IN_ORDER = ("no_crew_free", "too_long_for_a_day", "saves_less_than_it_costs", "no_alert", "held_back")


@dataclass(frozen=True)
class LineView:
    """A repair, with what says why."""

    line: Line
    repair_hours: float
    driver: str  # empty where none was answered
    prediction_id: str
    mode: str  # empty where none was answered
    mode_share: float  # its probability if the asset fails


@dataclass(frozen=True)
class DayView:
    """The repairs of a day."""

    begins: pd.Timestamp
    today: bool
    lines: tuple[LineView, ...]


@dataclass(frozen=True)
class LeftOutView:
    """The assets left out for one reason."""

    why: str
    count: int
    some: tuple[LeftOut, ...]


@dataclass(frozen=True)
class WorklistView:
    """What the page shows."""

    at: pd.Timestamp
    plan: FleetPlan
    request: WorklistRequest  # what was planned by
    start: str  # as the form has it
    days: tuple[DayView, ...]
    left_out: tuple[LeftOutView, ...]
    query: str  # for the files


def show_worklist(worker: "WorkerContext", asked: PageRequest) -> Page:
    """Gather the page; its form changes what is planned by."""
    request, plan = _plan(worker, asked)
    now = worker.predictor.clock()
    return Page(
        "worklist",
        WorklistView(
            at=now,
            plan=plan,
            request=request,
            start=asked.query.get("start", ""),
            days=_days(plan, now, asked.formats.zone),
            left_out=_left_out(plan),
            query=urlencode({name: value for name, value in asked.query.items() if name != FIELD}),
        ),
    )


def send_csv(worker: "WorkerContext", asked: PageRequest) -> Response:
    """Return the list as a file for a spreadsheet of the viewer's language."""
    _, plan = _plan(worker, asked)
    text = worklist_csv(plan, zone=asked.formats.zone, decimal_comma=asked.formats.language == "de")
    # By the mark spreadsheets know that the text is UTF-8.
    return _file(f"\ufeff{text}", "text/csv; charset=utf-8", "worklist.csv")


def send_calendar(worker: "WorkerContext", asked: PageRequest) -> Response:
    """Return the repairs as events of a calendar."""
    _, plan = _plan(worker, asked)
    formats = asked.formats

    def describe(line: Line) -> tuple[str, str]:
        values = {"share": formats.percent(line.fails), "until": formats.instant(plan.worklist.until)}
        saved = asked.text("worklist.saves", amount=formats.amount(line.saves))
        latest = asked.text("worklist.latest_by", at=formats.instant(line.latest))
        because = asked.text("worklist.because", **values)
        return asked.text("worklist.repair", asset=line.asset), f"{because} {saved} {latest}"

    text = worklist_calendar(plan, now=worker.predictor.clock(), describe=describe)
    return _file(text, "text/calendar; charset=utf-8", "worklist.ics")


def _plan(worker: "WorkerContext", asked: PageRequest) -> tuple[WorklistRequest, FleetPlan]:
    request = plan_request(worker, asked.query, asked.formats.zone)
    # A page that is looked at changes nothing: predictions are stored, and open alarms that others are sent.
    return request, fleet_plan(worker, request, predict=False)


def _file(text: str, media_type: str, name: str) -> Response:
    headers = {**HEADERS, "Content-Disposition": f'attachment; filename="{name}"'}
    return Response(text.encode("utf-8"), headers=headers, media_type=media_type)


def _days(plan: FleetPlan, now: pd.Timestamp, zone: str) -> tuple[DayView, ...]:
    today = now.tz_convert(zone).date()
    days = groupby(plan.worklist.lines, key=lambda line: line.begins)
    return tuple(
        DayView(begins, begins.tz_convert(zone).date() == today, tuple(_line(plan, line) for line in lines))
        for begins, lines in days
    )


def _line(plan: FleetPlan, line: Line) -> LineView:
    forecast = plan.forecasts[line.asset]
    return LineView(
        line,
        plan.terms.of(line.asset).repair_hours,
        forecast.driver,
        forecast.prediction_id,
        forecast.mode,
        forecast.mode_share,
    )


def _left_out(plan: FleetPlan) -> tuple[LeftOutView, ...]:
    left = plan.worklist.left_out
    counts: Mapping[str, int] = Counter(each.why for each in left)
    order = [why for why in _IN_ORDER if why in counts] + sorted(set(counts) - set(_IN_ORDER))
    return tuple(
        LeftOutView(why, counts[why], tuple([each for each in left if each.why == why][:_MOST_LISTED])) for why in order
    )
