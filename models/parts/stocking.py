"""How many of a part to have, and to order now: the newsvendor's choice at each review.

An order that is placed now arrives after the lead time, and the next one can arrive a review later: what is in stock
and under way has to last until then. A part too few costs the downtime until one is there by express; a part too many
costs its keeping. With the cost of a part too few c_u and of one too many c_o, the cheapest stock is the smallest that
suffices with probability c_u / (c_u + c_o).

References
----------
K. J. Arrow, T. Harris & J. Marschak, "Optimal inventory policy", Econometrica 19 (1951) 250-272; E. A. Silver, D. F.
Pyke & D. J. Thomas, *Inventory and Production Management in Supply Chains* (4th ed. 2017), chapter 6.7 (order-up-to).
"""

import math
from dataclasses import dataclass

from data_contracts.errors import UsageError
from models.parts.demand import Demand

_YEAR_DAYS = 365.25
_SUREST = 1 - 1e-6
"""No stock is to suffice with a higher probability: so far out no history tells what the demand is."""


@dataclass(frozen=True)
class PartTerms:
    """What having and not having a part costs, in one currency, and how long it takes to come."""

    part: str
    price: float  # of one
    lead_days: float  # from an order to its arrival
    shortage: float  # of one that is missing when a machine stands: downtime until it is there, and its express
    keeping_a_year: float = 0.25  # capital, space and ageing of one in stock a year, as a share of its price
    review_days: float = 7.0  # how often orders can be placed

    def __post_init__(self) -> None:
        for name in ("price", "lead_days", "shortage", "keeping_a_year"):
            if not 0 <= getattr(self, name) < math.inf:
                raise _invalid(f"{name} of {getattr(self, name)} for {self.part!r}", "a finite number, 0 or more")
        if not 0 < self.review_days < math.inf:
            raise _invalid(f"a review every {self.review_days} days", "a finite number, more than 0")

    @property
    def protected_days(self) -> float:
        """Return how long a stock has to last: until the order after the next decision arrives."""
        return self.lead_days + self.review_days

    @property
    def service_level(self) -> float:
        """Return the probability of having enough that costs least."""
        too_many = self.price * self.keeping_a_year * self.review_days / _YEAR_DAYS
        total = self.shortage + too_many
        return min(self.shortage / total, _SUREST) if total else 0.0


@dataclass(frozen=True)
class Stock:
    """What there is of a part at a place."""

    on_hand: int
    on_order: int = 0  # under way, and there within the lead time

    def __post_init__(self) -> None:
        if self.on_order < 0:
            raise _invalid(f"{self.on_order} parts on order", "a whole number, 0 or more")

    @property
    def position(self) -> int:
        """Return what is there and under way; less than zero where parts are owed."""
        return self.on_hand + self.on_order


@dataclass(frozen=True)
class OrderProposal:
    """How many of a part to order now, and what that rests on."""

    part: str
    order: int
    up_to: int  # the stock position after it
    stock: Stock
    expected: float  # needed until the next order can arrive
    predicted: float  # of these, by open alarms
    service_level: float
    enough_without: float  # the probability that what there is suffices
    enough_with: float  # the same with the order
    saves: float  # how much lower the expected cost of shortages is, less what keeping them for a review costs


def propose_order(terms: PartTerms, demand: Demand, stock: Stock, *, level: float | None = None) -> OrderProposal:
    """Return the order that brings the stock position to the cheapest; none where there is enough.

    `demand` is that within `terms.protected_days`. With a `level` the position is to suffice with that probability,
    whatever it costs.

    Examples
    --------
    >>> from models.parts.demand import PredictedUse, UnpredictedUse, demand_within
    >>> terms = PartTerms("spindle bearing", price=1_200, lead_days=21, shortage=90_000)
    >>> demand = demand_within(28, [PredictedUse("m1", 0.4), PredictedUse("m2", 0.7)], UnpredictedUse(0.02, 0.3, 14))
    >>> proposal = propose_order(terms, demand, Stock(on_hand=1))
    >>> proposal.order, proposal.up_to, round(proposal.expected, 2), round(proposal.enough_without, 2)
    (5, 6, 1.46, 0.55)
    """
    level = terms.service_level if level is None else level
    up_to = demand.quantile(level) if level > 0 else 0
    order = max(0, up_to - stock.position)
    fewer = demand.shortage(max(0, stock.position)) - demand.shortage(max(0, stock.position + order))
    keeping = order * terms.price * terms.keeping_a_year * terms.review_days / _YEAR_DAYS
    return OrderProposal(
        part=terms.part,
        order=order,
        up_to=max(up_to, stock.position),
        stock=stock,
        expected=demand.expected,
        predicted=demand.predicted,
        service_level=level,
        enough_without=demand.at_most(stock.position),
        enough_with=demand.at_most(stock.position + order),
        saves=terms.shortage * fewer - keeping,
    )


def _invalid(found: str, expected: str) -> UsageError:
    return UsageError(found, expected, "Fix the terms of the part")
