"""A comparison of versions on the terminal."""

import math
from pathlib import Path

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from models.comparisons.comparison import VersionComparison
from models.comparisons.group_figures import GroupFigures
from pipelines.comparisons import wording
from pipelines.terminal.tables import column_table

_STYLES = {"better": "green", "worse": "red", "undecided": "dim"}


def render(comparison: VersionComparison, page: Path | None = None) -> Group:
    """Render figures, differences, plants and modes, and what was configured differently."""
    labels = wording.labels(comparison)
    figures = column_table("figure", *labels)
    for name, values in wording.figure_rows(comparison):
        figures.add_row(name, *values)
    parts: list[RenderableType] = [Text(wording.headline(comparison)), figures]
    parts += [Text(f"\nagainst {labels[0]}", style="bold"), _differences(comparison)]
    parts += [Text(sentence) for sentence in wording.summary(comparison)]
    parts += _groups(comparison, labels)
    changes = list(wording.change_rows(comparison))
    if changes:
        table = column_table("configured", *labels)
        for name, values in changes:
            table.add_row(Text(name), *map(Text, values))
        parts += [Text("\nwhat differs", style="bold"), table]
    parts += [Text(f"- {note}", style="dim") for note in wording.notes(comparison)]
    return Group(*parts, *([] if page is None else [Text(f"written to {page}", style="dim")]))


def group_rows(comparison: VersionComparison, kind: str) -> list[tuple[str, tuple[GroupFigures | None, ...]]]:
    """Return each plant or mode (`kind` is the field) with its figures for each version; None where it has none."""
    own = [{each.group: each for each in getattr(version, kind)} for version in comparison.versions]
    names = sorted(set().union(*own))
    return [(name, tuple(each.get(name) for each in own)) for name in names]


def group_cell(figures: GroupFigures | None) -> str:
    """Write a version's figures in one plant, or on one mode."""
    if figures is None:
        return "-"
    false = "" if figures.false_alarms is None else f"; {figures.false_alarms:,} false"
    warned = "" if math.isnan(figures.median_warning_h) else f"; {figures.median_warning_h:,.0f} h ahead"
    return f"{figures.caught} of {figures.failures}{warned}{false}"


def _differences(comparison: VersionComparison) -> Table:
    table = column_table("version", "figure", "difference, interval", "so it is")
    for label, figure, interval, verdict, difference in wording.difference_rows(comparison):
        table.add_row(label, figure, interval, Text(verdict, style=_STYLES[difference.verdict]))
    return table


def _groups(comparison: VersionComparison, labels: tuple[str, ...]) -> list[RenderableType]:
    parts: list[RenderableType] = []
    for kind, word in (("plants", "plant"), ("modes", "failure mode")):
        rows = group_rows(comparison, kind)
        if rows:
            table = column_table(word, *labels)
            for name, figures in rows:
                table.add_row(Text(name), *map(group_cell, figures))
            parts += [Text(f"\nfailures caught by {word}, median warning", style="bold"), table]
    return parts
