"""The flow that ingests the files of the inbox."""

from pathlib import Path
from typing import Any

from prefect import flow, get_run_logger, task
from prefect.cache_policies import NO_CACHE

from data_contracts.validation.report import ContractError
from pipelines.flows.entry import is_transient, open_workspace_and_settings, time_or_now
from pipelines.jobs.ingest import ingest_inbox


@task(retries=3, retry_delay_seconds=20, retry_condition_fn=is_transient, cache_policy=NO_CACHE)
def ingest_files(workspace: str, inbox: str, now: str | None) -> dict[str, Any]:
    """Ingest the files of an inbox."""
    opened, settings = open_workspace_and_settings(workspace)
    result = ingest_inbox(opened, Path(inbox), now=time_or_now(now), settle=settings.ingest.settle)
    for file in result.waiting:
        get_run_logger().info("%s: left for the next run, as it may not be whole yet", file)
    for sentence in result.unmatched.sentences:
        get_run_logger().warning("%s", sentence)
    for entry in result.files:
        counts = f"{entry.accepted} rows accepted, {entry.quarantined} in quarantine"
        get_run_logger().info("%s: %s", entry.file, "already ingested" if entry.already else entry.error or counts)
    return {**result.to_dict(), "refused": [f"{entry.file}: {entry.error}" for entry in result.refused]}


@flow(name="ingest")
def ingest(workspace: str, inbox: str | None = None, now: str | None = None) -> dict[str, Any]:
    """Ingest every file of the inbox; after that, the run fails if a file was refused.

    Parameters
    ----------
    workspace : str
        The folder that holds all state.
    inbox : str, optional
        The folder of folders of files; the setting ingest.inbox by default.
    now : str, optional
        The time of ingestion; the present by default.
    """
    _, settings = open_workspace_and_settings(workspace)
    result = ingest_files(workspace, inbox or settings.ingest.inbox, now)
    if result["refused"]:
        raise ContractError(
            f"{len(result['refused'])} of {len(result['files'])} files were refused: {'; '.join(result['refused'])}",
            "files that keep their contracts",
            "Fix them; the others were ingested",
        )
    return result
