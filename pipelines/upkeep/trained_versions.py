"""Which versions of tables registered models were trained on."""

from dataclasses import dataclass

from data_contracts.tables.table_access import has_whole_version
from data_contracts.workspace import Workspace
from models.experiment.training_data import trained_on
from models.registry.registry import Registry


@dataclass(frozen=True)
class TrainedVersion:
    """A registered version, and the version of a table that it was trained on."""

    model: str  # name and number
    table: str
    version: int

    def is_whole(self, workspace: Workspace) -> bool:
        """Return whether all of its rows are still there."""
        return has_whole_version(workspace, self.table, self.version)


def trained_versions(workspace: Workspace) -> tuple[TrainedVersion, ...]:
    """List the versions of tables that registered models were trained on."""
    registry = Registry(workspace)
    return tuple(
        TrainedVersion(f"{name} version {entry['version']}", table, version)
        for name in registry.names()
        for entry in registry.versions(name)
        for table, version in trained_on(registry.tags(name, entry["version"])).items()
    )
