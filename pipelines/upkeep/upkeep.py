"""Upkeep of what streams append to, table by table; killed anywhere or repeated, it goes on where it is due."""

from collections.abc import Callable, Sequence
from typing import Final

import pandas as pd

from data_contracts.ingestion import quarantine_entries
from data_contracts.progress import ProgressCallback, silent
from data_contracts.records.leases import HeldLease, hold_lease, release_if_dead
from data_contracts.records.records import open_records
from data_contracts.streams import stream_gaps
from data_contracts.tables import tables
from data_contracts.upkeep.compaction import Compaction, Time, compact
from data_contracts.upkeep.deletion import Deletion, delete_expired
from data_contracts.upkeep.table_files import has_undated_rows
from data_contracts.upkeep.unused_files import Removal, remove_unused
from data_contracts.workspace import Workspace
from pipelines.indicators.definitions import defined
from pipelines.settings.sections import UpkeepSettings
from pipelines.upkeep.retention import TELEMETRY, retention
from pipelines.upkeep.trained_versions import TrainedVersion, trained_versions
from pipelines.upkeep.upkeep_result import TableUpkeep, UpkeepResult

LEASE = "upkeep"
"""Whoever removes files from tables holds it, and whoever needs them to stay."""
_BESIDE: Final = (quarantine_entries.TABLE, stream_gaps.TABLE)  # what a listener appends to beside telemetry
_UNDATED = "left as it is, as it has rows from before tables noted which version stored them"


def run_upkeep(
    workspace: Workspace,
    settings: UpkeepSettings,
    *,
    now: pd.Timestamp,
    dry_run: bool = False,
    progress: ProgressCallback = silent,
) -> UpkeepResult:
    """Delete raw telemetry that is kept no longer, rewrite small files, and remove what no reader needs.

    `ModelError` if another process is at it; `UsageError` if raw telemetry is to be deleted before a window of the
    indicators is complete.
    """
    if dry_run:
        return _run(workspace, settings, now, dry_run, progress)
    engine = open_records(workspace.records_url)
    release_if_dead(engine, LEASE)
    with hold_lease(engine, LEASE, "upkeep or backup of this workspace") as lease:
        return _run(workspace, settings, now, dry_run, _checked(progress, lease), lease.check)


def is_kept_up(table: str) -> bool:
    """Return whether upkeep looks after a table."""
    return table.startswith(TELEMETRY) or table in _BESIDE


def _run(
    workspace: Workspace,
    settings: UpkeepSettings,
    now: pd.Timestamp,
    dry_run: bool,
    progress: ProgressCallback,
    check: Callable[[], None] = lambda: None,
) -> UpkeepResult:
    """Keep up table by table; `check` is called before whatever deletes.

    Two at once would do no harm beyond waste: a commit that takes files away conflicts with one that did already, and
    what no version needs is removed by either.
    """
    trained, plans = trained_versions(workspace), [each.plan for each in defined(workspace)]
    names = [name for name in tables.versions(workspace) if is_kept_up(name)]
    before = _reproducible(workspace, trained)
    done = []
    for table in names:
        if has_undated_rows(workspace, table):
            done.append(TableUpkeep(table, None, Deletion(), Compaction(), Removal(), (_UNDATED,)))
            continue
        kept = retention(workspace, settings, table, plans, trained, now=now)
        expired = kept.expired
        check()
        deletion = Deletion() if expired is None else delete_expired(workspace, table, expired, dry_run=dry_run)
        until = now - settings.settled
        by: Time = "known_time" if table in _BESIDE else "event_time"
        compaction = compact(workspace, table, settled_until=until, by=by, dry_run=dry_run, progress=progress)
        check()
        versions = {each.version for each in trained if each.table == table}
        removal = remove_unused(workspace, table, now=now, kept_versions=versions, dry_run=dry_run)
        deleted_until = None if expired is None else expired.until
        done.append(TableUpkeep(table, deleted_until, deletion, compaction, removal, kept.notes))
    lost = sorted(before - _reproducible(workspace, trained))
    return UpkeepResult(dry_run, tuple(done), tuple(lost))


def _checked(progress: ProgressCallback, lease: HeldLease) -> ProgressCallback:
    """Return a callback that ends the work where the lease is lost: it is called before each stretch is rewritten."""

    def report(what: str, done: int, total: int) -> None:
        progress(what, done, total)
        lease.check()

    return report


def _reproducible(workspace: Workspace, trained: Sequence[TrainedVersion]) -> set[str]:
    lost = {each.model for each in trained if not each.is_whole(workspace)}
    return {each.model for each in trained} - lost
