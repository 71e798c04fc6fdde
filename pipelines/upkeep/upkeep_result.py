"""What an upkeep did, or would do."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from data_contracts.upkeep.compaction import Compaction
from data_contracts.upkeep.deletion import Deletion
from data_contracts.upkeep.unused_files import Removal

if TYPE_CHECKING:
    from rich.console import RenderableType

_MB = 1e6


@dataclass(frozen=True)
class TableUpkeep:
    """What was done with a table, or would be."""

    table: str
    deleted_until: pd.Timestamp | None  # event times up to this one are no longer kept; None where all are
    deletion: Deletion
    compaction: Compaction
    removal: Removal
    notes: tuple[str, ...] = ()

    @property
    def freed(self) -> int:
        """Return the bytes by which the disk is emptier."""
        return self.removal.size + self.removal.log_size

    @property
    def did_something(self) -> bool:
        """Return whether there was anything to do, or to say."""
        return bool(self.deletion.rows or self.compaction.files or self.removal.files or self.removal.log_files)

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values."""
        return {
            "table": self.table,
            "deleted_until": None if self.deleted_until is None else self.deleted_until.isoformat(),
            "deletion": asdict(self.deletion),
            "compaction": asdict(self.compaction),
            "removal": asdict(self.removal),
            "notes": list(self.notes),
        }


@dataclass(frozen=True)
class UpkeepResult:
    """What an upkeep did, or would do."""

    dry_run: bool
    tables: tuple[TableUpkeep, ...]
    no_longer_reproducible: tuple[str, ...]  # registered versions, by model and number

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values."""
        return {
            "dry_run": self.dry_run,
            "tables": [each.to_dict() for each in self.tables],
            "rows_deleted": sum(each.deletion.rows for each in self.tables),
            "files_rewritten": sum(each.compaction.files for each in self.tables),
            "bytes_freed": sum(each.freed for each in self.tables),
            "no_longer_reproducible": list(self.no_longer_reproducible),
        }

    def __rich__(self) -> "RenderableType":
        """Render as a table, with what there is to say about it."""
        from rich.console import Group
        from rich.text import Text

        from pipelines.terminal.tables import column_table

        busy = [each for each in self.tables if each.did_something]
        notes = [Text(f"{each.table}: {note}") for each in self.tables for note in each.notes]
        if self.no_longer_reproducible:
            names = ", ".join(self.no_longer_reproducible)
            notes.append(Text(f"No longer reproducible, as telemetry they were trained on is deleted: {names}"))
        if not busy:
            return Group(Text("There is nothing to rewrite, to delete or to remove."), *notes)
        table = column_table(
            "table", "rows deleted", "files rewritten", "into", "files removed", "log removed", "MB freed"
        )
        for each in busy:
            table.add_row(each.table, *_counts(each))
        head = [Text("This would be done:")] if self.dry_run else []
        return Group(*head, table, *notes)


def _counts(each: TableUpkeep) -> Sequence[str]:
    compaction, removal = each.compaction, each.removal
    numbers = (each.deletion.rows, compaction.files, compaction.made, removal.files, removal.log_files)
    return (*(f"{number:,}" for number in numbers), f"{each.freed / _MB:,.1f}")
