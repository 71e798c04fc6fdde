"""The page about stored data: what there is, asset by asset and channel by channel, and what to try first."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.axes import Axes

from data_contracts.errors import UsageError
from data_contracts.ingestion.unmatched import Unmatched
from features.clock import Clock
from pipelines.data_reports.data_report import CLOCK, DataReport, format_seconds
from pipelines.reports.chart import SERIES, day, format_axes, render_chart
from pipelines.reports.page import render_page

_ASSETS = 200
_DRAWN = 200


def write_data_page(path: Path, reports: Sequence[DataReport], unmatched: Unmatched, *, now: pd.Timestamp) -> Path:
    """Write the page, with a chart of the assets' spans for each type."""
    page = render_page(
        "reports/data_report.html.jinja",
        title="Stored data",
        now=f"{now:%Y-%m-%d %H:%M} UTC",
        charts=[_chart(report) for report in reports],
        unmatched=unmatched.sentences,
        types=[_section(report) for report in reports],
    )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(page, encoding="utf-8")
    except OSError as error:
        found = f"{path} cannot be written ({error.strerror})"
        raise UsageError(found, "a file in a writable folder", "Name another with --html") from error
    return path


def _section(report: DataReport) -> Mapping[str, Any]:
    shown = report.profiles.head(_ASSETS)
    return {
        "name": report.asset_type,
        "head": report.head,
        "suggestion": None if report.suggestion is None else report.suggestion.words,
        "undeclared": report.undeclared.sentences,
        "channels": [
            {
                "name": channel.name,
                "range": "-" if channel.missing == 1 else f"{channel.low:.4g} to {channel.high:.4g}",
                "missing": f"{channel.missing:.1%}",
                "constant": f"{channel.constant:,}",
                "dead": f"{channel.dead:,}",
            }
            for channel in report.channels
        ],
        "texts": report.text_channels,
        "modes": report.failures.modes,
        "assets": [_asset(str(asset), row, report.written) for asset, row in shown.iterrows()],
        "more": max(0, len(report.profiles) - _ASSETS),
    }


def _asset(name: str, row: "pd.Series[Any]", clock: Clock) -> Mapping[str, str]:
    gaps = 0 if pd.isna(row["gaps"]) else int(row["gaps"])
    oddities = sum(int(row[kind]) for kind in CLOCK if not pd.isna(row[kind]))
    return {
        "name": name,
        "readings": f"{int(row['rows']):,}",
        "span": f"{clock.instant(row['first'])} to {clock.instant(row['last'])}",
        "interval": "-" if pd.isna(row["interval"]) else format_seconds(float(row["interval"]), clock),
        "gaps": f"{gaps:,}" + (f", the longest {format_seconds(float(row['longest_gap_s']), clock)}" if gaps else ""),
        "clock": f"{oddities:,}",
    }


def _chart(report: DataReport) -> Mapping[str, Any]:
    step = -(-len(report.profiles) // _DRAWN)
    drawn = report.profiles.sort_values("first").iloc[::step]

    def draw(axes: Axes) -> None:
        places = range(len(drawn))
        starts, ends = ([day(time) for time in drawn[name]] for name in ("first", "last"))
        axes.hlines(places, starts, ends, color=SERIES, linewidth=_width(len(drawn)), label="first to last reading")
        axes.set_yticks([])
        axes.invert_yaxis()
        margin = max((report.last - report.first) * 0.02, pd.Timedelta(minutes=1))
        format_axes(axes, report.first - margin, report.last + margin)

    note = "A line for each asset." if step == 1 else f"A line for one asset in {step}."
    return render_chart(f"{report.asset_type}: telemetry", note, draw)


def _width(lines: int) -> float:
    return max(0.6, min(6.0, 120 / max(lines, 1)))
