"""A comparison of versions as one self-contained HTML page."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from data_contracts.errors import UsageError
from models.comparisons.comparison import VersionComparison, VersionFigures
from pipelines.comparisons import wording
from pipelines.comparisons.comparison_table import group_cell, group_rows
from pipelines.reports.chart import LINE, SOFT, render_chart
from pipelines.reports.page import render_page

# Told apart by colour-blind readers too (Okabe & Ito), and by their dashes; the page lightens none of them.
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
_DASHES: tuple[Any, ...] = ("solid", (0, (5, 2)), (0, (1, 1.5)), (0, (5, 2, 1, 2)))
_MOST_FAILURES = 500
_LARGE = 1000.0


@dataclass(frozen=True)
class _Table:
    title: str
    note: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def write_page(comparison: VersionComparison, file: Path) -> None:
    """Write the page, whole or not at all."""
    labels = wording.labels(comparison)
    page = render_page(
        "comparisons/comparison.html.jinja",
        title=f"{_model(comparison)}: {', '.join(labels)}",
        headline=f"{wording.headline(comparison)} (UTC).",
        summary=[_sentence(each) for each in wording.summary(comparison)],
        notes=[_sentence(each) for each in wording.notes(comparison)],
        tables=list(_tables(comparison, labels)),
        charts=list(_charts(comparison, labels)),
        last=list(_last_tables(comparison, labels)),
    )
    unfinished = file.with_name(f"{file.name}.unfinished")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        unfinished.write_text(page, encoding="utf-8")
        unfinished.replace(file)
    except OSError as error:
        found = f"{file} cannot be written ({error.strerror})"
        raise UsageError(found, "a file in a writable folder", "Name another") from error


def _sentence(words: str) -> str:
    return f"{words[:1].upper()}{words[1:]}."


def _model(comparison: VersionComparison) -> str:
    return ", ".join(dict.fromkeys(each.name for each in comparison.versions))


def _tables(comparison: VersionComparison, labels: tuple[str, ...]) -> Iterator[_Table]:
    rows = tuple((name, *values) for name, values in wording.figure_rows(comparison))
    yield _Table("Figures", "On the shared samples.", ("figure", *labels), rows)
    compared = tuple(row[:4] for row in wording.difference_rows(comparison))
    note = f"Each version against {labels[0]}, with paired intervals by asset."
    yield _Table("Differences", note, ("version", "figure", "difference and interval", "so it is"), compared)
    for kind, word in (("plants", "plant"), ("modes", "failure mode")):
        groups = tuple((name, *map(group_cell, figures)) for name, figures in group_rows(comparison, kind))
        if groups:
            yield _Table(f"By {word}", "Failures caught, and the median warning before them.", (word, *labels), groups)


def _last_tables(comparison: VersionComparison, labels: tuple[str, ...]) -> Iterator[_Table]:
    changes = tuple((name, *values) for name, values in wording.change_rows(comparison))
    if changes:
        yield _Table(
            "What was configured differently", "Keys as in the experiments' files.", ("what", *labels), changes
        )
    for each, label in zip(comparison.versions[1:], labels[1:], strict=True):
        if each.columns is not None and (each.columns.added or each.columns.removed):
            rows = [(name, "added") for name in each.columns.added]
            rows += [(name, "removed") for name in each.columns.removed]
            yield _Table(f"Columns of {label}", f"Against {labels[0]}.", ("column", "change"), tuple(rows))
    if comparison.failures:
        shown = comparison.failures[:_MOST_FAILURES]
        cut = "" if len(shown) == len(comparison.failures) else f" The first {len(shown)}; --json has all."
        lines = tuple(
            (each.asset, f"{each.event_time:%Y-%m-%d %H:%M}", each.mode or "-", *map(_warned, each.warned_h))
            for each in shown
        )
        head = ("asset", "failed (UTC)", "mode", *labels)
        yield _Table("Failures", f"Hours from the first timely alert of each version to the failure.{cut}", head, lines)


def _warned(hours: float) -> str:
    return "none" if math.isnan(hours) else f"{hours:,.1f}"


def _charts(comparison: VersionComparison, labels: tuple[str, ...]) -> Iterator[dict[str, Any]]:
    versions = comparison.versions
    if any(each.cost_curve for each in versions):
        yield render_chart(
            "Cost by threshold",
            "What missed failures and false alarms would have cost at each threshold; a point marks the version's own, "
            "which was chosen without these samples.",
            _each(versions, labels, _cost_curve, xlabel="threshold", ylabel="cost", xscale="log"),
        )
    if any(each.lead_times_h for each in versions):
        yield render_chart(
            "Warning before failures",
            "The share of all failures that were announced at least so many hours before.",
            _each(versions, labels, _leads, xlabel="hours before the failure", ylabel="share of failures"),
        )
    if any(each.reliability for each in versions):
        yield render_chart(
            "Reliability",
            "The share that failed by predicted probability; calibrated ones lie on the diagonal.",
            _each(versions, labels, _reliability, xlabel="predicted probability", ylabel="share that failed"),
        )


def _each(
    versions: tuple[VersionFigures, ...],
    labels: tuple[str, ...],
    draw_one: Callable[[Axes, VersionFigures, dict[str, Any]], None],
    **axis: Any,
) -> Callable[[Axes], None]:
    """Return what draws one line for each version, each in a colour and a dash of its own."""

    def draw(axes: Axes) -> None:
        for number, (each, label) in enumerate(zip(versions, labels, strict=True)):
            colour = _COLOURS[number % len(_COLOURS)]
            draw_one(axes, each, {"color": colour, "linestyle": _DASHES[number % len(_DASHES)], "label": label})
        axes.set(**axis)
        axes.set_ylim(bottom=0)
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:,.3g}" if value < _LARGE else f"{value:,.0f}")
        axes.grid(color=LINE, linewidth=0.8)
        axes.set_axisbelow(True)
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1.02), ncols=4, frameon=False, labelcolor=SOFT)

    return draw


def _cost_curve(axes: Axes, version: VersionFigures, style: dict[str, Any]) -> None:
    if not version.cost_curve:
        return
    threshold, cost = np.array(version.cost_curve).T
    axes.plot(threshold, cost, **style)
    if version.threshold is not None:
        axes.plot(version.threshold, np.interp(version.threshold, threshold, cost), "o", color=style["color"])


def _leads(axes: Axes, version: VersionFigures, style: dict[str, Any]) -> None:
    hours = np.sort(np.array(version.lead_times_h))[::-1]
    if len(hours):
        share = np.arange(1, len(hours) + 1) / max(version.failures or 0, 1)
        axes.step([hours[0], *hours], [0.0, *share], where="post", **style)


def _reliability(axes: Axes, version: VersionFigures, style: dict[str, Any]) -> None:
    axes.plot([0, 1], [0, 1], color=SOFT, linewidth=0.8)
    predicted = [each.predicted for each in version.reliability]
    axes.plot(predicted, [each.observed for each in version.reliability], marker="o", markersize=4, **style)
