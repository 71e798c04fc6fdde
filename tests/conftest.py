"""What every test may ask for."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from data_contracts.tracing.span_recorder import SpanRecorder
from data_contracts.tracing.spans import record_with
from tests import browser as chromium
from tests import live_broker
from tests.postgres_server import PostgresServer, postgres_server, why_not

if TYPE_CHECKING:
    from pipelines.live.broker.start_broker import MosquittoProcess

# No test may call home: a plant's network has no way out.
for _name, _value in {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "BENTOML_DO_NOT_TRACK": "True",
    "GX_ANALYTICS_ENABLED": "false",
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120",
    "MPLBACKEND": "Agg",
}.items():
    os.environ.setdefault(_name, _value)

# The same examples in every run, so that a red run stays red until it is fixed;
# HYPOTHESIS_PROFILE=roam looks for new ones.
settings.register_profile("steady", derandomize=True, deadline=None)
settings.register_profile("roam", deadline=None, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "steady"))

REPOSITORY = Path(__file__).resolve().parents[1]


@pytest.fixture(autouse=True, scope="module")
def _registries_disconnected() -> Iterator[None]:
    """MLflow keeps its connections to every registry; with those of all tests, select() could wait for nothing more."""
    yield
    for name in ("mlflow.store.tracking.sqlalchemy_store", "mlflow.store.model_registry.sqlalchemy_store"):
        if name in sys.modules:
            for engine in tuple(sys.modules[name].SqlAlchemyStore._engine_map.values()):
                engine.dispose()


@pytest.fixture(scope="session")
def repository() -> Path:
    """Return the repository's root."""
    return REPOSITORY


@pytest.fixture(scope="session")
def datasets() -> Path:
    """Return the folder of public data sets beside the repository, or skip."""
    folder = Path(os.environ.get("FOREWARN_TEST_DATASETS", REPOSITORY.parent / "shared" / "datasets"))
    if not (folder / "cmapss").is_dir():
        pytest.skip(f"the public data sets are not at {folder} (set FOREWARN_TEST_DATASETS)")
    return folder


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """Run a PostgreSQL server, or skip where none can be run."""
    reason = why_not()
    if reason is not None:
        pytest.skip(reason)
    with postgres_server() as server:
        yield server


@pytest.fixture(scope="module")
def browser() -> Iterator[chromium.Browser]:
    """Run Chromium for the tests of one file, or skip where it cannot be run."""
    reason = chromium.why_not()
    if reason is not None:
        pytest.skip(reason)
    with chromium.running_browser() as browser:
        yield browser


@pytest.fixture
def recorded() -> Iterator[InMemorySpanExporter]:
    """Record the spans of this process."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    record_with(SpanRecorder(provider.get_tracer("test")))
    yield exporter
    record_with(None)


@pytest.fixture
def mosquitto(tmp_path: Path) -> "Iterator[MosquittoProcess]":
    """Run a Mosquitto of the test's own, or skip where none can be run."""
    reason = live_broker.why_not()
    if reason is not None:
        pytest.skip(reason)
    (tmp_path / "broker").mkdir()
    with live_broker.running_mosquitto(tmp_path / "broker") as broker:
        yield broker
