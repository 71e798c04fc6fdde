"""Upkeep of a workspace's telemetry, table by table; killed anywhere or repeated, it goes on where it is due."""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from data_contracts.errors import UsageError
from data_contracts.progress import ProgressCallback, silent
from data_contracts.records.leases import hold_lease, release_if_dead
from data_contracts.records.records import open_records
from data_contracts.tables import tables
from data_contracts.upkeep.compaction import Compaction, compact
from data_contracts.upkeep.deletion import Deletion, Expired, delete_expired, first_unread, silent_assets
from data_contracts.upkeep.table_files import has_undated_rows
from data_contracts.upkeep.unused_files import Removal, remove_unused
from data_contracts.workspace import Workspace
from features.indicators.plan import IndicatorPlan
from features.names import format_duration
from pipelines.indicators.definitions import defined
from pipelines.settings.sections import UpkeepSettings
from pipelines.upkeep.trained_versions import TrainedVersion, trained_versions
from pipelines.upkeep.upkeep_result import TableUpkeep, UpkeepResult

_LEASE = "upkeep"
_LATELY = pd.Timedelta(hours=1)  # an asset that has sent within this time is not silent
_TELEMETRY = "telemetry/"
_UNDATED = "left as it is, as it has rows from before tables noted which version stored them"


@dataclass(frozen=True)
class _Retention:
    """Which rows of a table are no longer kept, and what there is to say about it."""

    expired: Expired | None
    notes: tuple[str, ...] = ()


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
    indicators is complete, or the tables are in an object store.
    """
    if "://" in workspace.tables_url:
        raise UsageError(
            f"upkeep of tables at {workspace.tables_url}",
            "tables in a folder",
            "Use the object store's own tools to compact and to vacuum them",
        )
    if dry_run:
        return _run(workspace, settings, now, dry_run, progress)
    engine = open_records(workspace.records_url)
    release_if_dead(engine, _LEASE)
    with hold_lease(engine, _LEASE, "upkeep of this workspace"):
        return _run(workspace, settings, now, dry_run, progress)


def _run(
    workspace: Workspace, settings: UpkeepSettings, now: pd.Timestamp, dry_run: bool, progress: ProgressCallback
) -> UpkeepResult:
    trained, plans = trained_versions(workspace), [each.plan for each in defined(workspace)]
    names = [name for name in tables.versions(workspace) if name.startswith(_TELEMETRY)]
    before = _reproducible(workspace, trained)
    done = []
    for table in names:
        if has_undated_rows(workspace, table):
            done.append(TableUpkeep(table, None, Deletion(), Compaction(), Removal(), (_UNDATED,)))
            continue
        retention = _retention(workspace, settings, table, plans, trained, now)
        expired = retention.expired
        deletion = Deletion() if expired is None else delete_expired(workspace, table, expired, dry_run=dry_run)
        until = now - settings.settled
        compaction = compact(workspace, table, settled_until=until, dry_run=dry_run, progress=progress)
        versions = {each.version for each in trained if each.table == table}
        removal = remove_unused(workspace, table, now=now, kept_versions=versions, dry_run=dry_run)
        deleted_until = None if expired is None else expired.until
        done.append(TableUpkeep(table, deleted_until, deletion, compaction, removal, retention.notes))
    lost = sorted(before - _reproducible(workspace, trained))
    return UpkeepResult(dry_run, tuple(done), tuple(lost))


def _retention(
    workspace: Workspace,
    settings: UpkeepSettings,
    table: str,
    plans: Sequence[IndicatorPlan],
    trained: Sequence[TrainedVersion],
    now: pd.Timestamp,
) -> _Retention:
    """Say which rows of a table are no longer kept: old ones of an asset type, which all its indicators have read."""
    if settings.raw is None or any(plan.table == table for plan in plans):
        return _Retention(None)
    readers = [plan for plan in plans if _TELEMETRY + plan.asset_type == table]
    if not readers:
        return _Retention(None, ("kept, as no indicators are computed from it",))
    window = max(plan.window for plan in readers)
    if settings.raw < window + _LATELY:
        raise UsageError(
            f"upkeep.raw is {format_duration(settings.raw)}, and indicators have windows of {format_duration(window)}",
            f"at least an hour longer than these, {format_duration(window + _LATELY)}",
            "Keep raw telemetry longer",
        )
    marks = [tables.batch_mark(workspace, plan.table, plan.consumer) for plan in readers]
    unread = [plan.name for plan, mark in zip(readers, marks, strict=True) if mark is None]
    if unread:
        return _Retention(None, (f"kept, as the indicators {', '.join(unread)} have not been computed yet",))
    read_upto = min(mark for mark in marks if mark is not None)
    until, notes = (now - settings.raw).floor("h"), list[str]()
    first = first_unread(workspace, table, read_upto)
    if first is not None and first - window < until:
        until = (first - window).floor("h")
        notes.append(f"kept from {until.isoformat()} on, as indicators have not read all of it")
    kept = _kept_upto(table, trained) if settings.keep_trained else -1
    if kept >= 0:
        notes.append(f"kept as far as version {kept} stored it, as models were trained on it")
    return _Retention(Expired(until, read_upto, kept, _tails(workspace, table, until, window, now)), tuple(notes))


def _kept_upto(table: str, trained: Sequence[TrainedVersion]) -> int:
    return max((each.version for each in trained if each.table == table), default=-1)


def _tails(
    workspace: Workspace, table: str, until: pd.Timestamp, window: pd.Timedelta, now: pd.Timestamp
) -> dict[str, pd.Timestamp]:
    """Return since when telemetry is kept of assets that fell silent: their last window is complete once they send."""
    last = silent_assets(workspace, table, until=until, since=now - _LATELY)
    return {asset: time - window for asset, time in last.items() if time - window < until}


def _reproducible(workspace: Workspace, trained: Sequence[TrainedVersion]) -> set[str]:
    lost = {each.model for each in trained if not each.is_whole(workspace)}
    return {each.model for each in trained} - lost
