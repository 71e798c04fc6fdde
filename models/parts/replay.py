"""What a way of ordering would have cost: stock, day by day, under the demand that there was.

Reviews come every few whole days, before the day's demand; what was ordered arrives after the lead time, at the
beginning of a day. A part that is missing is fetched by express and counts as a shortage; it takes nothing from later
deliveries.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from data_contracts.errors import UsageError
from models.parts.stocking import PartTerms, Stock

UpTo = Callable[[int], int]
"""The stock position that a policy wants on a day, by nothing but what is known at its beginning."""
_YEAR_DAYS = 365.25


@dataclass(frozen=True)
class Replayed:
    """What came of it."""

    needed: int  # parts
    short: int  # of these not in stock
    ordered: int
    mean_stock: float  # parts on hand at the end of a day
    keeping_cost: float
    shortage_cost: float

    @property
    def cost(self) -> float:
        """Return the cost of keeping and of shortages; the price of what is used is the same for every policy."""
        return self.keeping_cost + self.shortage_cost


def replay(demands: Sequence[int], up_to: UpTo, terms: PartTerms, *, initial: Stock) -> Replayed:
    """Replay the demands of consecutive days; what was on order at first arrives after the lead time.

    Examples
    --------
    >>> terms = PartTerms("belt", price=100.0, lead_days=2, shortage=1_000.0, review_days=1)
    >>> replayed = replay([1, 0, 2, 0, 1], lambda day: 2, terms, initial=Stock(2))
    >>> replayed.needed, replayed.short, replayed.ordered
    (4, 1, 2)
    """
    review, lead = round(terms.review_days), round(terms.lead_days)
    if review < 1 or not demands:
        raise UsageError(f"{len(demands)} days, a review every {review}", "one day or more of each", "Fix the replay")
    arriving = [0] * (len(demands) + lead + 1)
    arriving[lead] += initial.on_order
    on_hand, on_order = initial.on_hand, initial.on_order
    short = ordered = kept = 0
    for day, needed in enumerate(demands):
        if day % review == 0:
            order = max(0, up_to(day) - on_hand - on_order)
            arriving[day + lead] += order
            on_order, ordered = on_order + order, ordered + order
        on_hand, on_order = on_hand + arriving[day], on_order - arriving[day]
        used = min(on_hand, needed)
        on_hand, short = on_hand - used, short + needed - used
        kept += on_hand
    return Replayed(
        needed=sum(demands),
        short=short,
        ordered=ordered,
        mean_stock=kept / len(demands),
        keeping_cost=kept * terms.price * terms.keeping_a_year / _YEAR_DAYS,
        shortage_cost=short * terms.shortage,
    )
