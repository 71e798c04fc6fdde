"""What a failure, a repair and an inspection take, each figure recorded or declared; and what all work took."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from models.hold_back.acting_effect import Estimate
from models.planning.cost_settings import CostSettings
from models.value.alarms import QUANTITIES, AlarmHistory

FEWEST = 5
"""Records by which a mean is known; fewer, and the declared figure counts."""
MONEY = "money"
Kind = Literal["failure", "repair", "inspection"]
KINDS: tuple[Kind, ...] = ("failure", "repair", "inspection")
Floats = npt.NDArray[np.float64]
_DECLARED: Mapping[str, Mapping[Kind, str]] = {
    "downtime_hours": {"failure": "unplanned_hours", "repair": "planned_hours", "inspection": "inspection_hours"},
    "labour_hours": {
        "failure": "unplanned_labour_hours",
        "repair": "planned_labour_hours",
        "inspection": "inspection_labour_hours",
    },
    "parts_cost": {"failure": "unplanned_parts", "repair": "planned_parts"},
    "energy_kwh": {},
}
_AS_LONG_AS_A_REPAIR = ("downtime_hours", "labour_hours")
"""What an inspection without a fault takes as a repair does where it is not declared; it takes no parts and energy."""


@dataclass(frozen=True)
class Figure:
    """What one failure, repair or inspection takes of a quantity."""

    kind: Kind
    quantity: str
    value: float  # the mean
    source: Literal["recorded", "declared"]
    recorded: int = 0  # of how many it is recorded
    half_width: float = 0.0  # of the mean's interval; 0 if declared
    spread: float = 0.0  # standard deviation from one to the next; 0 if declared


@dataclass(frozen=True)
class Recorded:
    """What single failures, repairs and inspections are recorded to have taken, by kind and quantity."""

    amounts: Mapping[tuple[Kind, str], Floats]  # (n_records,)
    missing: frozenset[tuple[Kind, str]]  # of which some have no record


@dataclass(frozen=True)
class CostFigures:
    """The figures of one plant, or of all together."""

    figures: tuple[Figure, ...]
    prices: Mapping[str, float]  # of a unit of each quantity, by quantity; unplanned downtime
    planned_downtime: float | None  # the price of an hour of planned downtime
    confidence: float
    missing: frozenset[tuple[Kind, str]] = frozenset()  # of which some, in any plant, have no record

    def figure(self, kind: Kind, quantity: str) -> Figure | None:
        """Return a figure; None where it is neither recorded nor declared."""
        return next((each for each in self.figures if (each.kind, each.quantity) == (kind, quantity)), None)

    def work_figure(self, kind: str, quantity: str) -> Figure | None:
        """Return the figure of work that recorded nothing; None where it took nothing, or that is not known."""
        own = next((each for each in self.figures if (each.kind, each.quantity) == (kind, quantity)), None)
        if own is None and kind == "inspection" and quantity in _AS_LONG_AS_A_REPAIR:
            return self.figure("repair", quantity)
        return own

    def unknown(self, kind: Kind, quantity: str) -> bool:
        """Whether something happened of which it is neither recorded nor declared what it took."""
        if kind == "inspection" and quantity not in _AS_LONG_AS_A_REPAIR:
            return False
        return (kind, quantity) in self.missing and self.work_figure(kind, quantity) is None

    def counted(self) -> tuple[str, ...]:
        """Name the quantities known of failures and of all work: counted on one side only, they would mislead."""
        work = KINDS[1:]
        return tuple(
            name
            for name in QUANTITIES
            if self.figure("failure", name) and not any(self.unknown(kind, name) for kind in work)
        )

    @property
    def priced(self) -> bool:
        """Whether what is avoided can be expressed in money: downtime is known on both sides, and has a price."""
        return "downtime_hours" in self.prices and "downtime_hours" in self.counted()

    def price(self, kind: Kind, quantity: str) -> float:
        """Return what a unit of a quantity costs; 0 without a price."""
        if quantity == "downtime_hours" and kind != "failure" and self.planned_downtime is not None:
            return self.planned_downtime
        return self.prices.get(quantity, 0.0)


def recorded_amounts(history: AlarmHistory) -> Recorded:
    """Return what single failures, repairs and inspections are recorded to have taken, by kind and quantity."""
    columns = list(QUANTITIES)
    orders, kinds = history.orders[columns].to_numpy(), history.orders["kind"].to_numpy(dtype=object)
    taken = {"failure": history.failures[columns].to_numpy()} | {kind: orders[kinds == kind] for kind in KINDS[1:]}
    parts = {(kind, name): taken[kind][:, place] for kind in KINDS for place, name in enumerate(QUANTITIES)}
    missing = frozenset(key for key, part in parts.items() if np.isnan(part).any())
    return Recorded({key: part[~np.isnan(part)] for key, part in parts.items()}, missing)


def cost_figures(own: Recorded, all_: Recorded, costs: CostSettings, confidence: float) -> CostFigures:
    """Return the means of what a plant recorded; else of all plants; else what is declared."""
    found = []
    for key, amounts in own.amounts.items():
        kind, quantity = key
        declared = _declared(costs, kind, quantity)
        recorded = next((each for each in (amounts, all_.amounts[key]) if len(each) >= FEWEST), None)
        if recorded is not None:
            found.append(_recorded(kind, quantity, recorded, confidence))
        elif declared is not None:
            found.append(Figure(kind, quantity, declared, "declared"))
    prices = {
        "downtime_hours": costs.downtime_per_hour,
        "labour_hours": costs.labour_per_hour,
        "parts_cost": 1.0,
        "energy_kwh": costs.energy_per_kwh,
    }
    known = {name: price for name, price in prices.items() if price is not None}
    return CostFigures(tuple(found), known, costs.planned_downtime_per_hour, confidence, all_.missing)


def amount(unit: Figure, price: float, avoided: Estimate, confidence: float) -> Estimate:
    """Return what so many avoided failures would have taken, with the chance in their number and in each of them."""
    from scipy import stats

    mean, half = price * unit.value, price * unit.half_width
    scatter = float(stats.norm.isf((1 - confidence) / 2)) * price * unit.spread
    most = max(abs(avoided.low), abs(avoided.high))
    value = mean * avoided.value

    def width(number: float) -> float:
        return math.sqrt((mean * number) ** 2 + (half * avoided.value) ** 2 + (half * number) ** 2 + scatter**2 * most)

    return Estimate(value, value - width(avoided.value - avoided.low), value + width(avoided.high - avoided.value))


def work_taken(orders: pd.DataFrame, quantity: str, costs: CostFigures, *, priced: bool) -> Estimate:
    """Sum up what work took of a quantity, or what that cost; where it is not recorded, by the figures."""
    from scipy import stats

    kinds, taken = orders["kind"].to_numpy(dtype=object), orders[quantity].to_numpy(dtype=np.float64)
    value = half = 0.0
    for kind in (*KINDS[1:], "none"):
        rows = taken[kinds == kind]
        missing = int(np.isnan(rows).sum())
        price = costs.price("repair", quantity) if priced else 1.0
        unit = costs.work_figure(kind, quantity)
        value += price * float(np.nansum(rows))
        if unit is not None and missing:
            scatter = float(stats.norm.isf((1 - costs.confidence) / 2)) * unit.spread * math.sqrt(missing)
            value += price * missing * unit.value
            half += price * math.hypot(missing * unit.half_width, scatter)
    return Estimate(value, value - half, value + half)


def _declared(costs: CostSettings, kind: Kind, quantity: str) -> float | None:
    name = _DECLARED[quantity].get(kind)
    value: float | None = None if name is None else getattr(costs, name)
    return value


def _recorded(kind: Kind, quantity: str, sample: Floats, confidence: float) -> Figure:
    from scipy import stats

    number, spread = len(sample), float(sample.std(ddof=1))
    half = float(stats.t.isf((1 - confidence) / 2, number - 1)) * spread / math.sqrt(number)
    return Figure(kind, quantity, float(sample.mean()), "recorded", number, half, spread)
