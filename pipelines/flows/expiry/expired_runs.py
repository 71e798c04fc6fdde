"""Runs of flows that are kept no longer, in Prefect's own database in the workspace."""

import asyncio
import os
from dataclasses import replace
from typing import Any, cast

import pandas as pd

from data_contracts.errors import StorageError
from data_contracts.workspace import Workspace
from pipelines.flows.environment import prefect_environment
from pipelines.settings.settings import Settings
from pipelines.workspaces.prune import prune
from pipelines.workspaces.prune_result import PruneResult

_DATABASE = "prefect.db"
_URL = "PREFECT_API_DATABASE_CONNECTION_URL"
_NOT_OURS = "runs of flows are left to the settings of Prefect's own database, which is not the workspace's"


def prune_all(workspace: Workspace, settings: Settings, *, now: pd.Timestamp, dry_run: bool = False) -> PruneResult:
    """Delete what the settings keep no longer, as `prune` does, and runs of flows; or only count it."""
    result, kept_for = prune(workspace, settings, now=now, dry_run=dry_run), settings.retention.flow_runs
    if kept_for is None:
        return result
    deleted = delete_expired_runs(workspace, kept_for, now=now, dry_run=dry_run)
    if deleted is None:
        return replace(result, notes=(*result.notes, _NOT_OURS))
    return replace(result, flow_runs=deleted)


def delete_expired_runs(
    workspace: Workspace, kept_for: pd.Timedelta, *, now: pd.Timestamp, dry_run: bool
) -> int | None:
    """Delete runs that ended longer ago, with their logs, as Prefect's own vacuum does; return how many.

    None if Prefect has another database than the workspace's, which is left to its own settings.
    """
    prefect_environment(workspace)
    if os.environ.get(_URL):
        return None
    if not (workspace.prefect_home / _DATABASE).exists():
        return 0
    try:
        return asyncio.run(_delete(now - kept_for, dry_run=dry_run))
    except Exception as error:
        if type(error).__module__.partition(".")[0] not in ("prefect", "sqlalchemy", "sqlite3", "alembic"):
            raise
        reason = str(error).strip().partition("\n")[0]
        raise StorageError(
            f"Prefect's database at {workspace.prefect_home / _DATABASE} cannot be used ({reason})",
            "a database that the installed Prefect has written",
            "Run a flow once, which brings it up to date, or delete it while no schedule is served",
        ) from error


async def _delete(before: pd.Timestamp, *, dry_run: bool) -> int:
    from prefect.server.database import provide_database_interface
    from prefect.server.models.flow_runs import count_flow_runs
    from prefect.server.schemas import filters
    from prefect.server.schemas.states import TERMINAL_STATES
    from prefect.server.services.db_vacuum import vacuum_old_flow_runs
    from prefect.settings import PREFECT_SERVER_SERVICES_DB_VACUUM_RETENTION_PERIOD, temporary_settings

    ended = filters.FlowRunFilterState(type=filters.FlowRunFilterStateType(any_=sorted(TERMINAL_STATES)))
    old = filters.FlowRunFilter(
        state=ended,
        end_time=filters.FlowRunFilterEndTime(before_=before.to_pydatetime()),
        parent_task_run_id=filters.FlowRunFilterParentTaskRunId(is_null_=True),
    )
    database: Any = provide_database_interface()
    vacuum, count_runs = cast("Any", vacuum_old_flow_runs), cast("Any", count_flow_runs)
    async with database.session_context() as session:
        count = int(await count_runs(session, flow_run_filter=old))
    if count and not dry_run:
        kept_for = pd.Timestamp.now("UTC") - before
        with temporary_settings({PREFECT_SERVER_SERVICES_DB_VACUUM_RETENTION_PERIOD: kept_for.to_pytimedelta()}):
            await vacuum(db=database)
    return count
