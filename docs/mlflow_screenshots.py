"""Make docs/images/mlflow-*.png: what MLflow's own pages show of a workspace's versions, in Chromium.

    forewarn demo && python docs/mlflow_screenshots.py [.forewarn-demo]

MLflow is started on this machine over the workspace's store, and ended again.
"""

import contextlib
import json
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from data_contracts.workspace import Workspace, open_workspace
from docs.screenshots import DESK, IMAGES, store
from models.registry.registry import Registry
from tests.browser import running_browser

_PATIENCE = 180
_TRAINING = "?workflowType=machine_learning"  # as whoever has chosen "Model training" in its sidebar sees it
# Beside it is the panel of MLflow's assistant, which forewarn does not use.
_SHOWN = {"x": 0, "y": 0, "width": 1036, "height": 900}
_SETTLED = 12_000  # milliseconds: MLflow's pages fetch what they show piece by piece


def main(folder: Path, images: Path = IMAGES) -> None:
    """Take a picture of each page, of the newest version of the first model."""
    workspace = open_workspace(folder, {})
    registry = Registry(workspace)
    name = registry.names()[0]
    newest = registry.versions(name)[0]["version"]
    run_id = str(registry._version(name, newest).run_id)  # noqa: SLF001 - MLflow's own id, of no use elsewhere
    experiment = registry._client.get_run(run_id).info.experiment_id  # noqa: SLF001 - as above
    shots = {
        "mlflow-experiment": f"/#/experiments/{experiment}/runs{_TRAINING}",
        "mlflow-run": f"/#/experiments/{experiment}/runs/{run_id}{_TRAINING}",
        "mlflow-curves": f"/#/experiments/{experiment}/runs/{run_id}/model-metrics{_TRAINING}",
        "mlflow-model": f"/#/models/{name}/versions/{newest}{_TRAINING}",
    }
    images.mkdir(exist_ok=True)
    with running_mlflow(workspace) as url, running_browser() as browser:
        for shot, path in shots.items():
            with browser.open(f"{url}{path}", DESK, "light", ready="main", quiet=False) as opened:
                opened.page.wait_for_timeout(_SETTLED)
                file = images / f"{shot}.png"
                store(opened.page.screenshot(clip=_SHOWN), file)
                said = {"image": file.name, "page": path, "bytes": file.stat().st_size}
                sys.stdout.write(f"{json.dumps(said)}\n")


@contextlib.contextmanager
def running_mlflow(workspace: Workspace) -> Iterator[str]:
    """Run MLflow's server over a workspace's store; yield its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = ["server", "--backend-store-uri", workspace.mlflow_uri, "--host", "127.0.0.1", "--port", str(port)]
    words += ["--artifacts-destination", workspace.artifacts_url, "--workers", "1"]
    url = f"http://127.0.0.1:{port}"
    server = subprocess.Popen(
        [sys.executable, "-m", "mlflow", *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        _wait_for(f"{url}/health", server)
        yield url
    finally:
        server.terminate()
        server.wait()


def _wait_for(url: str, server: "subprocess.Popen[bytes]") -> None:
    until = time.monotonic() + _PATIENCE
    while True:
        try:
            urllib.request.urlopen(url, timeout=5)  # noqa: S310 - an address of this machine
        except OSError:
            if time.monotonic() > until or server.poll() is not None:
                raise
            time.sleep(1)
        else:
            return


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else ".forewarn-demo"), *map(Path, sys.argv[2:3]))
