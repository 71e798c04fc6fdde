"""Records spans with OpenTelemetry; imported only where a collector was found, since it takes a tenth of a second."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from opentelemetry.context import Context
from opentelemetry.trace import Link, Span, SpanKind, Tracer, get_current_span, use_span
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from data_contracts.tracing.request_span import RequestSpan, mark_failed

Attributes = Mapping[str, str | bool | int | float | Sequence[str]]


class SpanRecorder:
    """Record spans with a tracer."""

    def __init__(self, tracer: Tracer) -> None:
        self._tracer = tracer
        self._propagator = TraceContextTextMapPropagator()

    @contextmanager
    def span(
        self,
        name: str,
        attributes: Attributes | None = None,
        *,
        links: Sequence[Link] = (),
        parent: Context | None = None,
        kind: SpanKind = SpanKind.INTERNAL,
    ) -> Iterator[Span]:
        """Record a span, by default a child of the current one."""
        recorded = self._tracer.start_span(name, parent, kind, attributes, links)
        try:
            with use_span(recorded, record_exception=False, set_status_on_exception=False):
                yield recorded
        except Exception as error:
            mark_failed(recorded, type(error).__qualname__)
            raise
        finally:
            recorded.end()

    @contextmanager
    def shared(self, name: str, sharing: Sequence[Span | None]) -> Iterator[None]:
        """Record a span of work for several spans at once: a child of the current one, linked with each of the rest."""
        own = get_current_span()
        others = [each for each in sharing if each is not None and each is not own]
        links = [Link(each.get_span_context()) for each in others]
        with self.span(name, {"forewarn.batch.size": len(sharing)}, links=links) as recorded:
            for each in others:
                each.add_link(recorded.get_span_context())
            yield

    @contextmanager
    def request(self, name: str, attributes: Attributes, headers: Mapping[str, str]) -> Iterator[RequestSpan]:
        """Record the span of a request that is answered, within the trace that its caller names."""
        parent = self._propagator.extract(headers, Context())
        with self.span(name, attributes, parent=parent, kind=SpanKind.SERVER) as recorded:
            own = recorded.get_span_context()
            names = f"{own.trace_id:032x}-{own.span_id:016x}"
            yield RequestSpan(recorded, names[:32], f"00-{names}-{own.trace_flags:02x}")

    def current(self) -> Span:
        """Return the current span."""
        return get_current_span()
