"""What a request's span says, and what the log says of a caller's trace where nothing is traced."""

import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.testclient import TestClient

from data_contracts.tracing.export import start_tracing, stop_tracing
from data_contracts.tracing.spans import is_tracing, span
from serving.http import request_context
from serving.http.errors import unprocessable
from serving.http.middleware import RequestMiddleware
from serving.http.responses import respond_in_thread
from serving.settings import Settings


def application() -> TestClient:
    """Return a client of an endpoint that fails in three ways."""

    def refuse() -> Response:
        raise unprocessable("assets", "nothing", "something")

    def fail() -> Response:
        raise RuntimeError("no file /srv/secret/x")

    async def predict(request: Request) -> Response:
        return await respond_in_thread(refuse if request.method == "POST" else fail, Settings())

    async def model(_: Request) -> Response:
        return PlainTextResponse(request_context.current().trace_id)

    routes = [Route("/predict", predict, methods=["GET", "POST"]), Route("/model", model)]
    return TestClient(RequestMiddleware(Starlette(routes=routes), Settings(auth="off"), None))


def test_statuses_are_those_of_the_semantic_conventions(recorded: InMemorySpanExporter) -> None:
    """An error of the endpoint is one by its type, without its message; of a path that is none, nothing is said."""
    client = application()
    for method, path in (("POST", "/predict"), ("GET", "/predict"), ("GET", "/srv/secret"), ("BREW", "/model")):
        client.request(method, path)
    spans = {span.name: span for span in recorded.get_finished_spans()}
    assert spans.keys() == {"POST /predict", "GET /predict", "GET", "HTTP /model"}
    failed = spans["GET /predict"]
    assert not failed.status.is_unset
    assert failed.attributes is not None
    assert failed.attributes["error.type"] == "500"
    assert all(span.status.is_unset for name, span in spans.items() if name != "GET /predict")
    assert "secret" not in "".join(span.to_json() for span in spans.values())


@pytest.mark.parametrize(
    ("sent", "logged"),
    [
        ("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "4bf92f3577b34da6a3ce929d0e0e4736"),
        ("cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more", "4bf92f3577b34da6a3ce929d0e0e4736"),
        ("ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", ""),
        ("00-00000000000000000000000000000000-00f067aa0ba902b7-01", ""),
        ("00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01", ""),
        ("00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01", ""),
        ("\xe9", ""),
    ],
)
def test_the_callers_trace_is_logged_where_nothing_is_traced(sent: str, logged: str) -> None:
    """If it names one by the rules of Trace Context; and the answer says nothing of a trace."""
    answer = application().get("/model", headers={b"traceparent": sent.encode("latin-1")})
    assert answer.text == logged
    assert "traceresponse" not in answer.headers


COLLECTOR = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"}


@pytest.mark.parametrize(
    ("environ", "said"),
    [
        ({}, ""),
        ({"OTEL_SERVICE_NAME": "x"}, ""),
        (COLLECTOR | {"OTEL_SDK_DISABLED": "TRUE"}, ""),
        (COLLECTOR | {"OTEL_TRACES_EXPORTER": "none"}, ""),
        (COLLECTOR | {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, "the protocol is 'grpc'"),
        (COLLECTOR | {"OTEL_BSP_MAX_QUEUE_SIZE": "-1"}, "not understood"),
    ],
)
def test_tracing_stays_off(environ: dict[str, str], said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a collector, or if it cannot be used: then it is said why."""
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    assert said in start_tracing("test", environ)
    assert not is_tracing()


def test_a_collector_that_is_away_keeps_no_process_from_ending(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", COLLECTOR["OTEL_EXPORTER_OTLP_ENDPOINT"])
    assert start_tracing("test", COLLECTOR) == ""
    try:
        for _ in range(5_000):  # more than wait for an export
            with span("work"):
                pass
    finally:
        stop_tracing()
    assert not is_tracing()
