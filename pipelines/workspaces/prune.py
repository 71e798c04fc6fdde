"""Pruning: rows of the records and runs of trainings that are older than they are kept, and that nothing rests on."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from data_contracts.errors import UsageError
from data_contracts.records.expiry.expired_rows import KeptUntil, delete_expired_rows, expired_rows
from data_contracts.records.leases import hold_lease, release_if_dead
from data_contracts.records.records import open_records
from data_contracts.workspace import Workspace
from features.setting_types import format_setting
from models.registry.expiry.unused_runs import delete_unused_runs, unused_runs
from models.registry.registry import Registry
from pipelines.settings.sections import RetentionSettings
from pipelines.settings.settings import Settings
from pipelines.upkeep.upkeep import LEASE

if TYPE_CHECKING:
    from rich.text import Text

_MB = 1e6
_SHORTEST = pd.Timedelta(days=1)


@dataclass(frozen=True)
class PruneResult:
    """What was deleted, or would be."""

    dry_run: bool
    rows: Mapping[str, int]  # by table of the records
    runs: int
    bytes_freed: int  # of runs' files
    kept_versions: tuple[str, ...]  # all of whose rows are kept, as an alias names them

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values."""
        return {
            "dry_run": self.dry_run,
            "rows": dict(self.rows),
            "runs": self.runs,
            "bytes_freed": self.bytes_freed,
            "kept_versions": list(self.kept_versions),
        }

    def __rich__(self) -> "Text":
        """Render it in sentences."""
        from rich.text import Text

        rows = [f"{count:,} rows of {table}" for table, count in self.rows.items() if count]
        runs = [f"{self.runs:,} runs with {self.bytes_freed / _MB:,.1f} MB of files"] if self.runs else []
        if not rows and not runs:
            return Text("There is nothing to delete: see retention in forewarn.toml.")
        return Text(f"{'Would be deleted' if self.dry_run else 'Deleted'}: {', '.join(rows + runs)}.")


def prune(workspace: Workspace, settings: Settings, *, now: pd.Timestamp, dry_run: bool = False) -> PruneResult:
    """Delete what the settings keep no longer, or only count it.

    All rows of a version that an alias names are kept, and predictions with an open outcome or a draw; outcomes,
    audits, decisions and the ledger are always kept, as are registered versions with their runs. `UsageError` if
    predictions are kept for less than the monitor looks back; `ModelError` while upkeep or a backup runs.
    """
    retention, span = settings.retention, settings.monitor.span
    for name in ("predictions", "answers"):
        kept_for = getattr(retention, name)
        if kept_for is not None and kept_for < span:
            raise UsageError(
                f"retention.{name} is {format_setting(kept_for)}, and monitor.span {format_setting(span)}",
                "to keep them for at least as long as the monitor looks back",
                f"Set retention.{name} higher",
            )
    if retention.runs is not None and retention.runs < _SHORTEST:
        raise UsageError(
            f"retention.runs is {format_setting(retention.runs)}",
            "at least a day: a training that has just ended may be about to be registered",
            "Set it higher",
        )
    records = open_records(workspace.records_url)
    if dry_run:
        return _prune(workspace, records, retention, now, dry_run=True)
    release_if_dead(records, LEASE)
    with hold_lease(records, LEASE, "upkeep or backup of this workspace") as lease:
        return _prune(workspace, lease.records, retention, now, dry_run=False, check=lease.check)


def _prune(
    workspace: Workspace,
    records: Any,
    retention: RetentionSettings,
    now: pd.Timestamp,
    *,
    dry_run: bool,
    check: Callable[[], None] = lambda: None,
) -> PruneResult:
    registry, until = Registry(workspace), _kept_until(retention, now)
    kept = [
        (name, int(entry["version"]))
        for name in registry.names()
        for entry in registry.versions(name)
        if entry["aliases"]
    ]
    rows = (expired_rows if dry_run else delete_expired_rows)(records, until, kept)
    runs = () if retention.runs is None else unused_runs(workspace, before=now - retention.runs)
    if not dry_run:
        delete_unused_runs(workspace, runs, check)
    versions = tuple(f"{name} {number}" for name, number in kept)
    return PruneResult(dry_run, rows, len(runs), sum(run.size for run in runs), versions)


def _kept_until(retention: RetentionSettings, now: pd.Timestamp) -> KeptUntil:
    def until(kept_for: pd.Timedelta | None) -> pd.Timestamp | None:
        return None if kept_for is None else now - kept_for

    return KeptUntil(
        until(retention.predictions),
        until(retention.answers),
        until(retention.shadow),
        until(retention.idempotency_keys),
    )
