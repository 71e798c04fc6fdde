"""The order of one part for one store."""

from collections.abc import Iterable
from dataclasses import replace

import pandas as pd

from models.parts.catalogue import USUAL_KEEPING, CountedStock, SparePart
from models.parts.orders.order_terms import OrderTerms
from models.parts.orders.order_words import age_words, demand_words, order_reason
from models.parts.orders.proposed import PartDemand, ProposedOrder, Unknown
from models.parts.stocking import PartTerms, Stock, propose_order


def part_order(
    part: SparePart,
    plant: str,
    assets: int,
    demand: PartDemand | None,
    counted: CountedStock | None,
    unknown: Iterable[Unknown],
    terms: OrderTerms,
    as_of: pd.Timestamp,
) -> ProposedOrder:
    """Return the order of a part, or why none can be worked out."""
    missing = [*unknown, *_unknown_stock(counted, terms, as_of)]
    if terms.downtime_per_hour is None:
        missing.append(Unknown("no_downtime_cost", "what an hour of downtime costs is not known"))
    known = ProposedOrder(part, plant, assets, "", tuple(missing), demand, counted)
    if demand is None:
        return replace(known, reason="no order can be worked out: no lead time is recorded")
    by_cost = not (terms.downtime_per_hour is None or part.price is None)
    stock = Stock(0) if counted is None else counted.stock
    level = None if by_cost else terms.service_level
    proposal = propose_order(_costs(part, terms), demand.demand, stock, level=level)
    known = replace(known, service_level=proposal.service_level, by_cost=by_cost)
    if counted is None:
        needed = f"{proposal.up_to} should be in stock or on order, and the stock has not been counted"
        return replace(known, up_to=proposal.up_to, reason=f"{demand_words(part, demand, terms)}: {needed}")
    return replace(
        known,
        order=proposal.order,
        up_to=proposal.up_to,
        enough_without=proposal.enough_without,
        enough_with=proposal.enough_with,
        saves=proposal.saves if by_cost else None,
        reason=order_reason(part, demand, counted, proposal, terms),
    )


def no_record(counted: CountedStock) -> ProposedOrder:
    """Return that nothing can be said of a part that was counted and that no list of parts has."""
    words = "it was counted, and no list of parts says what it is for"
    part = SparePart(counted.part, counted.part, frozenset())
    unknown = (Unknown("no_record_of_the_part", words),)
    return ProposedOrder(part, counted.plant, 0, f"no order can be worked out: {words}", unknown, counted=counted)


def _costs(part: SparePart, terms: OrderTerms) -> PartTerms:
    """Return a part's terms for the newsvendor; costs that are not known are not used, but the aim of the setting."""
    hours, per_hour = part.wait_hours or 0.0, terms.downtime_per_hour or 0.0
    return PartTerms(
        part=part.part,
        price=part.price or 0.0,
        lead_days=part.lead_days or 0.0,
        shortage=hours * per_hour,
        keeping_a_year=USUAL_KEEPING if part.keeping_a_year is None else part.keeping_a_year,
        review_days=terms.review_days,
    )


def _unknown_stock(counted: CountedStock | None, terms: OrderTerms, as_of: pd.Timestamp) -> Iterable[Unknown]:
    if counted is None:
        yield Unknown("no_stock_count", "the stock has not been counted")
    elif as_of - counted.counted_at > terms.old_count:
        yield Unknown("old_stock_count", f"it was counted {age_words(counted.counted_at, as_of)}")
