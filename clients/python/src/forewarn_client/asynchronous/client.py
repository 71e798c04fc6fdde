"""The asynchronous client: a method for each route."""

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Self

import httpx

from forewarn_client.asynchronous.assets import AssetMethods
from forewarn_client.asynchronous.exchange import Exchange
from forewarn_client.asynchronous.planning import PlanningMethods
from forewarn_client.asynchronous.predictions import PredictionMethods
from forewarn_client.asynchronous.twins import TwinMethods
from forewarn_client.health import Health
from forewarn_client.requests import Request
from forewarn_client.retries import Retries
from forewarn_client.session import Session


class AsyncClient(PredictionMethods, PlanningMethods, AssetMethods, TwinMethods):
    """Send requests to an endpoint, and repeat those that could not be answered.

    A request is repeated, after growing pauses, if the connection fails or the status is 429, 502, 503 or 504. Every
    request whose answer is stored carries an ``Idempotency-Key``, so that a repeated one is answered once.

    Parameters
    ----------
    url : str
        The endpoint's address, such as ``"http://127.0.0.1:3000"``.
    token : str, optional
        The token that ``forewarn tokens create`` showed; None for an endpoint without tokens.
    timeout : float
        Seconds to wait for one answer.
    tries : int
        How often a request is sent at most.
    pause : float
        Seconds before the first repetition. The pause doubles each time, and a random part of it, up to a half, is left
        out; a longer ``Retry-After`` is honoured.
    longest_pause : float
        The longest pause, in seconds. Where the endpoint asks to wait longer, `UnreachableError` is raised at once,
        with ``retry_after``.
    verify : ssl.SSLContext or bool
        By which certificates the endpoint, or the proxy in front of it, is trusted.
    transport : httpx.AsyncBaseTransport, optional
        What carries the requests; the network by default.
    sleep : callable
        Waits for a number of seconds.

    Attributes
    ----------
    endpoint_version : str or None
        The version of forewarn that the endpoint runs, by its last answer; None before the first, or where it does not
        say. Of another release than the client's, it raises the warning `EndpointVersionWarning` once.

    Raises
    ------
    InvalidRequestError
        If the address or the token cannot be one.

    Examples
    --------
    >>> async with AsyncClient("http://127.0.0.1:3000", token="fw_...") as endpoint:  # doctest: +SKIP
    ...     answer = await endpoint.predict(["cnc-001", "cnc-002"])
    ...     for prediction in answer["predictions"]:
    ...         print(prediction["asset"], prediction["status"], prediction["probability"])
    """

    def __init__(
        self,
        url: str,
        token: str | None = None,
        *,
        timeout: float = 30.0,
        tries: int = 6,
        pause: float = 0.25,
        longest_pause: float = 60.0,
        verify: ssl.SSLContext | bool = True,
        transport: httpx.AsyncBaseTransport | None = None,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        session = Session(url, token, Retries(tries, pause, longest_pause))
        http = httpx.AsyncClient(
            base_url=session.base_url, headers=session.headers, timeout=timeout, verify=verify, transport=transport
        )
        self._exchange = Exchange(session, http, sleep)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    @property
    def endpoint_version(self) -> str | None:
        """Return the version of forewarn that the endpoint runs; None if it has not said."""
        return self._exchange.session.endpoint_version

    async def aclose(self) -> None:
        """Close the connections."""
        await self._exchange.http.aclose()

    async def health(self) -> Health:
        """Describe the endpoint's health; needs no token.

        Returns
        -------
        Health
            Whether it is ready to predict, and its version.

        Raises
        ------
        UnreachableError
            If no try was answered: it does not run, or a proxy cannot reach it.
        UnexpectedAnswerError
            If something else answers at this address.
        """
        response = await self._exchange.send(Request("GET", "/readyz", answers=(503,)))
        return Health(response.is_success, self.endpoint_version)
