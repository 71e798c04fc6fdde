"""Proposed orders of spare parts as a command shows them."""

from dataclasses import dataclass
from typing import Any

from rich.console import Group
from rich.text import Text

from models.parts.orders.proposed import ProposedOrder, ProposedOrders
from pipelines.terminal.metrics import pluralize
from pipelines.terminal.tables import column_table

_MOST_EXPLAINED = 20


@dataclass(frozen=True)
class ShownOrders:
    """The orders of all parts, shown with those to place first."""

    proposed: ProposedOrders

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values."""
        return self.proposed.to_dict()

    def __rich__(self) -> Group:
        """Render a table of all parts, then why each is ordered, or what is missing to work an order out."""
        proposed = self.proposed
        if not proposed.orders:
            return Group(*(Text(note, style="yellow") for note in proposed.notes))
        table = column_table("part", "plant", "order", "stock", "on order", "expected", "supplier")
        for each in proposed.orders:
            table.add_row(*_cells(each))
        head = f"as of {proposed.as_of:%Y-%m-%d %H:%M}: "
        head += f"{len(proposed.to_place)} of {_parts(len(proposed.orders))} to order"
        head += f", for {proposed.cost:,.0f}" if proposed.cost else ""
        explained = [each for each in proposed.orders if each.order is None or each.order or _warns(each)]
        lines = [line for each in explained[:_MOST_EXPLAINED] for line in _explained(each)]
        if len(explained) > _MOST_EXPLAINED:
            lines.append(Text(f"and {len(explained) - _MOST_EXPLAINED} more: --json has all", style="dim"))
        return Group(Text(head), table, *lines, *(Text(note, style="dim") for note in proposed.notes))


def _cells(order: ProposedOrder) -> tuple[Text, ...]:
    stock = None if order.counted is None else order.counted.stock
    amount = Text("?" if order.order is None else str(order.order), style="bold yellow" if order.order else "")
    expected = None if order.demand is None else f"{order.demand.demand.expected:.2f}"
    others = (
        None if stock is None else str(stock.on_hand),
        None if stock is None else str(stock.on_order),
        expected,
        order.part.supplier,
    )
    return (Text(_name(order)), Text(order.plant or "-"), amount, *(Text(cell or "-") for cell in others))


def _explained(order: ProposedOrder) -> list[Text]:
    amount = "" if order.order is None else f"{order.order} to order: "
    plant = f" for {order.plant}" if order.plant else ""
    lines = [Text(f"{order.part.part}{plant}: {amount}{order.reason}")]
    if order.unknown:
        lines.append(Text(f"  not known: {'; '.join(each.words for each in order.unknown)}", style="yellow"))
    return lines


def _warns(order: ProposedOrder) -> bool:
    """Return whether something is missing that may make an order too small."""
    return any(each.code in ("old_stock_count", "no_predictions", "no_past_use") for each in order.unknown)


def _name(order: ProposedOrder) -> str:
    part = order.part
    return part.part if part.name == part.part else f"{part.part} {part.name}"


def _parts(number: int) -> str:
    return f"{number:,} {pluralize('part', number)}"
