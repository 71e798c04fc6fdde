"""Callers that ask the endpoint without rest, each over connections of its own, and remember every answer."""

import http.client
import itertools
import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit

# A connection stays with one worker: a new one now and then meets the others.
_REQUESTS_A_CONNECTION = 20


@dataclass(frozen=True)
class EndpointRequest:
    """A request for predictions."""

    body: Any
    key: str | None = None


@dataclass(frozen=True)
class Answer:
    """What became of a question: the status, or 0 where the connection was lost; times in seconds."""

    question: EndpointRequest
    begun: float
    seconds: float
    status: int
    text: str
    retry_after: str | None = None

    @property
    def predictions(self) -> list[dict[str, Any]]:
        return list(json.loads(self.text)["predictions"])

    @property
    def stored(self) -> list[dict[str, Any]]:
        """Those with a number, which the records of predictions hold."""
        return [row for row in self.predictions if row["probability"] is not None]


@dataclass
class Callers:
    """Ask from several threads for as long as a `with` block."""

    url: str
    ask: Callable[[int], EndpointRequest]
    count: int
    rest: float = 0.0
    answers: list[Answer] = field(default_factory=list)

    def __enter__(self) -> "Callers":
        self._over = threading.Event()
        self._numbers = itertools.count()
        self._threads = [threading.Thread(target=self._run) for _ in range(self.count)]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _run(self) -> None:
        connection = _connect(self.url)
        for turn in itertools.count(1):
            if self._over.is_set():
                break
            answer = send(connection, self.ask(next(self._numbers)))
            self.answers.append(answer)
            if answer.status == 0 or turn % _REQUESTS_A_CONNECTION == 0:
                connection.close()
                connection = _connect(self.url)
            if answer.status != 200:
                self._over.wait(0.05)
            self._over.wait(self.rest)
        connection.close()


def ask_once(url: str, question: EndpointRequest) -> Answer:
    """Ask one question over a connection of its own."""
    connection = _connect(url)
    try:
        return send(connection, question)
    finally:
        connection.close()


def send(connection: http.client.HTTPConnection, question: EndpointRequest) -> Answer:
    headers = {"Content-Type": "application/json"} | ({"Idempotency-Key": question.key} if question.key else {})
    begun = time.monotonic()
    try:
        connection.request("POST", "/predict", json.dumps(question.body), headers)
        reply = connection.getresponse()
        status, text, later = reply.status, reply.read().decode(), reply.getheader("Retry-After")
    except (OSError, http.client.HTTPException) as error:
        status, text, later = 0, repr(error), None
    return Answer(question, begun, time.monotonic() - begun, status, text, later)


def _connect(url: str) -> http.client.HTTPConnection:
    return http.client.HTTPConnection(urlsplit(url).netloc, timeout=60.0)
