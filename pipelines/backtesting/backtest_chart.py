"""The HTML page of a back-test: the table, each rule's cost over time, and when it retrained."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd
from matplotlib import colormaps
from matplotlib.axes import Axes

from models.backtesting.backtest_figures import Account
from pipelines.backtesting.backtest_table import amount, cells, notes
from pipelines.reports.chart import SERIES, SOFT, ChartTable, Mark, day, draw_marks, format_axes, render_chart
from pipelines.reports.page import render_page

if TYPE_CHECKING:
    from pipelines.backtesting.backtest_result import BacktestResult


def write_page(result: "BacktestResult", accounts: Sequence[Account]) -> None:
    """Write the page to `result.page`."""
    head, rows = cells(result.figures)
    page = render_page(
        "backtesting/backtest.html.jinja",
        title=f"Back-test of {result.experiment}",
        notes=notes(result)[:-1],
        head=head,
        rows=rows,
        charts=[_costs(result, accounts), _retrainings(result, accounts)],
        figures=result.figures,
    )
    unfinished = result.page.with_suffix(".unfinished")
    unfinished.write_text(page, encoding="utf-8")
    unfinished.replace(result.page)


def cumulative(one: Account) -> "pd.Series[float]":
    """Return what a rule had cost by each time, indexed by time."""
    return one.events.groupby("at")["cost"].sum().cumsum()


def _costs(result: "BacktestResult", accounts: Sequence[Account]) -> dict[str, Any]:
    colours = _colours(accounts)

    def draw(axes: Axes) -> None:
        for one in accounts:
            name = one.replayed.rule.name
            costs = cumulative(one)
            times = [day(result.start), *map(day, costs.index), day(result.end)]
            values = [0.0, *costs, float(costs.iloc[-1]) if len(costs) else 0.0]
            width = 2.4 if one is accounts[0] else 1.3
            axes.step(times, values, where="post", color=colours[name], linewidth=width, label=name)
        axes.set_ylim(bottom=0)
        axes.yaxis.set_major_formatter(lambda value, _: amount(value))
        draw_marks(axes, _changes(result), result.start, result.end)
        format_axes(axes, result.start, result.end)
        axes.legend(
            loc="lower left", bbox_to_anchor=(0, 1.16), ncols=5, frameon=False, borderaxespad=0, labelcolor=SOFT
        )

    note = "Missed failures, false alarms and retrainings at their prices, summed from the first training on."
    return render_chart("Cost so far", note, draw)


def _retrainings(result: "BacktestResult", accounts: Sequence[Account]) -> dict[str, Any]:
    colours = _colours(accounts)

    def draw(axes: Axes) -> None:
        for place, one in enumerate(reversed(accounts)):
            name = one.replayed.rule.name
            for promoted in (False, True):
                at = [day(retraining.at) for retraining in one.replayed.retrainings if retraining.promoted is promoted]
                fill = colours[name] if promoted else "none"
                axes.scatter(at, [place] * len(at), s=34, facecolors=fill, edgecolors=colours[name], linewidths=1.2)
        axes.scatter([], [], s=34, color=SOFT, label="retrained and promoted")
        axes.scatter([], [], s=34, facecolors="none", edgecolors=SOFT, label="retrained, not promoted")
        axes.set_yticks(range(len(accounts)), [one.replayed.rule.name for one in reversed(accounts)])
        axes.set_ylim(-0.6, len(accounts) - 0.4)
        # Names of rules are longer than numbers.
        axes.set_position((0.1, 0.17, 0.895, 0.61))
        draw_marks(axes, _changes(result), result.start, result.end)
        format_axes(axes, result.start, result.end)

    rows = [
        (one.replayed.rule.name, f"{each.at:%Y-%m-%d %H:%M}", "promoted" if each.promoted else "not promoted")
        for one in accounts
        for each in one.replayed.retrainings
    ]
    table = ChartTable(("rule", "retrained (UTC)", "challenger"), tuple(rows))
    note = "When each rule retrained, and whether the challenger was promoted."
    return render_chart("Retrainings", note, draw, table)


def _changes(result: "BacktestResult") -> list[Mark]:
    return [Mark(change, "change", "change") for change in result.changes or ()]


def _colours(accounts: Sequence[Account]) -> dict[str, Any]:
    others = colormaps["tab10"].colors  # type: ignore[attr-defined]  # a listed map has them
    names = [one.replayed.rule.name for one in accounts]
    # The first rule has the colour of a report's only series.
    return {name: SERIES if not place else others[place % 10] for place, name in enumerate(names)}
