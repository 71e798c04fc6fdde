"""The pages of a workspace at a time of the test's choice: for a client in this process, and for a browser."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pandas as pd
import uvicorn

from data_contracts.workspace import Workspace
from models.hold_back.policy import PolicySettings
from models.monitoring.budget import DriftSettings
from models.parts.orders.order_terms import OrderTerms
from models.planning.cost_settings import CostSettings
from models.planning.planning_settings import PlanningSettings
from models.registry.registry import CHAMPION, Registry
from models.value.settings import CountingSettings, ValueSettings
from serving.deployment.champion import Champion
from serving.pages import all_routes
from serving.prediction.prediction_log import PredictionLog
from serving.prediction.predictor import Predictor
from serving.settings import Settings
from tests.serving.page_client import page_app

_PATIENCE = 60.0


def worker_at(workspace: Workspace, name: str, at: pd.Timestamp, **more: Any) -> Any:
    """Return a worker that serves a model's champion, and whose clock stands still."""
    registry, settings = Registry(workspace), Settings()
    loaded = registry.load(name, CHAMPION)
    champion = Champion(name, loaded.version, loaded.artifact, at)
    predictor = Predictor(workspace, settings, PredictionLog(workspace), lambda: at, None, PolicySettings())
    own = {
        "workspace": workspace,
        "settings": settings,
        "predictor": predictor,
        "watch": SimpleNamespace(current=champion, name=name, rejected=None),
        "champion": lambda: champion,
        "shadow": SimpleNamespace(challengers=(), rejected={}, scored=0, failed=0),
        "drift": DriftSettings(),
        "planning": PlanningSettings(),
        "costs": CostSettings(),
        "orders": OrderTerms(),
        "value": ValueSettings(),
        "counting": CountingSettings(),
    }
    return SimpleNamespace(**own | more)


@contextmanager
def serving_pages(worker: Any) -> Iterator[str]:
    """Serve the pages for as long as the block lasts, and yield their address."""
    app = page_app(all_routes.routes(lambda: worker))
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", lifespan="off"))
    with socket.socket() as own:
        own.bind(("127.0.0.1", 0))
        thread = threading.Thread(target=server.run, args=([own],), daemon=True)
        thread.start()
        ends = time.monotonic() + _PATIENCE
        while not server.started and thread.is_alive() and time.monotonic() < ends:
            time.sleep(0.02)
        assert server.started
        try:
            yield f"http://127.0.0.1:{own.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(timeout=_PATIENCE)
