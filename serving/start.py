"""Start the endpoint: check workspace, records and port, then run BentoML's processes until a signal."""

import json
import os
import socket
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Mapping

from data_contracts.configuration.allocator import give_back_memory
from data_contracts.errors import ForewarnError, UsageError
from data_contracts.records.records import open_records
from data_contracts.tracing.export import wants_tracing
from data_contracts.workspace import Workspace
from models.hold_back.policy import read_policy
from serving.deployment.bundled_model import find_bundled_model, open_endpoint_workspace
from serving.deployment.delivery_process import DeliveryProcess
from serving.deployment.worker_status import LOAD_FILE
from serving.settings import LISTENS, SUPERVISOR, Settings, to_environment

_STARTUP_SECONDS = 300.0
# A plant's network has no way out, so usage reporting is switched off.
_NO_TELEMETRY = {
    "BENTOML_DO_NOT_TRACK": "True",
    "DO_NOT_TRACK": "1",
    "MLFLOW_DISABLE_TELEMETRY": "true",
}
# Without a collector OpenTelemetry is off, in the platforms' own code too.
_NO_TRACING = {"OTEL_SDK_DISABLED": "true"}


def serve(settings: Settings, environ: Mapping[str, str]) -> None:
    """Serve until SIGTERM or SIGINT; open requests are still answered.

    Raises NotFoundError without a workspace, StorageError if the records cannot be used, ModelError or UsageError if no
    model is named and not exactly one has a champion, UsageError if the port is taken or the policy is no valid one.
    """
    workspace, bundle = open_endpoint_workspace(settings.workspace, environ), find_bundled_model()
    open_records(workspace.records_url).dispose()
    read_policy(workspace, environ)  # refused here, rather than by each worker
    _check_port(settings.host, settings.port)
    if bundle and settings.model not in (None, bundle.name):
        raise UsageError(f"the model {settings.model!r}", f"{bundle.name}, the bundled model", "Leave --model out")
    model = bundle.name if bundle else settings.model or _only_champion(workspace)
    resolved = settings.model_copy(update={"workspace": workspace.root, "model": model})
    home = workspace.root / "serving" / str(resolved.port)
    home.mkdir(parents=True, exist_ok=True)
    # The load of workers that were killed before no longer counts.
    (home / LOAD_FILE).unlink(missing_ok=True)
    # BentoML and its workers read their settings from the environment.
    own_environ = {
        **to_environment(resolved),
        LISTENS: resolved.host,
        SUPERVISOR: str(os.getpid()),
        "BENTOML_HOME": str(home),
    }
    no_tracing = {} if wants_tracing(environ) else _NO_TRACING
    os.environ.update({**no_tracing, **environ, **_NO_TELEMETRY, **own_environ})
    give_back_memory(os.environ)  # each worker loads deltalake itself
    threading.Thread(target=_announce, args=(resolved, workspace), daemon=True).start()
    delivery = DeliveryProcess(workspace)
    if resolved.deliver == "on":
        delivery.start()
    try:
        _run(resolved)
    finally:
        delivery.stop()


def _run(settings: Settings) -> None:
    from serving.service import Forewarn

    Forewarn.serve_http(host=settings.host, port=settings.port)


def _only_champion(workspace: Workspace) -> str:
    # Imported only when it is needed: MLflow takes seconds.
    from serving.deployment.model_choice import choose_served_model

    choice = choose_served_model(workspace)
    if choice.reason is not None:
        print(f"{choice.name} is served: {choice.reason}", file=sys.stderr, flush=True)  # noqa: T201
    return choice.name


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
    """Print one line when the endpoint responds, and what it is waiting for if it is not ready."""
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
    from serving.deployment.champion import waiting_for_champion

    try:
        message: ForewarnError = waiting_for_champion(settings.model or "", Registry(workspace).names())
    except ForewarnError as error:
        message = error
    print(message, file=sys.stderr, flush=True)  # noqa: T201


def _await_ready(url: str) -> bool | None:
    """Wait for the endpoint to respond; return whether it is ready, None if it never responds."""
    deadline = time.monotonic() + _STARTUP_SECONDS
    while time.monotonic() < deadline:
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
        with urllib.request.urlopen(f"{url}/model", timeout=5) as response:  # noqa: S310 - our own address
            return f" version {json.load(response)['version']}"
    except (OSError, ValueError):
        return ""  # a token is needed to see it
