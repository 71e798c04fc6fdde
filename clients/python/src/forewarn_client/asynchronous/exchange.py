"""Sending a request until it is answered."""

import itertools
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar, cast

import httpx

from forewarn_client.requests import Request
from forewarn_client.session import Session

Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Exchange:
    """What carries requests to an endpoint, and waits between tries."""

    session: Session
    http: httpx.AsyncClient
    sleep: Callable[[float], Awaitable[object]]

    async def answer(self, kind: type[Answer], request: Request) -> Answer:  # noqa: ARG002 - it is for type checkers
        """Return the answer to a request, of the type that the endpoint describes."""
        return cast("Answer", self.session.content(await self.send(request)))

    async def send(self, request: Request) -> httpx.Response:
        """Send a request until it is answered; the same one each time, also its idempotency key."""
        outgoing = self.session.build(self.http, request)
        for number in itertools.count(1):
            try:
                outcome: httpx.Response | httpx.RequestError = await self.http.send(outgoing)
            except httpx.RequestError as error:
                outcome = error
            pause = self.session.pause_after(number, request, outcome)
            if pause is None and isinstance(outcome, httpx.Response):
                return outcome
            await self.sleep(pause or 0.0)
        raise AssertionError  # the last try returns or raises


class Methods:
    """Base of a group of a client's methods."""

    _exchange: Exchange
