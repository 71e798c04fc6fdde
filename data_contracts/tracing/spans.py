"""Spans as the rest of forewarn makes them: a test of one variable, and no more, until tracing has been started."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import wraps
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from data_contracts.tracing.request_span import RequestSpan

if TYPE_CHECKING:
    from opentelemetry.trace import Span as Span

    from data_contracts.tracing.span_recorder import Attributes, SpanRecorder

P = ParamSpec("P")
R = TypeVar("R")

_OFF: AbstractContextManager[None] = nullcontext()
_OFF_REQUEST: AbstractContextManager[RequestSpan] = nullcontext(RequestSpan())


@dataclass
class _Current:
    recorder: "SpanRecorder | None" = None


_current = _Current()


def record_with(recorder: "SpanRecorder | None") -> None:
    """Record the spans of this process; None stops it."""
    _current.recorder = recorder


def is_tracing() -> bool:
    """Return whether spans are recorded: attributes that cost something are not worth making otherwise."""
    return _current.recorder is not None


def span(name: str, attributes: "Attributes | None" = None) -> AbstractContextManager[object]:
    """Return a context whose time is recorded as a span, a child of the one around it."""
    return _OFF if _current.recorder is None else _current.recorder.span(name, attributes)


def shared_span(name: str, sharing: "Sequence[Span | None]") -> AbstractContextManager[object]:
    """Return a context in which one thread works for the spans of several: child of its own, linked with the others."""
    return _OFF if _current.recorder is None else _current.recorder.shared(name, sharing)


def request_span(
    name: str, attributes: "Attributes", headers: Mapping[str, str]
) -> AbstractContextManager[RequestSpan]:
    """Return a context in which a request is answered, in the trace of which `headers` has a ``traceparent``."""
    return _OFF_REQUEST if _current.recorder is None else _current.recorder.request(name, attributes, headers)


def traced(name: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Return a decorator by which each call of a function is a span."""

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        @wraps(function)
        def run(*args: P.args, **kwargs: P.kwargs) -> R:
            if _current.recorder is None:
                return function(*args, **kwargs)
            with _current.recorder.span(name):
                return function(*args, **kwargs)

        return run

    return decorate


def current_span() -> "Span | None":
    """Return the current span, for others to be linked with; None while nothing is recorded."""
    return None if _current.recorder is None else _current.recorder.current()


def annotate(attributes: "Attributes") -> None:
    """Add attributes to the current span."""
    if _current.recorder is not None:
        _current.recorder.current().set_attributes(attributes)
