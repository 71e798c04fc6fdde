"""The table of a back-test, for a terminal and for the page."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from models.backtesting.backtest_figures import Figures

if TYPE_CHECKING:
    from pipelines.backtesting.backtest_result import BacktestResult

_LONG = 10  # from so many letters on, a heading takes two lines
UNITS = ((1e9, " G"), (1e6, " M"), (1e3, " k"), (1.0, ""))


Rows = tuple[tuple[str, ...], ...]


def cells(figures: Sequence[Figures]) -> tuple[tuple[str, ...], Rows]:
    """Return the head of the whole table and its rows, as text."""
    (head, rows), (costs_head, costs_rows) = errors_table(figures), costs_table(figures)
    joined = tuple((*row, *costs[1:]) for row, costs in zip(rows, costs_rows, strict=True))
    return (*head, *costs_head[1:]), joined


def errors_table(figures: Sequence[Figures]) -> tuple[tuple[str, ...], Rows]:
    """Return head and rows of retrainings and errors."""
    changes_known = figures[0].false_retrainings is not None
    head = ["rule", "retrained", "promoted"]
    head += ["false a year", "delay, days"] if changes_known else []
    head += ["missed", "90 %", "false alarms", "90 %"]
    return tuple(head), tuple(_errors(one, changes_known=changes_known) for one in figures)


def costs_table(figures: Sequence[Figures]) -> tuple[tuple[str, ...], Rows]:
    """Return head and rows of the costs; the first rule is compared with each of the others."""
    head = ("rule", "cost", "90 %", "extra cost", "90 %", f"{figures[0].rule} cheaper")
    return head, tuple(map(_costs, figures))


def render_table(result: "BacktestResult") -> RenderableType:
    """Render the result for a terminal: in eighty columns, errors and costs are two tables."""
    head, rows = errors_table(result.figures)
    # There is no room for one of them; the page has it.
    shown = [place for place, name in enumerate(head) if name != "promoted"]
    errors = _table([head[place] for place in shown], [[row[place] for place in shown] for row in rows])
    lines = (Text(line, style="dim") for line in notes(result))
    return Group(errors, Text(), _table(*costs_table(result.figures)), Text(), *lines)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    table = Table(box=None, header_style="bold", padding=(0, 1, 0, 0), pad_edge=False)
    for place, name in enumerate(head):
        broken = name.replace(" ", "\n", 1) if len(name) >= _LONG else name
        # Only a list of delays may need more than a line.
        table.add_column(broken, justify="right" if place else "left", no_wrap=not name.startswith("delay"))
    for row in rows:
        table.add_row(*row)
    return table


def notes(result: "BacktestResult") -> tuple[str, ...]:
    """Return the sentences below the table."""
    prices = result.prices
    reaction = "the person had it retrained" if result.person_retrains else "nothing was done"
    costs = ", ".join(
        f"{name} {amount(price)}"
        for name, price in (
            ("a missed failure", prices.errors.missed_failure),
            ("a false alarm", prices.errors.false_alarm),
            ("a retraining", prices.retraining),
        )
    )
    return (
        f"{result.start:%Y-%m-%d} to {result.end:%Y-%m-%d}, a look every {result.every.days} days, "
        f"{result.figures[0].failures} failures. Costs: {costs}.",
        "Challengers had to win the comparison with the champion, under every rule."
        if result.comparison_required
        else "Every challenger was promoted without a comparison, under every rule.",
        *(
            f"{one.rule} asked for a person at {one.asked_person} looks; {reaction}."
            for one in result.figures
            if one.asked_person
        ),
        *(
            f"{one.refreshes} of the {one.retrainings} retrainings of {one.rule} were refreshes, which claim no drift."
            for one in result.figures
            if one.refreshes
        ),
        *(
            f"{one.rule} postponed {one.postponed} retrainings, whose comparison would have shown too little."
            for one in result.figures
            if one.postponed
        ),
        *result.left_out,
        "90 %: from a bootstrap over assets, the same draws for every rule.",
        f"The plots are in {result.page}.",
    )


def amount(cost: float) -> str:
    """Format a cost with three significant figures.

    Examples
    --------
    >>> amount(123_456_789.0), amount(-1500.0), amount(0.0)
    ('123 M', '-1.5 k', '0')
    """
    for unit, sign in UNITS:
        if abs(cost) >= unit:
            number = cost / unit
            return f"{number:.0f}{sign}" if abs(number) >= 100 else f"{number:.3g}{sign}"
    return f"{cost:.3g}"


def _errors(one: Figures, *, changes_known: bool) -> tuple[str, ...]:
    false = "-" if one.false_a_year is None else f"{one.false_a_year:.1f}"
    delays = ", ".join("never" if delay is None else f"{delay:g}" for delay in one.delays_days) or "-"
    return (
        one.rule,
        str(one.retrainings),
        str(one.promoted),
        *((false, delays) if changes_known else ()),
        str(one.missed),
        f"{one.missed_low:.0f} to {one.missed_high:.0f}",
        str(one.false_alarms),
        f"{one.false_alarms_low:.0f} to {one.false_alarms_high:.0f}",
    )


def _costs(one: Figures) -> tuple[str, ...]:
    versus_first = ("", "", "")
    if one.first_cheaper is not None and one.difference is not None:
        interval = f"{amount(one.difference_low or 0.0)} to {amount(one.difference_high or 0.0)}"
        versus_first = (amount(one.difference), interval, f"{one.first_cheaper:.0%}")
    return (one.rule, amount(one.cost), f"{amount(one.low)} to {amount(one.high)}", *versus_first)
