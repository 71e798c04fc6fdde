"""Spare parts and counts of the stock, as they were known at a time."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from data_contracts.tables import tables
from data_contracts.tables.corrections import last_corrections
from data_contracts.workspace import Workspace
from models.parts.stocking import Stock

PARTS, STOCK = "spare_parts", "spare_stock"
ALL_PLANTS = "all"
"""What a count has for a plant where one store serves all of them."""
USUAL_KEEPING = 0.25
"""What keeping a part for a year costs, as a share of its price, where nothing else is known."""
_WITHDRAWN = "withdrawn"
_SEPARATOR = re.compile(r"[;|]")


@dataclass(frozen=True)
class SparePart:
    """A part, what it is for, and on which terms it comes; None where nobody has recorded it."""

    part: str
    name: str
    modes: frozenset[str]  # failure modes or components whose repair takes it
    asset_types: frozenset[str] = frozenset()  # that it fits; all if empty
    models: frozenset[str] = frozenset()  # likewise
    quantity: int | None = None  # a repair takes
    lead_days: float | None = None
    price: float | None = None
    keeping_a_year: float | None = None
    express_hours: float | None = None
    supplier: str | None = None

    def fits(self, asset_type: str, model: str | None) -> bool:
        """Return whether an asset of a type and model may need it."""
        of_type = not self.asset_types or asset_type in self.asset_types
        return of_type and (not self.models or model in self.models)

    @property
    def wait_hours(self) -> float | None:
        """Return how long a machine stands that needs it while none is in stock."""
        if self.express_hours is not None:
            return self.express_hours
        return None if self.lead_days is None else 24.0 * self.lead_days


@dataclass(frozen=True)
class CountedStock:
    """How many of a part there were in a plant's store when they were counted."""

    part: str
    plant: str  # `ALL_PLANTS` where one store serves all
    stock: Stock
    counted_at: pd.Timestamp


def read_parts(workspace: Workspace, as_of: pd.Timestamp) -> tuple[SparePart, ...]:
    """Read the parts in use by a time, sorted by number: of each the last record in effect that was known then."""
    rows = tables.read(workspace, PARTS, as_of=as_of, end=as_of)
    latest = last_corrections(rows, ["part", "event_time"]).drop_duplicates("part", keep="last")
    return tuple(_part(row) for row in _rows(latest) if row.get("status") != _WITHDRAWN)


def read_stock(workspace: Workspace, as_of: pd.Timestamp) -> tuple[CountedStock, ...]:
    """Read the last count of each part and plant that was known at a time, sorted by both."""
    rows = tables.read(workspace, STOCK, as_of=as_of, end=as_of)
    place = ["part", "plant"]
    latest = last_corrections(rows, [*place, "event_time"]).drop_duplicates(place, keep="last")
    return tuple(
        CountedStock(
            row["part"], row["plant"], Stock(int(row["on_hand"]), int(row.get("on_order") or 0)), row["event_time"]
        )
        for row in _rows(latest)
    )


def _part(row: Mapping[str, Any]) -> SparePart:
    quantity = row.get("quantity")
    return SparePart(
        part=row["part"],
        name=row.get("name") or row["part"],
        modes=_several(row["modes"]),
        asset_types=_several(row.get("asset_types")),
        models=_several(row.get("models")),
        quantity=None if quantity is None else int(quantity),
        supplier=row.get("supplier"),
        **{name: row.get(name) for name in ("lead_days", "price", "keeping_a_year", "express_hours")},
    )


def _several(text: str | None) -> frozenset[str]:
    return frozenset(part.strip() for part in _SEPARATOR.split(text or "") if part.strip())


def _rows(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Return rows with None for what is missing."""
    return [
        {str(name): None if _missing(value) else value for name, value in row.items()}
        for row in frame.to_dict("records")
    ]


def _missing(value: Any) -> bool:
    return value is None or value is pd.NA or value is pd.NaT or (isinstance(value, float) and math.isnan(value))
