"""The log: one JSON object a line, on stderr, for the program that gathers logs.

It names routes and predictions. What a caller wrote into a path, a header or a body is not in it, and no error's stack.
"""

import logging
import sys
import time

from pythonjsonlogger.json import JsonFormatter

from serving.http.error_redaction import cause_of, place_of
from serving.http.errors import LOGGER
from serving.http.request_context import RequestContext

_REQUESTS = LOGGER.getChild("requests")
_MOST_NAMED = 20
# BentoML and the server below it log by themselves what goes wrong outside of our pages.
_OTHERS = ("", "bentoml", "uvicorn.error")


class WithoutStack(logging.Filter):
    """Have an error logged by its cause and place, instead of by its stack."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Change a record that holds an error; let every record pass."""
        if record.exc_info:
            error = record.exc_info[1]
            told = f": {cause_of(error)}, raised in {place_of(error)}" if error is not None else ""
            record.msg, record.args = f"{record.getMessage()}{told}", ()
            record.exc_info = record.exc_text = None
        return True


def write_json() -> None:
    """Write what this endpoint logs as JSON, instead of as BentoML would."""
    handler = logging.StreamHandler(sys.stderr)
    fields = {"asctime": "at", "levelname": "level", "message": "event"}
    form = JsonFormatter("{asctime}{levelname}{message}", style="{", rename_fields=fields)
    form.default_time_format, form.default_msec_format = "%Y-%m-%dT%H:%M:%S", "%s.%03dZ"
    form.converter = time.gmtime
    handler.setFormatter(form)
    handler.addFilter(WithoutStack())
    for other in {each for name in _OTHERS for each in logging.getLogger(name).handlers}:
        other.addFilter(WithoutStack())
    LOGGER.handlers[:] = [handler]
    LOGGER.setLevel(logging.INFO)
    LOGGER.propagate = False


def tell(notes: RequestContext, method: str, route: str, status: int, seconds: float) -> None:
    """Log a request that was answered.

    Parameters
    ----------
    notes
        What was noted about it.
    method, route
        What was asked.
    status
        The answer's status; 0 if the caller went away before there was one.
    seconds
        How long it took.
    """
    told = {
        "request_id": notes.request_id,
        "caller": notes.caller,
        "method": method,
        "route": route,
        "status": status,
        "ms": round(seconds * 1e3, 2),
    }
    if notes.predictions:
        told |= {"n_predictions": len(notes.predictions), "prediction_ids": notes.predictions[:_MOST_NAMED]}
    _REQUESTS.info("request", extra=told)
