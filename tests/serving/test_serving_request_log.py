import io
import json
import logging
import traceback

import pytest

from data_contracts.errors import NotFoundError, StorageError
from serving.http import request_log
from serving.http.errors import LOGGER, to_api_error


@pytest.fixture
def others_handler(monkeypatch: pytest.MonkeyPatch) -> "logging.StreamHandler[io.StringIO]":
    """Return a handler as BentoML sets it up, beside ours."""
    handler = logging.StreamHandler(io.StringIO())
    for name in ("", "bentoml", LOGGER.name):
        monkeypatch.setattr(logging.getLogger(name), "handlers", [handler])
        monkeypatch.setattr(logging.getLogger(name), "propagate", False)
    return handler


def fail(error: Exception) -> Exception:
    try:
        raise error
    except Exception as raised:
        return raised


@pytest.mark.usefixtures("others_handler")
@pytest.mark.parametrize("kind", [RuntimeError, OSError, StorageError, NotFoundError])
def test_what_fails_is_logged_without_path_or_stack(kind: type[Exception], capsys: pytest.CaptureFixture[str]) -> None:
    """The log has the type and message of an error, and no paths or stacks."""
    words = ("a file at /srv/secret/x", "y", "z") if kind in (StorageError, NotFoundError) else ("no /srv/secret/x",)
    error = fail(kind(*words))
    request_log.log_as_json()
    assert "/srv/secret" in "".join(traceback.format_exception(error))
    to_api_error(error)
    line = capsys.readouterr().err
    assert kind.__name__ in json.loads(line)["event"]
    for secret in ("secret", "Traceback", __file__):
        assert secret not in line


def test_what_bentoml_logs_has_no_stack_either(others_handler: "logging.StreamHandler[io.StringIO]") -> None:
    """An error that other loggers write with its stack is described by its cause and its module."""
    request_log.log_as_json()
    error = fail(RuntimeError("no file /srv/secret/x"))
    logging.getLogger("bentoml.server").error("Exception on %s", "/predict", exc_info=error)
    log = others_handler.stream.getvalue()
    assert log.startswith("Exception on /predict: RuntimeError: no file [path], raised in ")
    assert "Traceback" not in log
