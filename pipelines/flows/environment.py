"""Point Prefect at the workspace; to be done before Prefect is imported, which reads the environment only once."""

import contextlib
import os
from collections.abc import MutableMapping

import httpx

from data_contracts.workspace import Workspace

_URL_FILE = "server_url"


def prefect_environment(workspace: Workspace, environ: MutableMapping[str, str] | None = None) -> None:
    """Put Prefect's database and settings in the workspace; other variables that are set stay.

    `environ` is the environment to change, by default this process's.
    """
    target = os.environ if environ is None else environ
    target["PREFECT_HOME"] = str(workspace.prefect_home)
    # On a busy machine the server that comes with a flow run takes longer than the default 20 s.
    target.setdefault("PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS", "120")
    target.setdefault("PREFECT_SERVER_ANALYTICS_ENABLED", "false")
    target.setdefault("DO_NOT_TRACK", "1")
    url = running_server_url(workspace)
    if url and "PREFECT_API_URL" not in target:
        # Two servers on one database block each other, so a run joins the server that serves the schedules.
        target["PREFECT_API_URL"] = url


def remember_server(workspace: Workspace, url: str) -> None:
    """Store the URL of the server that serves this workspace's schedules."""
    workspace.prefect_home.mkdir(parents=True, exist_ok=True)
    # With the workspace: a copy of it must not send its runs to the server of the original.
    (workspace.prefect_home / _URL_FILE).write_text(f"{url}\n{workspace.root}\n", encoding="utf-8")


def forget_server(workspace: Workspace) -> None:
    """Delete the URL of the server that served this workspace's schedules."""
    (workspace.prefect_home / _URL_FILE).unlink(missing_ok=True)


def running_server_url(workspace: Workspace) -> str:
    """Return the URL of the server that serves this workspace's schedules, or "" if none responds."""
    file = workspace.prefect_home / _URL_FILE
    if not file.is_file():
        return ""
    url, _, root = file.read_text(encoding="utf-8").strip().partition("\n")
    return url if root == str(workspace.root) and is_healthy(url) else ""


def is_healthy(url: str) -> bool:
    """Return whether a Prefect server responds at an API URL."""
    with contextlib.suppress(httpx.HTTPError):
        return httpx.get(f"{url}/health", timeout=2.0).status_code == httpx.codes.OK
    return False
