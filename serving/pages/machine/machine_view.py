"""What the page of a machine shows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from data_contracts.records.answer_records import Answer, find_answers
from data_contracts.records.overview.fleet_predictions import answering_models, newest_of_asset
from models.alarms import Alarm
from serving.http.errors import NOT_FOUND, ApiError
from serving.pages.alarms.rows import AlarmRow, alarm_rows
from serving.pages.charts.line_chart import Span, TimeFrame
from serving.pages.fleet_state.alarms import alarms_since
from serving.pages.fleet_state.drivers import DriverShown, Explained, explain
from serving.pages.fleet_state.places import Place, machine_places
from serving.pages.fleet_state.risks import Risk, risks_of
from serving.pages.fleet_state.shown_time import ShownTime, shown_time
from serving.pages.fleet_state.statuses import Status, statuses
from serving.pages.frame.page_request import PageRequest
from serving.pages.frame.show import Page
from serving.pages.machine.machine_query import SPANS, MachineQuery, read_query
from serving.pages.machine.not_known import NotKnown, not_known
from serving.pages.machine.readings import Readings, read_readings
from serving.pages.machine.risk_course import Course, risk_courses
from serving.pages.machine.sensor_trends import Trend, sensor_trends
from serving.pages.machine.twin_table import TwinTable, twin_table
from serving.pages.machine.work_history import Happened, work_history
from serving.routes.known_assets import check_known
from serving.schemas.request_bodies import is_name

if TYPE_CHECKING:
    from serving.worker_context import WorkerContext

_LONGEST_WINDOW = pd.Timedelta(days=60)
_NO_TIME = pd.Timedelta(0)
# For so long after its claim a finding on an alarm is asked for here.
_ASKED_FOR = pd.Timedelta(days=14)


@dataclass(frozen=True)
class MachineView:
    """What the page shows."""

    shown: ShownTime
    query: MachineQuery
    place: Place
    status: Status
    risks: tuple[Risk, ...]  # of each model, the highest first
    explained: Mapping[str, Explained]  # by model
    abstention: Answer | None  # the last answer, where no prediction holds
    alarms: tuple[Alarm, ...]  # to act on, the most urgent first
    alarm_rows: tuple[AlarmRow, ...]  # to enter findings on, the latest first
    courses: tuple[Course, ...]
    trends: tuple[Trend, ...]
    channels: tuple[str, ...]
    readings: Readings
    history: tuple[Happened, ...]
    unknown: NotKnown | None
    twin: TwinTable

    @property
    def spans(self) -> tuple[int, ...]:
        """Return the numbers of days to choose from."""
        return tuple(sorted({*SPANS, self.query.days}))

    @property
    def risk(self) -> Risk | None:
        """Return the highest risk."""
        return self.risks[0] if self.risks else None

    @property
    def drivers(self) -> Sequence[DriverShown]:
        """Return what drives it."""
        return self.explained[self.risks[0].model].drivers if self.risks else ()


def machine_page(worker: "WorkerContext", asked: PageRequest) -> Page:
    """Gather the page."""
    return Page("machine", machine_view(worker, asked.parameters["asset"], asked.query))


def machine_view(worker: "WorkerContext", asset: str, query: Mapping[str, str]) -> MachineView:
    """Gather what the page of a machine shows; ApiError 404 for an unknown one, 422 for a wrong query."""
    shown = shown_time(worker, query)
    chosen, place = read_query(query, shown.query), _place(worker, asset, shown)
    status = statuses(worker, [place], shown)[asset]
    risks = _risks(worker, asset, status, shown)
    alarms = _alarms(worker, asset, risks, status, chosen, shown)
    past = [alarm for alarm in alarms if alarm.last_alert > status.at - chosen.span]
    explained = {risk.model: explain(worker, {asset: risk}, shown)[asset] for risk in risks}
    history = work_history(worker, asset, past, shown)
    window = _window(worker, risks)
    readings = read_readings(worker, asset, place.asset_type, status, max(chosen.span, window or _NO_TIME), shown)
    frame = TimeFrame(max(readings.start, status.at - chosen.span), status.at)
    marks = [mark for row in history if (mark := row.mark) is not None]
    drivers = explained[risks[0].model].drivers if risks else ()
    return MachineView(
        shown=shown,
        query=chosen,
        place=place,
        status=status,
        risks=risks,
        explained=explained,
        abstention=_abstention(worker, asset, risks, status, shown),
        alarms=tuple(sorted((one for one in alarms if one.is_open), key=lambda one: one.closes)),
        alarm_rows=_alarm_rows(worker, alarms, shown),
        courses=risk_courses(worker, asset, risks, past, marks, TimeFrame(status.at - chosen.span, status.at)),
        trends=sensor_trends(readings, drivers, chosen.channel, frame, marks, _spans(past, risks, window)),
        channels=readings.channels,
        readings=readings,
        history=history,
        unknown=not_known(worker, asset, risks[0] if risks else None, _content(explained, risks), readings),
        twin=twin_table(worker, asset, status, shown),
    )


def _alarm_rows(worker: "WorkerContext", alarms: Sequence[Alarm], shown: ShownTime) -> tuple[AlarmRow, ...]:
    """Return the alarms that findings are asked for; none where the past is shown."""
    if not shown.live:
        return ()
    return alarm_rows(worker, [one for one in alarms if one.closes > shown.at - _ASKED_FOR], shown)


def _place(worker: "WorkerContext", asset: str, shown: ShownTime) -> Place:
    if not is_name(asset):
        raise ApiError(NOT_FOUND, "asset", "a text that cannot be an asset's name", "a known asset", "Correct it")
    places = machine_places(worker, shown)
    if asset not in places:
        check_known(worker, {"asset": asset})
    return places.get(asset, Place(asset, asset, None, None, None))


def _risks(worker: "WorkerContext", asset: str, status: Status, shown: ShownTime) -> tuple[Risk, ...]:
    """Return the newest prediction of each model, the highest risk first."""
    engine = worker.predictor.log.commit.engine()
    models = [model.name for model in answering_models(engine, until=shown.at, made_by=shown.known_by)]
    newest = newest_of_asset(engine, asset, models, until=shown.at, made_by=shown.known_by)
    found = [risk for _, risk in risks_of(newest)]
    return tuple(risk for _, risk in sorted((one.rank(status.at), one) for one in found))


def _alarms(
    worker: "WorkerContext",
    asset: str,
    risks: Sequence[Risk],
    status: Status,
    chosen: MachineQuery,
    shown: ShownTime,
) -> list[Alarm]:
    """Return the alarms of the span that is shown, and those that findings are asked for, the latest first."""
    if not risks:
        return []
    since = min(status.at - chosen.span, shown.at - _ASKED_FOR)
    return alarms_since(worker, since, shown, asset=asset, presents={asset: status.at})


def _window(worker: "WorkerContext", risks: Sequence[Risk]) -> pd.Timedelta | None:
    """Return how far back the leading model looks, as far as a page can show; None where it is not at hand."""
    champion = worker.watch.current
    if champion is None or not risks or champion.name != risks[0].model:
        return None
    return min(champion.artifact.recipe.lookback, _LONGEST_WINDOW)


def _spans(past: Sequence[Alarm], risks: Sequence[Risk], window: pd.Timedelta | None) -> list[Span]:
    spans = [Span("alarm", one.since, one.last_alert, one.model) for one in past]
    if risks and window:
        spans.append(Span("window", risks[0].as_of - window, risks[0].as_of, risks[0].model))
    return spans


def _abstention(
    worker: "WorkerContext", asset: str, risks: Sequence[Risk], status: Status, shown: ShownTime
) -> Answer | None:
    """Return the last answer if it was none: asked for only where no prediction holds, for answers are long."""
    if not shown.live or any(risk.holds(status.at) for risk in risks):
        return None
    answers = find_answers(worker.predictor.log.commit.engine(), asset=asset, limit=1)
    return answers[0] if answers and answers[0].reason is not None else None


def _content(explained: Mapping[str, Explained], risks: Sequence[Risk]) -> Mapping[str, Any]:
    return explained[risks[0].model].content if risks else {}
