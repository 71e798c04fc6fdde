"""The flow that sends the events that wait."""

import threading
from typing import Any

from prefect import flow, get_run_logger, task
from prefect.cache_policies import NO_CACHE

from pipelines.connectors.channel_settings import channel_names
from pipelines.connectors.run_channels import deliver_in_turn
from pipelines.flows.entry import is_transient, open_workspace_and_settings


@task(retries=3, retry_delay_seconds=20, retry_condition_fn=is_transient, cache_policy=NO_CACHE)
def deliver_by(workspace: str, channel: str) -> dict[str, Any]:
    """Send what waits by one channel; a retry sends the rest."""
    opened, _ = open_workspace_and_settings(workspace)
    done = deliver_in_turn(opened, channel, stopping=threading.Event())
    log = get_run_logger()
    (log.warning if done.problem or done.withheld else log.info)("%s", done.sentence)
    return done.to_dict()


@flow(name="deliver")
def deliver(workspace: str, channel: str | None = None) -> list[dict[str, Any]]:
    """Send the events that wait by every channel; what cannot go out is tried again by the next run.

    Parameters
    ----------
    workspace : str
        The folder that holds all state.
    channel : str, optional
        Only by this one.
    """
    opened, _ = open_workspace_and_settings(workspace)
    names = channel_names(opened.root) if channel is None else (channel,)
    states = [deliver_by(workspace, name, return_state=True) for name in names]
    # Raises the first failure, now that every channel has had its turn.
    return [state.result() for state in states]
