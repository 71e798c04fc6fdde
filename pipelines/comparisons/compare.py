"""Compare registered versions of a workspace."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from data_contracts.errors import UsageError
from data_contracts.tables.history import open_history
from data_contracts.workspace import Workspace
from models.comparisons.compared_version import read_version
from models.comparisons.comparison import VersionComparison, compare_versions
from models.registry.registry import Registry

if TYPE_CHECKING:
    from rich.console import Group

_FEWEST = 2


@dataclass(frozen=True)
class ComparedVersions:
    """A comparison, and the page it was written to."""

    comparison: VersionComparison
    page: Path | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values."""
        return self.comparison.to_dict() | ({} if self.page is None else {"page": str(self.page)})

    def __rich__(self) -> "Group":
        """Render the figures, the differences and what was configured otherwise."""
        from pipelines.comparisons.comparison_table import render

        return render(self.comparison, self.page)


def compare_registered(
    workspace: Workspace, versions: Sequence[tuple[str, int | str]], *, html: Path | None = None
) -> ComparedVersions:
    """Compare versions, each a model's name and a number or alias, the others with the first; write the page too."""
    registry = Registry(workspace)
    read = [read_version(registry, name, version) for name, version in versions]
    if len({(each.name, each.version) for each in read}) < max(_FEWEST, len(read)):
        raise UsageError(
            f"{', '.join(f'{each.name} {each.version}' for each in read) or 'no version'} to compare",
            "two versions or more, each named once",
            "See `forewarn models list`",
        )
    # A plant that not all of them are limited to would leave assets of the others out.
    plants = {each.experiment.data.plant for each in read}
    plant = plants.pop() if len(plants) == 1 else None
    history = open_history(workspace, read[0].experiment.data.asset_type, plant=plant)
    result = ComparedVersions(compare_versions(read, history))
    if html is None:
        return result
    from pipelines.comparisons.comparison_page import write_page

    write_page(result.comparison, html)
    return replace(result, page=html)


def parse_version(text: str, model: str | None) -> tuple[str | None, str]:
    """Split ``NAME:VERSION``, or give a version alone the model that is named beside; None where none is."""
    name, colon, version = text.rpartition(":")
    if colon and not (name and version):
        raise UsageError(f"{text!r}", "a version such as 3, or NAME:VERSION", "Name it so")
    return (name, version) if colon else (model, text)
