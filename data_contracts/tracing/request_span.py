"""The span of a request that is answered."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from opentelemetry.trace import Span

_FIRST_SERVER_ERROR = 500


@dataclass(frozen=True)
class RequestSpan:
    """A request's span, and the names by which its caller finds it; empty while nothing is traced."""

    span: "Span | None" = None
    trace_id: str = ""
    traceresponse: str = ""  # in the form of `traceparent`

    def end_with(self, status: int) -> None:
        """Note a response's status; 4xx is no error of the server's (OpenTelemetry, HTTP spans, "Status")."""
        if self.span is None or not status:
            return
        self.span.set_attribute("http.response.status_code", status)
        if status >= _FIRST_SERVER_ERROR:
            mark_failed(self.span, str(status))


def mark_failed(span: "Span", error_type: str) -> None:
    """Give a span the status of an error, by its type alone: its message may hold a path or a row of data."""
    from opentelemetry.trace import StatusCode

    span.set_status(StatusCode.ERROR)
    span.set_attribute("error.type", error_type)
