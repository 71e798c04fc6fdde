"""Commands about registered versions: list, delete."""

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from pipelines.cli.arguments import model_name
from pipelines.cli.options import DEFAULTS, Shared

if TYPE_CHECKING:
    from rich.console import Group
    from rich.text import Text


@dataclass(frozen=True)
class VersionList:
    """Registered versions with their metrics and aliases."""

    versions: tuple[dict[str, Any], ...]

    def to_dict(self) -> dict[str, Any]:
        """Return them as plain values."""
        return {"versions": list(self.versions)}

    def __rich__(self) -> "Group":
        """Render one row per version."""
        from pipelines.cli.model_renderers import versions

        return versions(self.versions)


def listed(*, model: str | None = None, options: Shared = DEFAULTS) -> VersionList:
    """List registered versions, their metrics and aliases.

    Parameters
    ----------
    model : str, optional
        Only the versions of this model.
    options : Options
        The workspace and the form of the output.
    """
    from models.registry.registry import Registry

    registry = Registry(options.open())
    names = registry.names() if model is None else (model,)
    return VersionList(tuple(entry for name in names for entry in registry.versions(name)))


@dataclass(frozen=True)
class DeleteResult:
    """A version that was deleted, or could be."""

    model_name: str
    version: int
    deleted: bool

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain values."""
        return asdict(self)

    def __rich__(self) -> "Text":
        """Render it as a sentence."""
        from rich.text import Text

        state = "is deleted" if self.deleted else "can be deleted; repeat with --yes to do so, it cannot be undone"
        return Text(f"{self.model_name}: version {self.version} {state}")


def delete(
    version: int,
    *,
    yes: Annotated[bool, Parameter(negative="")] = False,
    model: str | None = None,
    options: Shared = DEFAULTS,
) -> DeleteResult:
    """Delete a version that has no alias; without --yes, only say whether it could be.

    Parameters
    ----------
    version : int
        The version to delete.
    yes : bool
        Really delete it; it cannot be undone.
    model : str, optional
        The model's name; not needed while the workspace has only one.
    options : Options
        The workspace and the form of the output.
    """
    from data_contracts.records.records import open_records
    from models.registry.promotion import delete_version
    from models.registry.registry import Registry

    workspace = options.open()
    name = model_name(workspace, model)
    delete_version(Registry(workspace), open_records(workspace.records_url), name, version, dry_run=not yes)
    return DeleteResult(name, version, yes)
