"""A ledger of value as an HTML page: sentences, a chart by month, the table."""

from pathlib import Path

import pandas as pd
from matplotlib.axes import Axes

from models.value.ledger import ValueLedger
from models.value.sentences import value_sentences
from pipelines.reports.chart import LINE, SERIES, SOFT, render_chart
from pipelines.reports.page import render_page
from pipelines.value.tables import ledger_cells, write_text


def write_page(file: Path, model_name: str, now: pd.Timestamp, ledger: ValueLedger) -> None:
    """Write the page; months in which nothing is identified are named in the table, and have no point in the chart."""
    head, rows = ledger_cells(ledger)
    page = render_page(
        "value/page.html.jinja",
        title=f"{model_name}: what acting on alarms has avoided",
        now=f"{now:%Y-%m-%d %H:%M} UTC",
        sentences=value_sentences(ledger),
        charts=[_chart(ledger)] if any(row.avoided for row in ledger.months) else [],
        head=head,
        rows=rows,
    )
    write_text(file, page)


def _chart(ledger: ValueLedger) -> dict[str, object]:
    known = [(row.month, row.avoided, row.failed_anyway) for row in ledger.months if row.avoided is not None]
    months, avoided, anyway = zip(*known, strict=True)
    places = range(len(months))

    def draw(axes: Axes) -> None:
        values = [each.value for each in avoided]
        widths = [[each.value - each.low for each in avoided], [each.high - each.value for each in avoided]]
        axes.axhline(0, color=SOFT, linewidth=0.8)
        axes.errorbar(places, values, yerr=widths, fmt="o", color=SERIES, capsize=3, label="avoided, with its interval")
        axes.plot(places, anyway, "x", color=SOFT, label="happened anyway")
        axes.set_xticks(places, months)
        axes.grid(axis="y", color=LINE, linewidth=0.8)
        axes.set_axisbelow(True)
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1.02), ncols=2, frameon=False, labelcolor=SOFT)

    note = (
        f"After announced alarms of all plants, by the month in which they opened; {ledger.confidence:.0%} intervals."
    )
    return render_chart("Failures avoided, and those that happened anyway", note, draw)
