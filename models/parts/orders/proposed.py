"""The orders that are proposed for a plant's spare parts, with what each rests on; frozen, as pages show them."""

from dataclasses import asdict, dataclass
from typing import Any, Literal

import pandas as pd

from models.parts.catalogue import CountedStock, SparePart
from models.parts.demand import Demand
from models.parts.orders.order_terms import OrderTerms
from models.parts.past_use import PastUse
from models.parts.watching import WatchingModel

Code = Literal[
    "no_lead_time",
    "no_price",
    "no_downtime_cost",
    "no_stock_count",
    "old_stock_count",
    "no_record_of_the_part",
    "no_assets",
    "no_past_use",
    "no_share",
    "assumed_quantity",
    "assumed_keeping",
    "assumed_express",
    "no_model",
    "no_predictions",
]


@dataclass(frozen=True)
class Unknown:
    """Something that is not known of a part, and what is done without it."""

    code: Code  # programs go by it
    words: str


@dataclass(frozen=True)
class AlarmUse:
    """An asset with an open alarm that may need the part."""

    asset: str
    probability: float  # of failing within the time, and with one of the part's modes


@dataclass(frozen=True)
class PartDemand:
    """What is expected to be needed of a part until the order after the next decision arrives."""

    days: float
    quantity: int  # a repair takes
    demand: Demand
    alarms: tuple[AlarmUse, ...]  # the most probable first
    share: float | None  # of the failures that take the part; None where no alarm is open
    share_of: int  # failures that it is measured on
    past: PastUse
    foresight_days: float  # how far alarms look ahead from now, within that time
    unannounced: float  # the share of the failures up to there that no alarm announces yet


@dataclass(frozen=True)
class ProposedOrder:
    """How many of a part to order now for a plant's store, and why."""

    part: SparePart
    plant: str  # "all" where one store serves all plants; "" for assets without a plant
    assets: int  # that may need it
    reason: str
    unknown: tuple[Unknown, ...]
    demand: PartDemand | None = None  # None where its lead time is not known
    counted: CountedStock | None = None
    order: int | None = None  # None where it cannot be worked out
    up_to: int | None = None  # how many there should be, in stock and under way
    service_level: float | None = None  # the probability of having enough that is aimed at
    by_cost: bool = False  # whether that is the one that costs least, rather than the setting
    enough_without: float | None = None  # the probability that what there is suffices
    enough_with: float | None = None  # the same with the order
    saves: float | None = None  # expected cost of shortages that it avoids, less what keeping it for a review costs

    @property
    def cost(self) -> float | None:
        """Return what the order costs; None where order or price is not known."""
        return None if self.order is None or self.part.price is None else self.order * self.part.price

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values."""
        demand, counted = self.demand, self.counted
        return {
            "part": self.part.part,
            "name": self.part.name,
            "plant": self.plant,
            "supplier": self.part.supplier,
            "assets": self.assets,
            "order": self.order,
            "up_to": self.up_to,
            "cost": self.cost,
            "on_hand": None if counted is None else counted.stock.on_hand,
            "on_order": None if counted is None else counted.stock.on_order,
            "counted_at": None if counted is None else counted.counted_at.isoformat(),
            "demand": None if demand is None else _demand(demand),
            "service_level": self.service_level,
            "by_cost": self.by_cost,
            "enough_without": self.enough_without,
            "enough_with": self.enough_with,
            "saves": self.saves,
            "unknown": [asdict(each) for each in self.unknown],
            "reason": self.reason,
        }


@dataclass(frozen=True)
class ProposedOrders:
    """The orders of all parts, those to place first."""

    as_of: pd.Timestamp
    plant: str | None  # the only plant that was asked for
    terms: OrderTerms
    orders: tuple[ProposedOrder, ...]
    models: tuple[WatchingModel, ...]  # whose alarms were counted
    notes: tuple[str, ...]  # what was decided for all of them

    @property
    def to_place(self) -> tuple[ProposedOrder, ...]:
        """Return those with something to order."""
        return tuple(each for each in self.orders if each.order)

    @property
    def cost(self) -> float:
        """Return what the orders cost whose parts have a price."""
        return sum(each.cost or 0.0 for each in self.to_place)

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values."""
        return {
            "as_of": self.as_of.isoformat(),
            "plant": self.plant,
            "downtime_per_hour": self.terms.downtime_per_hour,
            "review_days": self.terms.review_days,
            "orders": [each.to_dict() for each in self.orders],
            "to_place": len(self.to_place),
            "cost": self.cost,
            "models": [
                {
                    "model_name": model.name,
                    "model_version": model.version,
                    "unannounced": model.warning.unannounced_within(model.claim),
                    "measured_on": model.warning.failures,
                    "assumed": model.warning.assumed,
                    "kept": model.warning.kept,
                }
                for model in self.models
            ],
            "notes": list(self.notes),
        }


def _demand(demand: PartDemand) -> dict[str, Any]:
    return {
        "days": demand.days,
        "quantity": demand.quantity,
        "expected": demand.demand.expected,
        "predicted": demand.demand.predicted,
        "unpredicted": demand.demand.unpredicted,
        "probabilities": demand.demand.probabilities.tolist(),
        "alarms": [asdict(each) for each in demand.alarms],
        "mode_share": demand.share,
        "share_measured_on": demand.share_of,
        "past_repairs": demand.past.repairs,
        "past_weeks": demand.past.weeks,
        "per_week": demand.past.per_week,
        "foresight_days": demand.foresight_days,
        "unannounced": demand.unannounced,
    }
