"""Why so many of a part are to be ordered, in sentences."""

import pandas as pd

from models.parts.catalogue import CountedStock, SparePart
from models.parts.orders.order_terms import OrderTerms
from models.parts.orders.proposed import PartDemand
from models.parts.stocking import OrderProposal

_NAMED = 4  # assets; the others are summed up


def order_reason(
    part: SparePart, demand: PartDemand, counted: CountedStock, proposal: OrderProposal, terms: OrderTerms
) -> str:
    """Say what an order rests on."""
    level = f"{_percent(proposal.enough_without)} sure to suffice"
    if proposal.order:
        level += f", {_percent(proposal.enough_with)} with {proposal.order} more"
    return f"{demand_words(part, demand, terms)}; {stock_words(counted)}: {level}; {level_words(part, proposal, terms)}"


def demand_words(part: SparePart, demand: PartDemand, terms: OrderTerms) -> str:
    """Say what is expected to be needed, and from where."""
    of_lead = f"{part.lead_days:g} to arrive and {terms.review_days:g} to the next review"
    return f"{_number(demand.demand.expected)} expected within {demand.days:g} days, {of_lead} ({_sources(demand)})"


def stock_words(counted: CountedStock) -> str:
    """Say what there is."""
    under_way = f", {counted.stock.on_order} on order" if counted.stock.on_order else ""
    return f"stock {counted.stock.on_hand}{under_way}"


def level_words(part: SparePart, proposal: OrderProposal, terms: OrderTerms) -> str:
    """Say which probability of having enough is aimed at, and why."""
    aimed = f"aimed at {_percent(proposal.service_level)}"
    if terms.downtime_per_hour is None or part.price is None or part.wait_hours is None:
        return f"{aimed}, by the setting parts.service_level"
    without = f"a machine without one stands {part.wait_hours:,.3g} h at {terms.downtime_per_hour:,.0f} an hour"
    return f"{aimed}: {without}, and one costs {part.price:,.0f}"


def age_words(counted_at: pd.Timestamp, as_of: pd.Timestamp) -> str:
    """Say how long ago the stock was counted."""
    return f"{(as_of - counted_at) / pd.Timedelta(days=1):,.0f} days ago, on {counted_at:%Y-%m-%d}"


def _sources(demand: PartDemand) -> str:
    likely, others = demand.alarms[:_NAMED], demand.alarms[_NAMED:]
    parts = [f"{alarm.asset} {_number(alarm.probability)}" for alarm in likely]
    if others:
        parts.append(f"{len(others)} more alarms {_number(sum(alarm.probability for alarm in others))}")
    quantity = demand.quantity
    unannounced = "failures that no alarm announces" if demand.alarms or demand.foresight_days else "failures"
    parts.append(f"{unannounced} {_number(demand.demand.unpredicted / quantity)}")
    return ", ".join(parts) + (f", each takes {quantity}" if quantity > 1 else "")


def _number(value: float) -> str:
    return f"{value:.2f}" if value < 1 else f"{value:.1f}"


def _percent(share: float) -> str:
    """Write a probability; one that is not quite certain is not written as if it were."""
    return f"{share:.0%}" if share < 0.99 or share == 1 else f"{min(share, 0.9999):.2%}"
