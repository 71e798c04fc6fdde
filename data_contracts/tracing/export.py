"""Export of spans over OTLP by HTTP, as OpenTelemetry's environment variables say; none of them, no tracing."""

import atexit
import os
import threading
from collections.abc import Callable, Mapping
from importlib.metadata import version

from data_contracts.tracing.spans import is_tracing, record_with

COLLECTOR_VARIABLES = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
_PROTOCOL_VARIABLES = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
_PROTOCOL = "http/protobuf"
# A collector that does not answer must not keep a process from ending; the SDK's own 30 s would.
_LAST_EXPORT_VARIABLE, _LAST_EXPORT_MS = "OTEL_BSP_EXPORT_TIMEOUT", 1_000
_providers: list[Callable[[], None]] = []  # what shuts down each that was started


def wants_tracing(environ: Mapping[str, str]) -> bool:
    """Return whether the environment names a collector, and does not switch tracing off."""
    disabled = environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true"
    exporters = environ.get("OTEL_TRACES_EXPORTER", "").strip().lower()
    return any(environ.get(name) for name in COLLECTOR_VARIABLES) and not disabled and exporters in ("", "otlp")


def start_tracing(service: str, environ: Mapping[str, str]) -> str:
    """Record the spans of this process, by the name of a service unless OTEL_SERVICE_NAME gives another.

    Nothing happens where the environment names no collector. Where it names one that cannot be used, the reason is
    returned, for the caller to report; "" otherwise.
    """
    if is_tracing() or not wants_tracing(environ):
        return ""
    protocol = next((environ[name] for name in _PROTOCOL_VARIABLES if environ.get(name)), _PROTOCOL)
    if protocol != _PROTOCOL:
        return f"No traces are exported: the protocol is {protocol!r}. Set {_PROTOCOL_VARIABLES[1]}={_PROTOCOL}."
    try:
        _start(service)
    except ModuleNotFoundError:
        return "No traces are exported: the exporter is not installed. Run `pip install 'forewarn[otel]'`."
    except ValueError as error:
        return f"No traces are exported: one of the variables OTEL_* has a value that is not understood ({error})."
    return ""


def stop_tracing() -> None:
    """Export what is waiting, if the collector takes it within a second or OTEL_BSP_EXPORT_TIMEOUT, and end."""
    record_with(None)
    providers, _providers[:] = _providers[:], []
    for shut_down in providers:
        # The exporter tries again for ten seconds, and only a thread can be left to that.
        last = threading.Thread(target=shut_down, daemon=True)
        last.start()
        last.join(_last_export_ms() / 1_000)


def _last_export_ms() -> int:
    text = os.environ.get(_LAST_EXPORT_VARIABLE, "")
    return int(text) if text.isdecimal() else _LAST_EXPORT_MS


def _start(service: str) -> None:
    # Imported only where there is a collector: they take a quarter of a second.
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import PROCESS_PID, SERVICE_NAME, SERVICE_VERSION, OTELResourceDetector, Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    from data_contracts.tracing.span_recorder import SpanRecorder

    own = Resource.create({SERVICE_NAME: service, SERVICE_VERSION: version("forewarn"), PROCESS_PID: os.getpid()})
    # The environment's own attributes win.
    resource = own.merge(OTELResourceDetector().detect())
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    _providers.append(provider.shutdown)
    record_with(SpanRecorder(provider.get_tracer("forewarn", version("forewarn"))))
    atexit.register(stop_tracing)
