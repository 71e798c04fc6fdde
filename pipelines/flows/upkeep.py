"""The flows that keep a workspace in order: upkeep of its telemetry, and pruning of what is kept no longer."""

from typing import Any

from prefect import flow, get_run_logger, task
from prefect.cache_policies import NO_CACHE

from pipelines.flows.entry import is_transient, open_workspace_and_settings, time_or_now
from pipelines.flows.expiry.expired_runs import prune_all
from pipelines.upkeep.upkeep import run_upkeep


@task(retries=3, retry_delay_seconds=20, retry_condition_fn=is_transient, cache_policy=NO_CACHE)
def keep_up(workspace: str, now: str | None) -> dict[str, Any]:
    """Do what is due; a retry does the rest."""
    opened, settings = open_workspace_and_settings(workspace)
    result = run_upkeep(opened, settings.upkeep, now=time_or_now(now)).to_dict()
    counts = result["files_rewritten"], result["rows_deleted"], result["bytes_freed"]
    get_run_logger().info("%s files rewritten, %s rows deleted, %s bytes freed", *counts)
    return result


@flow(name="upkeep")
def upkeep(workspace: str, now: str | None = None) -> dict[str, Any]:
    """Rewrite small files of telemetry, delete raw telemetry that is kept no longer, and remove unused files.

    Parameters
    ----------
    workspace : str
        The folder that holds all state.
    now : str, optional
        The time by which something is old; the present by default.
    """
    return keep_up(workspace, now)


@task(retries=3, retry_delay_seconds=20, retry_condition_fn=is_transient, cache_policy=NO_CACHE)
def delete_expired(workspace: str, now: str | None) -> dict[str, Any]:
    """Delete what is due; a retry does the rest."""
    opened, settings = open_workspace_and_settings(workspace)
    result = prune_all(opened, settings, now=time_or_now(now)).to_dict()
    counts = sum(result["rows"].values()), result["runs"], result["quarantine"], result["flow_runs"]
    get_run_logger().info("%s rows, %s trainings, %s entries of quarantine and %s runs of flows deleted", *counts)
    return result


@flow(name="prune")
def prune(workspace: str, now: str | None = None) -> dict[str, Any]:
    """Delete what the settings keep no longer and nothing rests on: rows, trainings, quarantine, files, runs of flows.

    Parameters
    ----------
    workspace : str
        The folder that holds all state.
    now : str, optional
        The time by which something is old; the present by default.
    """
    return delete_expired(workspace, now)
