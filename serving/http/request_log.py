"""The log: one JSON object a line, on stderr.

It names routes and prediction ids; nothing that a caller wrote into a path, a header or a body, and no stack traces.
"""

import logging
import sys
import time

from pythonjsonlogger.json import JsonFormatter

from serving.http.error_redaction import describe_error, error_location
from serving.http.errors import LOGGER
from serving.http.request_context import RequestContext

_REQUESTS = LOGGER.getChild("requests")
_MAX_PREDICTION_IDS = 20
# BentoML and its server log errors outside of our routes themselves.
_OTHER_LOGGERS = ("", "bentoml", "uvicorn.error")


class StackTraceFilter(logging.Filter):
    """Log an error by its description and location instead of its stack trace."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Rewrite a record that holds an error; let every record pass."""
        if record.exc_info:
            error = record.exc_info[1]
            reason = f": {describe_error(error)}, raised in {error_location(error)}" if error is not None else ""
            record.msg, record.args = f"{record.getMessage()}{reason}", ()
            record.exc_info = record.exc_text = None
        return True


def log_as_json() -> None:
    """Log as JSON instead of in BentoML's format."""
    handler = logging.StreamHandler(sys.stderr)
    fields = {"asctime": "at", "levelname": "level", "message": "event"}
    formatter = JsonFormatter("{asctime}{levelname}{message}", style="{", rename_fields=fields)
    formatter.default_time_format, formatter.default_msec_format = "%Y-%m-%dT%H:%M:%S", "%s.%03dZ"
    formatter.converter = time.gmtime
    handler.setFormatter(formatter)
    handler.addFilter(StackTraceFilter())
    for other in {handler for name in _OTHER_LOGGERS for handler in logging.getLogger(name).handlers}:
        other.addFilter(StackTraceFilter())
    LOGGER.handlers[:] = [handler]
    LOGGER.setLevel(logging.INFO)
    LOGGER.propagate = False


def log_request(context: RequestContext, method: str, route: str, status: int, seconds: float) -> None:
    """Log a request that has ended; status 0 if the caller disconnected before there was a response."""
    fields = {
        "request_id": context.request_id,
        "caller": context.caller,
        "method": method,
        "route": route,
        "status": status,
        "ms": round(seconds * 1e3, 2),
    }
    if context.trace_id:
        fields["trace_id"] = context.trace_id
    if context.predictions:
        prediction_ids = context.predictions[:_MAX_PREDICTION_IDS]
        fields |= {"n_predictions": len(context.predictions), "prediction_ids": prediction_ids}
    _REQUESTS.info("request", extra=fields)
