"""The page of spare parts, and its file."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

import pandas as pd
from starlette.responses import Response

from models.parts.catalogue import ALL_PLANTS
from models.parts.orders.proposals import propose_orders
from models.parts.orders.proposed import ProposedOrder, ProposedOrders
from serving.http.errors import unprocessable
from serving.http.json_bodies import show
from serving.pages.frame.csv_files import csv_file
from serving.pages.frame.page_request import PageRequest
from serving.pages.frame.show import Page

if TYPE_CHECKING:
    from serving.worker_context import WorkerContext

_FURTHEST = pd.Timedelta(days=3650)
_COLUMNS = (
    *("plant", "part", "name", "supplier", "order", "up_to", "on_hand", "on_order", "counted_at", "lead_days"),
    *("expected", "within_days", "runs_out", "enough_without", "enough_with", "cost", "currency", "reason", "unknown"),
)


@dataclass(frozen=True)
class PartRow:
    """A part of a store."""

    order: ProposedOrder
    runs_out: pd.Timestamp | None  # what is in stock, at the expected rate; None if not known, or in ten years

    @property
    def state(self) -> str:
        """Return "order", "enough", or "unknown" where no order can be worked out."""
        if self.order.order is None:
            return "unknown"
        return "order" if self.order.order else "enough"


@dataclass(frozen=True)
class PlantRows:
    """The parts of a plant's store."""

    plant: str  # `ALL_PLANTS` where one store serves all; "" for assets without a plant
    rows: tuple[PartRow, ...]


@dataclass(frozen=True)
class PartsView:
    """What the page shows."""

    proposed: ProposedOrders
    stores: tuple[PlantRows, ...]
    plants: tuple[str, ...]  # to choose from
    plant: str  # chosen; "" for all
    counted: bool  # whether any stock was
    to_place: int  # of what is shown
    cost: float
    common: str = ALL_PLANTS


def show_parts(worker: "WorkerContext", asked: PageRequest) -> Page:
    """Gather the page; `plant` chooses a store, with that which serves all."""
    proposed, plant, plants = _proposed(worker, asked)
    orders = _of_plant(proposed, plant)
    by_plant = sorted(orders, key=lambda order: (order.plant == "", order.plant == ALL_PLANTS, order.plant))
    stores = groupby(by_plant, key=lambda order: order.plant)
    return Page(
        "parts_to_order",
        PartsView(
            proposed=proposed,
            stores=tuple(PlantRows(name, tuple(_row(each, proposed.as_of) for each in own)) for name, own in stores),
            plants=plants,
            plant=plant,
            counted=any(order.counted for order in proposed.orders),
            to_place=sum(bool(order.order) for order in orders),
            cost=sum(order.cost or 0.0 for order in orders),
        ),
    )


def send_csv(worker: "WorkerContext", asked: PageRequest) -> Response:
    """Return the parts as a file for a spreadsheet."""
    proposed, plant, _ = _proposed(worker, asked)
    orders = _of_plant(proposed, plant)
    return csv_file(asked, "parts.csv", _COLUMNS, (_cells(order, proposed, asked) for order in orders))


def runs_out(order: ProposedOrder, as_of: pd.Timestamp) -> pd.Timestamp | None:
    """Return when what is in stock is used up at the expected rate, without what is under way."""
    demand, counted = order.demand, order.counted
    if demand is None or counted is None or not demand.demand.expected > 0:
        return None
    days = max(counted.stock.on_hand, 0) * demand.days / demand.demand.expected
    return None if days >= _FURTHEST.days else as_of + pd.Timedelta(days=days)


def _proposed(worker: "WorkerContext", asked: PageRequest) -> tuple[ProposedOrders, str, tuple[str, ...]]:
    proposed = propose_orders(worker.workspace, as_of=worker.predictor.clock(), terms=worker.orders)
    plants = tuple(sorted({order.plant for order in proposed.orders} - {ALL_PLANTS, ""}))
    plant = asked.query.get("plant", "")
    if plant and plant not in plants:
        raise unprocessable("plant", show(plant[:80]), "a plant that has parts", "Choose one of the list")
    return proposed, plant, plants


def _of_plant(proposed: ProposedOrders, plant: str) -> list[ProposedOrder]:
    return [order for order in proposed.orders if not plant or order.plant in (plant, ALL_PLANTS)]


def _row(order: ProposedOrder, as_of: pd.Timestamp) -> PartRow:
    return PartRow(order, runs_out(order, as_of))


def _cells(order: ProposedOrder, proposed: ProposedOrders, asked: PageRequest) -> tuple[object, ...]:
    return tuple(_values(order, proposed, asked))


def _values(order: ProposedOrder, proposed: ProposedOrders, asked: PageRequest) -> Iterator[object]:
    part, counted, demand, formats = order.part, order.counted, order.demand, asked.formats
    yield from (order.plant, part.part, part.name, part.supplier, order.order, order.up_to)
    yield from (
        (None, None, None)
        if counted is None
        else (
            counted.stock.on_hand,
            counted.stock.on_order,
            formats.date(counted.counted_at),
        )
    )
    yield part.lead_days
    yield from (None, None) if demand is None else (demand.demand.expected, demand.days)
    empty = runs_out(order, proposed.as_of)
    yield None if empty is None else formats.date(empty)
    yield from (order.enough_without, order.enough_with, order.cost, formats.currency, order.reason)
    yield "; ".join(each.words for each in order.unknown)
