"""Requests to an SAP system's OData services, and what its answers mean.

A request that changes something needs a CSRF token and the cookies that came with it. Answers are sorted by what may
have happened: refused for good, not executed, or cut off, after which it may still be executed.

References
----------
SAP NetWeaver Gateway, *Cross-Site Request Forgery Protection*; OData 2.0, *JSON Format*, "Representing Errors".
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pandas as pd

from pipelines.connectors.channel_settings import read_secret
from pipelines.connectors.sap_section import SapSection
from pipelines.connectors.webhook import RefusedError, TryAgainError, certificates, retry_after

_TOKEN = "x-csrf-token"  # noqa: S105 - the name of a header
# The password has expired, the request came too slowly or too often: nothing is wrong with what was sent.
_LATER = (401, 407, 408, 425, 429)
_CUT_OFF = (408, 502, 504)  # a proxy has given up on a request that the system behind it may still execute
_NEVER_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol)
_MOST_WORDS = 300


class TokenRefusedError(Exception):
    """The CSRF token is not, or no longer, that of the session; nothing was done."""


@dataclass
class SapService:
    """A session with an SAP system."""

    section: SapSection
    client: httpx.Client = field(repr=False)
    token: str | None = field(default=None, repr=False)

    def read(self, service: str, entity_set: str, query: Mapping[str, str]) -> tuple[list[dict[str, Any]], bool]:
        """Return entities, and whether the system has left out more; a new CSRF token comes with them."""
        parameters = {"$format": "json", **query}
        try:
            answer = self.client.get(f"{service}/{entity_set}", params=parameters, headers={_TOKEN: "fetch"})
        except httpx.HTTPError as error:
            raise TryAgainError(_words(error)) from error
        if not answer.is_success:
            raise _problem(answer, settle=None)
        self.token = answer.headers.get(_TOKEN) or self.token
        content = _entities(answer)
        if isinstance(content, list):
            return content, False
        return list(content.get("results", ())), "__next" in content

    def create(self, service: str, entity_set: str, fields: Mapping[str, Any]) -> dict[str, Any]:
        """Create an entity once, and return it; `TokenRefusedError` if there is to be a new token first."""
        try:
            # Without system query options, which SAP refuses where something is created.
            answer = self.client.post(f"{service}/{entity_set}", json=fields, headers={_TOKEN: self.token or ""})
        except _NEVER_SENT as error:
            raise TryAgainError(_words(error)) from error
        except httpx.HTTPError as error:
            raise TryAgainError(_words(error), settle=self.section.settle) from error
        if answer.status_code == httpx.codes.FORBIDDEN and answer.headers.get(_TOKEN, "").lower() == "required":
            raise TokenRefusedError
        if not answer.is_success:
            raise _problem(answer, settle=self.section.settle)
        content = _entities(answer)
        return content if isinstance(content, dict) else {}


@contextmanager
def open_service(section: SapSection, root: Path) -> Iterator[SapService]:
    """Read the secrets of a channel, and keep connections, cookies and token for the block."""
    token, password = read_secret(section.token_file, root), read_secret(section.password_file, root)
    # In one language, as the texts of statuses are in that of the session.
    headers = {"user-agent": "forewarn", "accept": "application/json", "accept-language": "en"}
    if token is not None:
        headers["authorization"] = f"Bearer {token}"
    client = httpx.Client(
        base_url=f"{section.url.rstrip('/')}/",
        headers=headers,
        params={} if section.client is None else {"sap-client": section.client},
        auth=None if section.user is None or password is None else (section.user, password),
        timeout=section.answer_within.total_seconds(),
        verify=certificates(section.ca, root),
        trust_env=False,
    )
    with client:
        yield SapService(section, client)


def _problem(answer: httpx.Response, settle: pd.Timedelta | None) -> Exception:
    """Return what an answer that is no success means; `settle` is given for requests that change something."""
    message, status = _message(answer), answer.status_code
    problem = f"{status} {answer.reason_phrase}: {message or ' '.join(answer.text[:_MOST_WORDS].split())}".rstrip(": ")
    if answer.is_client_error and status not in _LATER:
        return RefusedError(problem)
    # An error in the system's own words is the end of the request; anything else may be a proxy's.
    open_end = settle is not None and (status in _CUT_OFF or (answer.is_server_error and message is None))
    wait = retry_after(answer.headers.get("retry-after"))
    return TryAgainError(problem, wait, settle=settle if settle is not None and open_end else pd.Timedelta(0))


def _message(answer: httpx.Response) -> str | None:
    """Return the system's own error message with its code; None if the answer is not of its making."""
    try:
        error = answer.json()["error"]
        return f"{error['message']['value']} ({error['code']})"[:_MOST_WORDS]
    except (ValueError, KeyError, TypeError):
        return None


def _entities(answer: httpx.Response) -> Any:
    try:
        return answer.json()["d"]
    except (ValueError, KeyError, TypeError):
        kind = answer.headers.get("content-type", "without a content type")
        raise TryAgainError(f"{answer.status_code} with {kind} in place of OData: a page to log on?") from None


def _words(error: httpx.HTTPError) -> str:
    return f"{type(error).__name__}: {error}".rstrip(": ")
