"""What both clients know of their endpoint: its address, the token, its version, and how requests are repeated."""

import warnings
from dataclasses import dataclass, field
from typing import Any

import httpx

from forewarn_client.errors import InvalidRequestError
from forewarn_client.requests import Request
from forewarn_client.responses import content_of
from forewarn_client.retries import Retries
from forewarn_client.version import HEADER, EndpointVersionWarning, __version__, difference

_API = "/v1"


@dataclass
class Session:
    """An endpoint, and what its answers have shown of it."""

    url: str
    token: str | None = field(repr=False)
    retries: Retries
    endpoint_version: str | None = None
    _has_warned: bool = False

    def __post_init__(self) -> None:
        if not self.url.startswith(("http://", "https://")):
            found = f"the address {self.url!r}"
            raise InvalidRequestError(found, "one that begins with http:// or https://", "Correct it")
        if self.token is not None and not (self.token.isascii() and self.token.isprintable() and " " not in self.token):
            raise InvalidRequestError(
                "a token with spaces, line ends or other characters that none has",
                "the token that `forewarn tokens create` showed",
                "Strip what was read from a file",
            )

    @property
    def base_url(self) -> str:
        """Return the address that requests' paths follow."""
        return self.url.rstrip("/").removesuffix(_API) + _API

    @property
    def headers(self) -> dict[str, str]:
        """Return the headers of every request."""
        agent = {"User-Agent": f"forewarn-client/{__version__}"}
        return agent | ({"Authorization": f"Bearer {self.token}"} if self.token else {})

    def build(self, http: httpx.Client | httpx.AsyncClient, request: Request) -> httpx.Request:
        """Make HTTP of a request; InvalidRequestError if a header cannot hold what it is to."""
        try:
            return http.build_request(
                request.method, request.path, params=request.query, content=request.content, headers=request.headers
            )
        except (UnicodeEncodeError, httpx.InvalidURL) as error:
            remedy = "Correct the address or the key"
            raise InvalidRequestError(
                f"a request that HTTP cannot hold ({error})", "printable ASCII", remedy
            ) from error

    def pause_after(self, number: int, request: Request, outcome: httpx.Response | httpx.RequestError) -> float | None:
        """Return the pause before the next try, None if there is an answer; and note the endpoint's version."""
        if isinstance(outcome, httpx.Response):
            self.endpoint_version = outcome.headers.get(HEADER, self.endpoint_version)
        pause = self.retries.pause_after(number, request, outcome)
        other = None if self.endpoint_version is None or self._has_warned else difference(self.endpoint_version)
        if other is not None:
            self._has_warned = True
            warnings.warn(other, EndpointVersionWarning, stacklevel=4)
        return pause

    def content(self, response: httpx.Response) -> dict[str, Any]:
        """Return the answer."""
        return content_of(response)
