"""What the fleet page shows: machines by risk, with status, alarm, main driver, time to act and the last days."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from models.alarms import Alarm
from serving.pages.charts.sparkline import Sparkline, sparklines
from serving.pages.fleet.fleet_filter import ALL, FleetFilter, read_filter
from serving.pages.fleet_state.alarms import open_alarms
from serving.pages.fleet_state.drivers import DriverShown, Explained, explain
from serving.pages.fleet_state.places import Place, machine_places
from serving.pages.fleet_state.risks import Risk, newest_risks
from serving.pages.fleet_state.shown_time import ShownTime, shown_time
from serving.pages.fleet_state.statuses import STATUSES, Status, StatusCode, statuses
from serving.pages.frame.page_request import PageRequest
from serving.pages.frame.show import Page

if TYPE_CHECKING:
    from serving.worker_context import WorkerContext

COURSE = pd.Timedelta(days=7)
"""How far back the small charts reach."""
_NO_TIME = pd.Timedelta(0)
_NO_RISK = (True, True, 0.0, "")
_Key = tuple[Any, ...]


@dataclass(frozen=True)
class Machine:
    """A machine of the fleet, before anything is read about it alone."""

    place: Place
    status: Status
    risks: tuple[Risk, ...]  # the highest first
    alarms: tuple[Alarm, ...]  # that are open, the one whose claim is over first at first

    @property
    def risk(self) -> Risk | None:
        """Return the highest risk."""
        return self.risks[0] if self.risks else None

    @property
    def alarm(self) -> Alarm | None:
        """Return the alarm that leaves the least time."""
        return self.alarms[0] if self.alarms else None


@dataclass(frozen=True)
class FleetRow:
    """A row of the table."""

    machine: Machine
    driver: DriverShown | None
    anomaly_score: float | None  # where the model gives no probability
    course: Sparkline | None


@dataclass(frozen=True)
class FleetView:
    """What the page shows."""

    shown: ShownTime
    filter: FleetFilter
    rows: tuple[FleetRow, ...]
    total: int  # machines that the filter takes, on all pages
    machines: int  # all there are
    alarms: int  # that are open
    by_status: Mapping[StatusCode, int]
    plants: tuple[str, ...]
    lines: tuple[str, ...]
    models: tuple[str, ...]
    pages: int
    predicted: bool  # whether any model has predicted anything
    course: pd.Timedelta = COURSE


def fleet_page(worker: "WorkerContext", asked: PageRequest) -> Page:
    """Gather the page."""
    return Page("fleet", fleet_view(worker, asked.query))


def fleet_view(worker: "WorkerContext", query: Mapping[str, str]) -> FleetView:
    """Gather what the page shows, by its query."""
    shown = shown_time(worker, query)
    chosen = read_filter(query, shown.query)
    machines, models = read_machines(worker, shown)
    taken = [one for one in machines if _takes(chosen, one)] if chosen.is_narrow else machines
    kept = sorted(taken, key=_ORDERS[chosen.sort])
    size = max(len(kept), 1) if chosen.size == ALL else int(chosen.size)
    pages = max(-(-len(kept) // size), 1)
    first = (min(chosen.page, pages) - 1) * size
    within = [one for one in machines if not chosen.plant or one.place.plant == chosen.plant]
    return FleetView(
        shown=shown,
        filter=chosen,
        rows=_rows(worker, kept[first : first + size], shown),
        total=len(kept),
        machines=len(machines),
        alarms=sum(len(one.alarms) for one in machines),
        by_status=dict.fromkeys(STATUSES, 0) | Counter(one.status.code for one in machines),
        plants=_names(one.place.plant for one in machines),
        lines=_names(one.place.line for one in within),
        models=tuple(models),
        pages=pages,
        predicted=bool(models),
    )


def read_machines(worker: "WorkerContext", shown: ShownTime) -> tuple[list[Machine], list[str]]:
    """Read all machines, each kind of record at once, and the names of the models that have predicted."""
    places = machine_places(worker, shown)
    models, risks = newest_risks(worker, places, shown)
    for asset in risks:  # of machines that are recorded no more
        places.setdefault(asset, Place(asset, asset, None, None, None))
    state = statuses(worker, places.values(), shown)
    presents = {asset: status.at for asset, status in state.items()}
    alarms = open_alarms(worker, models, presents, shown)
    machines = []
    for asset, place in places.items():
        own, ranked = alarms.get(asset, ()), risks.get(asset, ())
        if len(ranked) > 1:
            ranked = tuple(risk for _, risk in sorted((one.rank(presents[asset]), one) for one in ranked))
        machines.append(Machine(place, state[asset], ranked, own))
    return machines, [model.name for model in models]


def _takes(chosen: FleetFilter, machine: Machine) -> bool:
    place = machine.place
    words = (place.asset, place.name, place.plant, place.line, place.asset_type)
    return (
        (not chosen.plant or place.plant == chosen.plant)
        and (not chosen.line or place.line == chosen.line)
        and (not chosen.model or any(risk.model == chosen.model for risk in machine.risks))
        and (not chosen.status or machine.status.code == chosen.status)
        and (not chosen.alarm or _has_alarm(chosen.alarm, machine.alarms))
        and (not chosen.q or any(chosen.q.casefold() in word.casefold() for word in words if word))
    )


def _has_alarm(wanted: str, alarms: Sequence[Alarm]) -> bool:
    if wanted == "unacknowledged":
        return any(alarm.acknowledged is None for alarm in alarms)
    return bool(alarms) == (wanted == "open")


def _by_risk(machine: Machine) -> _Key:
    risk, at = machine.risk, machine.status.at
    rank = _NO_RISK if risk is None else risk.rank(at)
    # What is retired needs nobody.
    last = machine.status.code == "retired" or risk is None
    return not machine.alarms, last, rank, machine.place.asset


def _by_time(machine: Machine) -> _Key:
    alarm = machine.alarm
    left = _NO_TIME if alarm is None else alarm.closes - machine.status.at
    return alarm is None, left, *_by_risk(machine)


def _by_name(machine: Machine) -> _Key:
    return machine.place.name.casefold(), machine.place.asset


_ORDERS: Mapping[str, Callable[[Machine], _Key]] = {"risk": _by_risk, "act": _by_time, "machine": _by_name}


def _rows(worker: "WorkerContext", machines: Sequence[Machine], shown: ShownTime) -> tuple[FleetRow, ...]:
    leading = {one.place.asset: one.risk for one in machines if one.risk is not None}
    explained = explain(worker, leading, shown)
    courses = sparklines(worker, leading, COURSE)
    none = Explained()
    rows = []
    for machine in machines:
        asset = machine.place.asset
        said = explained.get(asset, none)
        rows.append(FleetRow(machine, said.main, said.content.get("anomaly_score"), courses.get(asset)))
    return tuple(rows)


def _names(values: Iterable[str | None]) -> tuple[str, ...]:
    return tuple(sorted({value for value in values if value}))
