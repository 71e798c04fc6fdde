"""The flow that takes in what lies in the inbox."""

from pathlib import Path
from typing import Any

from prefect import flow, get_run_logger, task
from prefect.cache_policies import NO_CACHE

from data_contracts.validation.report import ContractError
from pipelines.flows.entry import is_passing, moment, opened
from pipelines.jobs.ingest import ingest_inbox


@task(retries=3, retry_delay_seconds=20, retry_condition_fn=is_passing, cache_policy=NO_CACHE)
def take_in(workspace: str, inbox: str, now: str | None) -> dict[str, Any]:
    """Take in the files of an inbox."""
    place, _ = opened(workspace)
    result = ingest_inbox(place, Path(inbox), now=moment(now))
    for entry in result.files:
        what = entry.error or f"{entry.accepted} rows accepted, {entry.quarantined} in quarantine"
        get_run_logger().info("%s: %s", entry.file, "taken in before" if entry.already else what)
    return {**result.to_dict(), "refused": [f"{entry.file}: {entry.error}" for entry in result.refused]}


@flow(name="ingest")
def ingest(workspace: str, inbox: str | None = None, now: str | None = None) -> dict[str, Any]:
    """Take in every file of the inbox; the run fails when a file was refused, after all have had their turn.

    Parameters
    ----------
    workspace : str
        The folder that holds all state.
    inbox : str, optional
        The folder of folders of files; the setting ingest.inbox by default.
    now : str, optional
        The time of taking them in; the present by default.
    """
    _, settings = opened(workspace)
    taken = take_in(workspace, inbox or settings.ingest.inbox, now)
    if taken["refused"]:
        raise ContractError(
            f"{len(taken['refused'])} of {len(taken['files'])} files were refused: {'; '.join(taken['refused'])}",
            "files that keep their contracts",
            "Mend them; the others were taken in",
        )
    return taken
