"""The table of a what-if comparison, for a terminal and for the page."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from matplotlib.axes import Axes
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from models.what_if.compared import COST, DOWNTIME, EXPECTED, Compared, Interval
from models.what_if.event_costs import FALSE_ALARMS, IN_VAIN, MISSED, VISITS
from pipelines.backtesting.backtest_table import Rows, amount
from pipelines.reports.chart import SERIES, SOFT, render_chart
from pipelines.reports.page import render_page
from pipelines.what_if.sentences import amount_range

if TYPE_CHECKING:
    from pipelines.what_if.result import WhatIfResult


def title(result: "WhatIfResult") -> str:
    """Return what was compared, when and on what."""
    span = result.span
    days = f"{span.since:%Y-%m-%d} to {span.until:%Y-%m-%d}"
    if result.simulated:
        return f"{result.subject}: {result.simulated} simulated fleets of {len(span.assets)} assets, as long as {days}"
    return f"{result.subject}: recorded history of {len(span.assets)} assets, {days}"


def events_table(rows: tuple[Compared, ...]) -> tuple[tuple[str, ...], Rows]:
    """Return head and rows of what happens."""
    head = ("row", "missed", "90 %", "false alarms", "90 %", "failures", "visits", "in vain")
    return head, tuple(
        (
            one.name,
            _number(one.figures[MISSED]),
            _range(one.figures[MISSED]),
            _number(one.figures[FALSE_ALARMS]),
            _range(one.figures[FALSE_ALARMS]),
            _number(one.figures[EXPECTED]),
            _number(one.figures[VISITS]),
            _number(one.figures[IN_VAIN]),
        )
        for one in rows
    )


def costs_table(rows: tuple[Compared, ...]) -> tuple[tuple[str, ...], Rows]:
    """Return head and rows of downtime and costs, and how they differ from today."""
    head = ("row", "stands, h", "cost", "90 %", "more than today", "90 %", "cheaper")
    stands = any(one.figures[DOWNTIME].value for one in rows)
    return head, tuple(_costs(one, today=place == 0, stands=stands) for place, one in enumerate(rows))


def render_table(result: "WhatIfResult") -> RenderableType:
    """Render the result for a terminal: in eighty columns, events and costs are two tables."""
    lines = [Text(sentence) for sentence in result.answers]
    notes = [Text(sentence, style="dim") for sentence in result.assumed]
    page = [] if result.page is None else [Text(f"The page is {result.page}.", style="dim")]
    page += [] if result.stored is None else [Text(f"Kept for /ui/what-if as {result.stored}.", style="dim")]
    tables: list[RenderableType] = [_table(*events_table(result.rows)), Text(), _table(*costs_table(result.rows))]
    return Group(Text(title(result), style="bold"), Text(), *tables, Text(), *lines, Text(), *notes, *page)


def write_page(result: "WhatIfResult", file: Path) -> None:
    """Write the page from the same values."""
    (head, rows), (costs_head, costs_rows) = events_table(result.rows), costs_table(result.rows)
    page = render_page(
        "what_if/what_if.html.jinja",
        title=f"What if: {result.subject}",
        about=title(result),
        head=(*head, *costs_head[1:]),
        rows=[(*row, *costs[1:]) for row, costs in zip(rows, costs_rows, strict=True)],
        answers=result.answers,
        assumptions=result.assumed,
        charts=[_chart(result)] if len(result.rows) > 1 else [],
    )
    file.parent.mkdir(parents=True, exist_ok=True)
    unfinished = file.with_suffix(".unfinished")
    unfinished.write_text(page, encoding="utf-8")
    unfinished.replace(file)


def _chart(result: "WhatIfResult") -> dict[str, Any]:
    others = result.rows[1:]

    def draw(axes: Axes) -> None:
        for place, one in enumerate(reversed(others)):
            cost = one.differences[COST]
            axes.plot([cost.low, cost.high], [place, place], color=SERIES, linewidth=2)
            axes.scatter([cost.value], [place], color=SERIES, s=34)
            if one.difference_at_most > one.difference_at_least:
                ends = [one.difference_at_least, one.difference_at_most]
                axes.plot(ends, [place - 0.18] * 2, color=SOFT, linewidth=1.2, linestyle="dotted")
        axes.axvline(0, color=SOFT, linewidth=1)
        # Above the lines, so that none crosses a name.
        axes.set_yticks([place + 0.12 for place in range(len(others))], [one.name for one in reversed(others)])
        axes.set_ylim(-0.6, len(others) - 0.4)
        axes.tick_params(length=0)
        axes.tick_params(axis="y", direction="in", pad=-4)
        for label in axes.get_yticklabels():
            label.set_horizontalalignment("left")
            label.set_verticalalignment("bottom")
        axes.xaxis.set_major_formatter(lambda value, _: amount(value))

    note = "Left of the line is cheaper. Lines: 90 % intervals. Dotted: what the record leaves open."
    return render_chart("How much more it costs than today", note, draw)


def _table(head: tuple[str, ...], rows: Rows) -> Table:
    table = Table(box=None, header_style="bold", padding=(0, 1, 0, 0), pad_edge=False)
    for place, name in enumerate(head):
        table.add_column(name.replace(" ", "\n", 1) if len(name) >= 10 else name, justify="right" if place else "left")
    for row in rows:
        table.add_row(*row)
    return table


def _costs(one: Compared, *, today: bool, stands: bool) -> tuple[str, ...]:
    cost, extra = one.figures[COST], one.differences[COST]
    versus = ("", "", "") if today else (amount(extra.value), _amounts(extra), f"{one.cheaper:.0%}")
    return (one.name, _number(one.figures[DOWNTIME]) if stands else "-", amount(cost.value), _amounts(cost), *versus)


def _number(one: Interval) -> str:
    return f"{one.value:,.0f}" if one.value == round(one.value) or one.value >= 100 else f"{one.value:,.1f}"


def _range(one: Interval) -> str:
    return f"{one.low:,.0f} to {one.high:,.0f}"


def _amounts(one: Interval) -> str:
    return amount_range(one.low, one.high)
