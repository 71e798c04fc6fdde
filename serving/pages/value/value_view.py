"""The page of value, and its file."""

from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import pandas as pd
from starlette.responses import Response

from data_contracts.errors import ModelError
from models.hold_back.acting_effect import Estimate
from models.registry.registry import LoadedModel, Registry
from models.value.costs import MONEY
from models.value.gather import Scope, gather_value
from models.value.ledger import COUNTS, LedgerRow, ValueLedger
from serving.http.errors import unprocessable
from serving.http.json_bodies import show
from serving.pages.charts.interval_chart import IntervalChart, NamedInterval, interval_chart
from serving.pages.fleet_state.places import machine_places
from serving.pages.fleet_state.shown_time import ShownTime
from serving.pages.frame.csv_files import csv_file
from serving.pages.frame.local_times import read_local
from serving.pages.frame.page_request import PageRequest
from serving.pages.frame.show import Page

if TYPE_CHECKING:
    from serving.worker_context import WorkerContext

_FILTERS = ("plant", "since", "until")
_HOURS = "downtime_hours"
_GROUPS = ("work", "saved", "hold_back_price")


@dataclass(frozen=True)
class ValueView:
    """What the page shows."""

    at: pd.Timestamp
    model: str
    ledger: ValueLedger
    saved: str | None  # the quantity that the tables show: money, or else hours; None where neither is known
    chart: IntervalChart | None  # None where nothing is identified in any month
    plants: tuple[str, ...]  # to choose from
    chosen: dict[str, str]  # the filters, as they were sent
    query: str  # for the file


@dataclass(frozen=True)
class NoValueView:
    """Why there is no ledger."""

    model: str
    error: ModelError


def show_value(worker: "WorkerContext", asked: PageRequest) -> Page:
    """Gather the page; `plant`, `since` and `until` choose alarms."""
    plants = _plants(worker)
    try:
        ledger = _ledger(worker, asked, plants)
    except ModelError as error:
        return Page("value", NoValueView(worker.watch.name, error))
    chosen = {name: asked.query[name] for name in _FILTERS if asked.query.get(name)}
    known = [name for name in (MONEY, _HOURS) if name in ledger.total.saved]
    return Page(
        "value",
        ValueView(
            at=worker.predictor.clock(),
            model=worker.watch.name,
            ledger=ledger,
            saved=known[0] if known else None,
            chart=_chart(ledger, asked),
            plants=plants,
            chosen=chosen,
            query=urlencode(chosen),
        ),
    )


def send_csv(worker: "WorkerContext", asked: PageRequest) -> Response:
    """Return every figure of the ledger as a file for a spreadsheet."""
    try:
        ledger = _ledger(worker, asked, _plants(worker))
    except ModelError as error:
        raise unprocessable(None, error.found, error.expected, "See /ui/value") from error
    names = sorted(
        {f"{group} {name}" for row in ledger.all_rows() for group in _GROUPS for name in getattr(row, group)}
    )
    columns = ["without_acting", "avoided", *names]
    ends = [f"{name.replace(' ', '_')}{end}" for name in columns for end in ("", "_low", "_high")]
    head = ("plant", "month", "state", "why", *COUNTS, *ends, "currency")
    return csv_file(asked, "value.csv", head, (_cells(row, columns, ledger) for row in ledger.all_rows()))


def _cells(row: LedgerRow, columns: list[str], ledger: ValueLedger) -> list[object]:
    cells: list[object] = [row.plant, row.month, row.state, row.why]
    cells += [getattr(row, name) for name in COUNTS]
    for column in columns:
        group, _, name = column.partition(" ")
        estimate: Estimate | None = getattr(row, group).get(name) if name else getattr(row, group)
        cells += [None] * 3 if estimate is None else [float(estimate.value), float(estimate.low), float(estimate.high)]
    return [*cells, ledger.currency]


def _ledger(worker: "WorkerContext", asked: PageRequest, plants: tuple[str, ...]) -> ValueLedger:
    plant = asked.query.get("plant") or None
    if plant is not None and plant not in plants:
        raise unprocessable("plant", show(plant[:80]), "a plant with machines of the model", "Choose one of the list")
    since, until = (_day(asked, name) for name in ("since", "until"))
    if since is not None and until is not None and since >= until:
        raise unprocessable("until", f"{until:%Y-%m-%d}", f"a day after {since:%Y-%m-%d}")
    champion, counting = worker.champion(), worker.counting
    tags = Registry(worker.workspace).tags(champion.name, champion.version)
    if "experiment" not in tags:
        found = f"version {champion.version} of {champion.name} does not say what its alarms claim"
        raise ModelError(found, "a version that `forewarn train` registered", "Promote one")
    return gather_value(
        worker.workspace,
        worker.predictor.log.commit.engine(),
        LoadedModel(champion.name, champion.version, champion.artifact, None, tags),
        now=worker.predictor.clock(),
        costs=worker.costs,
        settings=worker.value,
        scope=Scope(plant, since, until, asked.formats.zone),
        gap=counting.gap,
        reporting_delay=counting.reporting_delay,
    )


def _plants(worker: "WorkerContext") -> tuple[str, ...]:
    asset_type = worker.champion().artifact.recipe.asset_type
    places = machine_places(worker, ShownTime(worker.predictor.clock(), live=True)).values()
    return tuple(sorted({place.plant for place in places if place.plant and place.asset_type == asset_type}))


def _day(asked: PageRequest, name: str) -> pd.Timestamp | None:
    """Read a day of the filter, which begins at midnight in the plant's time."""
    text = asked.query.get(name, "").strip()
    return read_local(name, text, asked.formats.zone, expected="a day such as 2026-01-31") if text else None


def _chart(ledger: ValueLedger, asked: PageRequest) -> IntervalChart | None:
    months = ledger.months
    if not any(row.avoided for row in months):
        return None
    return interval_chart("avoided", [_named(row, asked) for row in months])


def _named(row: LedgerRow, asked: PageRequest) -> NamedInterval:
    month, number = row.month or "", asked.formats.number
    if row.avoided is None:
        return NamedInterval(month, None, None, None, f"{month}: {asked.text('value.not_identified')}")
    value, low, high = row.avoided.value, row.avoided.low, row.avoided.high
    words = asked.text("value.estimate", value=number(value, 1), low=number(low, 1), high=number(high, 1))
    return NamedInterval(month, value, low, high, f"{month}: {words}")
