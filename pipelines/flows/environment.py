"""Where Prefect lives: in the workspace. To be settled before Prefect is imported, which reads it only once."""

import contextlib
import os
from collections.abc import MutableMapping

import httpx

from data_contracts.workspace import Workspace

_SERVER = "server_url"


def prefect_environment(workspace: Workspace, environ: MutableMapping[str, str] | None = None) -> None:
    """Point Prefect at the workspace, unless the environment points it elsewhere already.

    Parameters
    ----------
    workspace : Workspace
        Its folder holds Prefect's database and settings.
    environ : mutable mapping of str to str, optional
        The environment to change; this process's by default.
    """
    target = os.environ if environ is None else environ
    target["PREFECT_HOME"] = str(workspace.prefect_home)
    # On a busy machine the server that comes with a flow run takes longer than the 20 s it is usually given.
    target.setdefault("PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS", "120")
    target.setdefault("PREFECT_SERVER_ANALYTICS_ENABLED", "false")
    target.setdefault("DO_NOT_TRACK", "1")
    serving = served_at(workspace)
    if serving and "PREFECT_API_URL" not in target:
        # Two servers on one database block each other, so a run joins the server that serves the schedules.
        target["PREFECT_API_URL"] = serving


def remember_server(workspace: Workspace, url: str) -> None:
    """Write down which server serves this workspace's schedules."""
    workspace.prefect_home.mkdir(parents=True, exist_ok=True)
    (workspace.prefect_home / _SERVER).write_text(url, encoding="utf-8")


def forget_server(workspace: Workspace) -> None:
    """Forget the server that served this workspace's schedules."""
    (workspace.prefect_home / _SERVER).unlink(missing_ok=True)


def served_at(workspace: Workspace) -> str:
    """Return the URL of the server that serves this workspace's schedules and answers, or nothing."""
    note = workspace.prefect_home / _SERVER
    if not note.is_file():
        return ""
    url = note.read_text(encoding="utf-8").strip()
    return url if is_healthy(url) else ""


def is_healthy(url: str) -> bool:
    """Say whether a Prefect server answers at an API URL."""
    with contextlib.suppress(httpx.HTTPError):
        return httpx.get(f"{url}/health", timeout=2.0).status_code == httpx.codes.OK
    return False
