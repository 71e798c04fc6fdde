"""What a pruning deleted, or would delete."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pipelines.workspaces.expiry.old_versions import RemovedVersions

if TYPE_CHECKING:
    from rich.text import Text

_MB = 1e6


@dataclass(frozen=True)
class PruneResult:
    """What was deleted, or would be."""

    dry_run: bool
    rows: Mapping[str, int]  # by table of the records
    runs: int
    bytes_freed: int  # of files
    kept_versions: tuple[str, ...]  # all of whose rows are kept, as an alias names them
    quarantine: int = 0  # entries
    features: Mapping[str, int] | None = None  # rows by table
    versions: RemovedVersions | None = None
    reports: int = 0
    flow_runs: int = 0
    notes: tuple[str, ...] = ()  # what is not deleted although it is old, and why

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values."""
        return {
            "dry_run": self.dry_run,
            "rows": dict(self.rows),
            "runs": self.runs,
            "bytes_freed": self.bytes_freed,
            "kept_versions": list(self.kept_versions),
            "quarantine": self.quarantine,
            "features": dict(self.features or {}),
            "versions": {} if self.versions is None else self.versions.to_dict(),
            "reports": self.reports,
            "flow_runs": self.flow_runs,
            "notes": list(self.notes),
        }

    def __rich__(self) -> "Text":
        """Render it in sentences."""
        from rich.text import Text

        parts = list(self._parts())
        notes = "".join(f"\n{note[0].upper()}{note[1:]}." for note in self.notes)
        if not parts:
            return Text(f"There is nothing to delete: see retention in forewarn.toml.{notes}")
        files = f"; {self.bytes_freed / _MB:,.1f} MB of files" if self.bytes_freed else ""
        return Text(f"{'Would be deleted' if self.dry_run else 'Deleted'}: {', '.join(parts)}{files}.{notes}")

    def _parts(self) -> Iterator[str]:
        yield from (f"{count:,} rows of {table}" for table, count in self.rows.items() if count)
        yield from (f"{count:,} rows of {table}" for table, count in (self.features or {}).items())
        versions = {} if self.versions is None else self.versions.tables
        counts = {
            "entries of quarantine": self.quarantine,
            "runs of trainings": self.runs,
            "files of earlier versions of tables": sum(each.files + each.log_files for each in versions.values()),
            "reports": self.reports,
            "runs of flows": self.flow_runs,
        }
        yield from (f"{count:,} {what}" for what, count in counts.items() if count)
