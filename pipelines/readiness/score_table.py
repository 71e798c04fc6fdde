"""The ML Test Score for a terminal."""

from collections.abc import Mapping, Sequence

from rich.console import Group
from rich.table import Table
from rich.text import Text

from pipelines.readiness.proof import FULL, HALF, NONE
from pipelines.readiness.rubric import SECTIONS
from pipelines.readiness.scored_item import ScoredItem

_STYLES = {FULL: "green", HALF: "yellow", NONE: "red"}
_NAME, _POINTS = len("Monitor 7"), len("0.5")


def score_table(items: Sequence[ScoredItem], sections: Mapping[str, float], words: str) -> Group:
    """Render a table for each section, and a sentence on the score below."""
    parts: list[Text | Table] = []
    for key, title in SECTIONS.items():
        parts.append(Text(f"{title}: {sections[key]:g} of 7", style="bold"))
        parts.append(_section([each for each in items if each.item.section == key]))
        parts.append(Text(""))
    return Group(*parts, Text(words, style="bold"))


def _section(items: Sequence[ScoredItem]) -> Table:
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(no_wrap=True, min_width=_NAME)
    table.add_column(no_wrap=True, min_width=_POINTS)
    table.add_column(overflow="fold")
    for each in items:
        words = Text(each.item.title).append(f"\n{each.proof.found}", style="dim")
        if each.proof.remedy:
            words.append(f"\n{each.proof.remedy}", style="cyan")
        table.add_row(each.item.name, Text(f"{each.proof.points:g}", style=_STYLES[each.proof.points]), words)
    return table
