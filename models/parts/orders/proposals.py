"""Proposing orders of spare parts from what is known at a time: the gather function behind command and page.

The demand of a part until the order after the next decision arrives is that of open alarms, by their calibrated
probabilities and the measured share of failures that take the part, plus that which no alarm announces, by experience
and the measured share of failures that open alarms leave out. How much to order is the newsvendor's choice.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import pandas as pd

from data_contracts.contract.registered import recorded_type
from data_contracts.errors import NotFoundError, did_you_mean
from data_contracts.records.records import open_records
from data_contracts.tables import tables
from data_contracts.tables.corrections import latest_records
from data_contracts.tables.service_records import RETIRED
from data_contracts.workspace import Workspace
from models.alarms import closings_known
from models.parts.catalogue import ALL_PLANTS, CountedStock, SparePart, read_parts, read_stock
from models.parts.open_alarms import Watched, watched_now
from models.parts.orders.order_terms import OrderTerms
from models.parts.orders.part_demand import Fleet, part_demand
from models.parts.orders.part_order import no_record, part_order
from models.parts.orders.proposed import ProposedOrder, ProposedOrders
from models.parts.past_use import known_repairs
from models.parts.watching import watching_models
from models.registry.registry import Registry

_USUAL = OrderTerms()
_WORTH_SAYING = 0.05  # of a correction of probabilities


@dataclass(frozen=True)
class _Place:
    """A store, the assets it serves, and the count of a part in it."""

    plant: str
    assets: pd.DataFrame
    counted: CountedStock | None


def propose_orders(
    workspace: Workspace, *, as_of: pd.Timestamp, plant: str | None = None, terms: OrderTerms = _USUAL
) -> ProposedOrders:
    """Propose the orders of all parts, or of those that one plant may need, by nothing known later than `as_of`.

    What is not known of a part is said beside it; where its lead time or its stock is not known, no order is worked
    out. `NotFoundError` if there are no assets at the plant.
    """
    records, registry = open_records(workspace.records_url), Registry(workspace)
    failures, orders = (tables.read(workspace, name, as_of=as_of) for name in ("failures", "work_orders"))
    closings = closings_known(failures, orders, tables.read(workspace, "assets", as_of=as_of), as_of)
    repairs = known_repairs(failures, orders, as_of)
    models, others = watching_models(registry, records, repairs, as_of)
    watched = tuple(watched_now(records, model, as_of, closings) for model in models)
    assets = _assets_in_service(workspace, as_of)
    if plant is not None and plant not in set(assets["plant"]):
        raise _unknown_plant(plant, assets)
    fleet = Fleet(
        as_of=as_of,
        assets=assets,
        repairs=repairs,
        since=_first_record(failures, orders),
        watched=watched,
        recorded_types={each.asset_type: recorded_type(workspace.contracts, each.asset_type) for each in models},
    )
    parts, counts = read_parts(workspace, as_of), read_stock(workspace, as_of)
    proposed = [
        _propose(part, place, fleet, terms)
        for part in parts
        for place in _places(fleet.fitting(part), [count for count in counts if count.part == part.part])
        if plant is None or plant in set(place.assets["plant"]) or place.plant == plant
    ]
    known = {part.part for part in parts}
    proposed += [
        no_record(count)
        for count in counts
        if count.part not in known and (plant is None or count.plant in (plant, ALL_PLANTS))
    ]
    return ProposedOrders(
        as_of, plant, terms, tuple(sorted(proposed, key=_rank)), models, tuple(_notes(parts, watched, others, terms))
    )


def _propose(part: SparePart, place: _Place, fleet: Fleet, terms: OrderTerms) -> ProposedOrder:
    demand, unknown = part_demand(part, place.assets, fleet, terms)
    return part_order(part, place.plant, len(place.assets), demand, place.counted, unknown, terms, fleet.as_of)


def _places(own: pd.DataFrame, counts: Iterable[CountedStock]) -> Iterable[_Place]:
    """Yield the stores of a part that fits some assets: of each plant with its own count, and of the others."""
    by_plant = {each.plant: each for each in counts}
    common = by_plant.pop(ALL_PLANTS, None)
    plants = sorted({*by_plant, *(() if common is not None else own["plant"])})
    for plant in plants:
        yield _Place(plant, own[own["plant"] == plant], by_plant.get(plant))
    if common is not None:
        yield _Place(ALL_PLANTS, own[~own["plant"].isin(by_plant)], common)
    elif not plants:
        yield _Place("", own, None)


def _assets_in_service(workspace: Workspace, as_of: pd.Timestamp) -> pd.DataFrame:
    """Return asset, asset_type, model and plant, empty where it has none, of the assets in service at a time."""
    records = latest_records(tables.read(workspace, "assets", as_of=as_of, end=as_of))
    rows = records.reindex(columns=["asset", "asset_type", "model", "plant", "status"])
    rows = rows[~rows["status"].eq(RETIRED).fillna(False).astype(bool)].drop(columns="status")
    return rows.astype({"plant": object, "model": object}).fillna({"plant": "", "model": ""}).reset_index(drop=True)


def _first_record(*frames: pd.DataFrame) -> pd.Timestamp | None:
    """Return when records of failures and work begin."""
    first = [frame["event_time"].min() for frame in frames if len(frame)]
    return min(first, default=None)


def _rank(order: ProposedOrder) -> tuple[int, float, str, str]:
    """Order what to place first, by what it saves, then what could not be worked out, then the rest."""
    group = 1 if order.order is None else 2 if not order.order else 0
    return group, -(order.saves or 0.0), order.part.part, order.plant


def _notes(
    parts: Iterable[SparePart], watched: Iterable[Watched], others: Iterable[str], terms: OrderTerms
) -> Iterable[str]:
    """Say what was decided for all parts."""
    if not parts:
        yield "No parts are recorded: `forewarn ingest parts.csv --contract spare_parts` brings them in."
    if terms.downtime_per_hour is None:
        yield (
            "What an hour of downtime costs is not known, so parts are ordered up to a probability of having enough of "
            f"{terms.service_level:.0%}; --downtime-per-hour or the setting costs.downtime_per_hour says it."
        )
    for each in watched:
        name = f"{each.model.name} version {each.model.version}"
        warning = each.model.warning
        missed = (
            f"no alarm announces {warning.unannounced_within(warning.claim):.0%} of the failures within its horizon yet"
        )
        basis = f"measured on {warning.failures:,}"
        if warning.assumed:
            basis = (
                f"as alarms are taken to come at any time of it; missed altogether are those of {warning.failures:,}"
            )
        if each.latest is None:
            yield f"{name} has predicted nothing that still counts: failures are expected by experience alone."
        else:
            alarms = f"{len(each.alarms):,} open alarms by its predictions up to {each.latest:%Y-%m-%d %H:%M}"
            yield f"{name} has {alarms}; {missed}, {basis}."
            if abs(warning.kept - 1) >= _WORTH_SAYING:
                yield (
                    f"{warning.kept:.2f} failures came for each that the alarms of {name} announced by their "
                    "probabilities, which are corrected by that."
                )
    for name in others:
        yield f"{name} does not give probabilities of booked failures; its alarms are not counted."


def _unknown_plant(plant: str, assets: pd.DataFrame) -> NotFoundError:
    plants = sorted(set(assets["plant"]) - {""})
    expected = f"one of {', '.join(plants)}" if plants else "a plant that assets are recorded at"
    return NotFoundError(f"no assets at plant {plant!r}", expected, did_you_mean(plant, plants) or "Name another")
