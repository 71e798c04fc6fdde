"""Render what happens to twins and assets: imports, comparisons, lists."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rich.console import Group, RenderableType
from rich.text import Text

from pipelines.terminal.metrics import pluralize
from pipelines.terminal.tables import column_table

if TYPE_CHECKING:
    import pandas as pd

    from data_contracts.asset_graph.graph_query import AssetPage
    from pipelines.importers.twins.comparison import TwinComparison
    from pipelines.importers.twins.description import TwinType
    from pipelines.importers.twins.import_twins import TwinImport

_MAX_LISTED = 20
_STANDARDS = {"dtdl": "DTDL", "mtconnect": "MTConnect", "aas": "Asset Administration Shells"}


@dataclass(frozen=True)
class ListedAssets:
    """Assets as they were known at a time."""

    as_of: "pd.Timestamp"
    level: str
    page: "AssetPage"
    faults: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values."""
        assets = [asset.to_dict() for asset in self.page.assets]
        return {"as_of": self.as_of, "level": self.level, "assets": assets, "faults": list(self.faults)}

    def __rich__(self) -> Group:
        head = (
            f"{len(self.page.assets):,} {pluralize('asset', len(self.page.assets))} as of {self.as_of:%Y-%m-%d %H:%M}"
        )
        if not self.page.assets:
            return Group(Text(head), *_faults(self.faults))
        table = column_table("asset", "level", "plant", "line", "part of", "type", "model")
        for each in self.page.assets:
            name = each.asset if each.name == each.asset else f"{each.asset} ({each.name})"
            words = (each.plant, each.line, each.parent, each.asset_type, each.model)
            retired = " (retired)" if each.status == "retired" else ""
            table.add_row(name + retired, each.level, *(word or "-" for word in words))
        return Group(table, Text(head), *_faults(self.faults))


def imported(result: "TwinImport") -> Group:
    """Render what came of an import of twins."""
    counts = ", ".join(f"{count:,} {pluralize(level, count)}" for level, count in result.counts.items())
    head = Text(f"{_STANDARDS[result.description.standard]}: {counts or 'no asset'}", style="bold")
    parts: list[RenderableType] = [head]
    for kind in result.description.types:
        parts += _kind(kind)
    verb = ("would be written", "would be stored") if result.dry_run else ("written", "stored")
    parts += [Text(f"{verb[0]}: {file}") for file in result.files]
    rows, records = result.graph_rows, result.records
    stored = (
        f"{rows:,} {pluralize('row', rows)} of the graph and {records:,} {pluralize('record', records)} of machines"
    )
    parts.append(Text(f"{stored} {verb[1]}, in their places since {result.since:%Y-%m-%d %H:%M}"))
    if any(kind.channels for kind in result.description.types) and not result.dry_run:
        words = "Fill in the limits where a contract says DECIDE; `forewarn ingest FILE --contract CONTRACT` uses it."
        parts.append(Text(words, style="dim"))
    return Group(*parts, *_doubts(result.doubts))


def _kind(kind: "TwinType") -> list[RenderableType]:
    properties = len(kind.properties)
    channels, others = pluralize("channel", len(kind.channels)), "property" if properties == 1 else "properties"
    head = Text(f"{kind.name}: {len(kind.channels):,} {channels}, {properties:,} {others}")
    table = column_table("channel", "unit", "quantity", "component", "there")
    for each in kind.channels[:_MAX_LISTED]:
        table.add_row(each.name, each.unit or "-", each.semantic_type or "-", each.component or "-", each.source)
    more = len(kind.channels) - _MAX_LISTED
    return [head, *([table] if kind.channels else []), *([Text(f"and {more:,} more channels")] if more > 0 else [])]


def compared(result: "TwinComparison") -> Group:
    """Render how two descriptions differ."""
    common = f"{result.channels:,} common {pluralize('channel', result.channels)}, {result.assets:,} common "
    common += pluralize("asset", result.assets)
    if not result.differences:
        return Group(Text(f"They say the same: {common}."), *_all_doubts(result))
    table = column_table("what", "of", result.one, result.other)
    for each in result.differences:
        table.add_row(each.what.replace("_", " "), each.about, each.one or "-", each.other or "-")
    count = len(result.differences)
    return Group(table, Text(f"{count:,} {pluralize('difference', count)}; {common}."), *_all_doubts(result))


def _all_doubts(result: "TwinComparison") -> list[Text]:
    return _doubts([f"{name}: {each}" for name, sentences in result.doubts.items() for each in sentences])


def _doubts(sentences: "list[str] | tuple[str, ...]") -> list[Text]:
    lines = [Text(f"doubt: {sentence}", style="yellow") for sentence in sentences[:_MAX_LISTED]]
    more = len(sentences) - _MAX_LISTED
    return [*lines, *([Text(f"and {more:,} more doubts; --json lists them", style="yellow")] if more > 0 else [])]


def _faults(sentences: tuple[str, ...]) -> list[Text]:
    return [Text(f"no place: {sentence}", style="yellow") for sentence in sentences[:_MAX_LISTED]]
