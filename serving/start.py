"""Starting the endpoint: check what can be checked, then run BentoML's processes until a signal ends them."""

import json
import os
import socket
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Mapping

from data_contracts.errors import ForewarnError, UsageError
from data_contracts.records.records import open_records
from data_contracts.workspace import Workspace
from serving.deployment.bundled_model import find_bundled_model, open_place
from serving.deployment.worker_status import BUSY
from serving.settings import LISTENS, Settings, to_environment

_PATIENCE_SECONDS = 300.0
# A plant's network has no way out, so nothing may try to call home.
_QUIET = {
    "BENTOML_DO_NOT_TRACK": "True",
    "DO_NOT_TRACK": "1",
    "MLFLOW_DISABLE_TELEMETRY": "true",
}
# Spans that nobody gathers cost every request a tenth of a millisecond; who has a collector says "false".
_UNTRACED = {"OTEL_SDK_DISABLED": "true"}


def serve(settings: Settings, environ: Mapping[str, str]) -> None:
    """Serve until SIGTERM or SIGINT; requests under way are still answered.

    Parameters
    ----------
    settings
        What to serve, and where.
    environ
        The environment that the processes get, beside the settings.

    Raises
    ------
    NotFoundError
        If there is no workspace.
    StorageError
        If the records cannot be used.
    ModelError, UsageError
        If no model was named and not exactly one has a champion, or the port is taken.
    """
    workspace, sealed = open_place(settings.workspace, environ), find_bundled_model()
    open_records(workspace.records_url).dispose()
    _check_port(settings.host, settings.port)
    if sealed and settings.model not in (None, sealed.name):
        raise UsageError(f"the model {settings.model!r}", f"{sealed.name}, which is sealed in", "Leave --model out")
    model = sealed.name if sealed else settings.model or _only_champion(workspace)
    chosen = settings.model_copy(update={"workspace": workspace.root, "model": model})
    home = workspace.root / "serving" / str(chosen.port)
    home.mkdir(parents=True, exist_ok=True)
    # Workers that were killed before count for nobody.
    (home / BUSY).unlink(missing_ok=True)
    # BentoML and its workers read their settings from the environment.
    chosen_here = {**to_environment(chosen), LISTENS: chosen.host, "BENTOML_HOME": str(home)}
    os.environ.update({**_UNTRACED, **environ, **_QUIET, **chosen_here})
    threading.Thread(target=_announce, args=(chosen, workspace), daemon=True).start()
    _run(chosen)


def _run(settings: Settings) -> None:
    from serving.service import Forewarn

    Forewarn.serve_http(host=settings.host, port=settings.port)


def _only_champion(workspace: Workspace) -> str:
    # Imported only when it is needed: MLflow takes seconds.
    from models.registry.registry import Registry
    from serving.deployment.champion import choose_model

    registry = Registry(workspace)
    return choose_model(registry.names(), registry.champion)


def _check_port(host: str, port: int) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
    except OSError as error:
        raise UsageError(
            f"{host} port {port} cannot be listened on ({error.strerror or error})",
            "an IP address of this machine and a free port",
            "Name others with --host and --port",
        ) from error


def _announce(settings: Settings, workspace: Workspace) -> None:
    """Print one line when the endpoint answers; and what it waits for, if it is not ready."""
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    url = f"http://{host}:{settings.port}"
    ready = _await_ready(url)
    if ready is None:
        return
    if ready:
        print(f"forewarn serves {settings.model}{_version(url)} at {url}", flush=True)  # noqa: T201
        return
    print(f"forewarn listens at {url}, not ready yet", flush=True)  # noqa: T201
    # Imported only when it is needed: MLflow takes seconds.
    from models.registry.registry import Registry
    from serving.deployment.champion import why_waiting

    try:
        print(why_waiting(settings.model or "", Registry(workspace).names()), file=sys.stderr, flush=True)  # noqa: T201
    except ForewarnError as error:
        print(error, file=sys.stderr, flush=True)  # noqa: T201


def _await_ready(url: str) -> bool | None:
    """Tell whether the endpoint is ready as soon as it answers; None if it never does."""
    ends = time.monotonic() + _PATIENCE_SECONDS
    while time.monotonic() < ends:
        try:
            with urllib.request.urlopen(f"{url}/readyz", timeout=5):  # noqa: S310 - our own address
                return True
        except urllib.error.HTTPError:
            return False
        except (OSError, ValueError):
            time.sleep(0.1)
    return None


def _version(url: str) -> str:
    try:
        with urllib.request.urlopen(f"{url}/model", timeout=5) as answer:  # noqa: S310 - our own address
            return f" version {json.load(answer)['version']}"
    except (OSError, ValueError):
        return ""  # where tokens are asked for, it is told to nobody without one
