"""Pruning: what of a workspace is older than it is kept, and that nothing rests on."""

from collections.abc import Callable, Iterator
from typing import Any

import pandas as pd

from data_contracts.errors import UsageError
from data_contracts.records.expiry.expired_rows import KeptUntil, delete_expired_rows, expired_rows
from data_contracts.records.leases import hold_lease, release_if_dead
from data_contracts.records.outbox.expired_events import delete_expired_events
from data_contracts.records.records import open_records
from data_contracts.workspace import Workspace
from features.setting_types import format_setting
from models.registry.expiry.unused_runs import delete_unused_runs, unused_runs
from models.registry.registry import Registry
from pipelines.connectors.run_channels import channel_kinds, longest_wait
from pipelines.settings.sections import RetentionSettings
from pipelines.settings.settings import Settings
from pipelines.upkeep.upkeep import LEASE
from pipelines.workspaces.expiry.old_reports import delete_reports
from pipelines.workspaces.expiry.old_rows import delete_features, delete_quarantine
from pipelines.workspaces.expiry.old_versions import remove_old_versions
from pipelines.workspaces.prune_result import PruneResult

_DAY = pd.Timedelta(days=1)


def prune(workspace: Workspace, settings: Settings, *, now: pd.Timestamp, dry_run: bool = False) -> PruneResult:
    """Delete what the settings keep no longer, or only count it; cut off or repeated, it goes on where it is due.

    All rows of a version that an alias names are kept, and predictions with an open outcome or a draw; outcomes,
    audits, decisions and the ledger are always kept, as are registered versions with their runs and the versions of
    tables that they were trained on, what a replay or a batch goes on with, and the last features of each recipe.
    `UsageError` if something is kept for less than what reads it looks back; `ModelError` while upkeep or a backup
    runs. Runs of flows are Prefect's: see `pipelines.flows.expiry.expired_runs`.
    """
    for name, least, why in (*_least(settings), *_least_events(workspace, settings)):
        kept_for = getattr(settings.retention, name)
        if kept_for is not None and kept_for < least:
            raise UsageError(
                f"retention.{name} is {format_setting(kept_for)}{why[0]}", why[1], f"Set retention.{name} higher"
            )
    records = open_records(workspace.records_url)
    if dry_run:
        return _prune(workspace, records, settings.retention, now, dry_run=True)
    release_if_dead(records, LEASE)
    with hold_lease(records, LEASE, "upkeep or backup of this workspace") as lease:
        return _prune(workspace, lease.records, settings.retention, now, dry_run=False, check=lease.check)


def _least(settings: Settings) -> Iterator[tuple[str, pd.Timedelta, tuple[str, str]]]:
    """Yield how long things have to be kept at least, with what else is found, and what is expected."""
    span, session = settings.monitor.span, settings.live.session
    monitored = (
        f", and monitor.span {format_setting(span)}",
        "to keep them for at least as long as the monitor looks back",
    )
    yield from (("predictions", span, monitored), ("answers", span, monitored))
    delivered = (
        f", and live.session {format_setting(session)}",
        "at least a day, and as long as the broker may deliver a message again",
    )
    yield "quarantine", max(_DAY, session), delivered
    yield "runs", _DAY, ("", "at least a day: a training that has just ended may be about to be registered")
    yield "versions", _DAY, ("", "at least a day: a batch that is being stored has files of no version yet")
    yield "flow_runs", _DAY, ("", "at least a day")


def _least_events(workspace: Workspace, settings: Settings) -> Iterator[tuple[str, pd.Timedelta, tuple[str, str]]]:
    if settings.retention.events is not None:
        longest = longest_wait(workspace)
        waited = "" if longest <= _DAY else f", and a channel's give_up_after {format_setting(longest)}"
        yield "events", max(_DAY, longest), (waited, "at least a day, and as long as every channel tries to deliver")


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
    if retention.events is not None:
        rows |= delete_expired_events(records, now - retention.events, channel_kinds(workspace), dry_run=dry_run)
    runs = () if retention.runs is None else unused_runs(workspace, before=now - retention.runs)
    if not dry_run:
        delete_unused_runs(workspace, runs, check)
    quarantine, features, versions, reports = 0, {}, None, (0, 0)
    if retention.quarantine is not None:
        check()
        quarantine = delete_quarantine(workspace, now - retention.quarantine, dry_run=dry_run)
    if retention.features is not None:
        check()
        features = dict(delete_features(workspace, now - retention.features, dry_run=dry_run))
    if retention.versions is not None:
        check()
        versions = remove_old_versions(workspace, retention.versions, now=now, dry_run=dry_run)
    if retention.reports is not None:
        check()
        reports = delete_reports(workspace, now - retention.reports, dry_run=dry_run)
    freed = sum(run.size for run in runs) + (0 if versions is None else versions.size) + reports[1]
    return PruneResult(
        dry_run,
        rows,
        len(runs),
        freed,
        kept_versions=tuple(f"{name} {number}" for name, number in kept),
        quarantine=quarantine,
        features=features,
        versions=versions,
        reports=reports[0],
        notes=() if versions is None else versions.notes,
    )


def _kept_until(retention: RetentionSettings, now: pd.Timestamp) -> KeptUntil:
    def until(kept_for: pd.Timedelta | None) -> pd.Timestamp | None:
        return None if kept_for is None else now - kept_for

    return KeptUntil(
        until(retention.predictions),
        until(retention.answers),
        until(retention.shadow),
        until(retention.idempotency_keys),
        until(retention.actions),
    )
