"""Who may call where no tokens are needed: programs on this machine, and pages that this endpoint serves itself."""

import ipaddress
from collections.abc import Iterator
from typing import Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import Scope

from serving.http.callers.authentication import tokens_needed
from serving.http.callers.page_paths import is_page
from serving.http.errors import FORBIDDEN, ApiError

# A proxy on this machine lets others in: each of these shows one.
_PROXY_HEADERS: Final = (
    "forwarded",
    "via",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-forwarded-port",
    "x-forwarded-server",
    "x-real-ip",
    "x-client-ip",
    "true-client-ip",
    "cf-connecting-ip",
)
_FETCH_SITE, _OWN_SITE = "sec-fetch-site", ("same-origin", "none")


def check_local_caller(scope: Scope) -> None:
    """Reject callers from elsewhere, where no tokens are needed because the endpoint listens on this machine only.

    The connection of a proxy, or of a browser that shows somebody's page, comes from this machine too; their headers
    show them, and the name by which a page reached us.
    """
    found = next(_elsewhere(scope, Headers(scope=scope)), None)
    if found is not None:
        expected = "a program on this machine, since no tokens are needed"
        raise ApiError(FORBIDDEN, None, found, expected, "Serve with FOREWARN_SERVE_AUTH=on, and send a token")


def _elsewhere(scope: Scope, headers: Headers) -> Iterator[str]:
    """Yield what shows that a caller is elsewhere."""
    if not _is_local(scope):
        yield "a connection from another machine"
    for name in _PROXY_HEADERS:
        if name in headers:
            yield f"a request with the header {name}"
    host = headers.get("host", "localhost")
    if tokens_needed("auto", _hostname(host)):
        yield "a request to another host's name"
    if "origin" in headers and _authority(headers["origin"]) != host.lower():
        yield "a request with the header origin"
    if headers.get(_FETCH_SITE, "none") not in _OWN_SITE and not _is_followed_link(scope, headers):
        yield f"a request with the header {_FETCH_SITE}"


def _is_followed_link(scope: Scope, headers: Headers) -> bool:
    """Tell whether somebody on this machine follows a link to a page: where the link was learns nothing of it."""
    is_whole_page = (headers.get("sec-fetch-mode"), headers.get("sec-fetch-dest")) == ("navigate", "document")
    return is_whole_page and scope["method"] == "GET" and is_page(scope["path"])


def _is_local(scope: Scope) -> bool:
    """Tell whether a connection comes from this machine; one through a Unix socket has no address."""
    client = scope.get("client")
    if not client or not client[0]:
        return True
    try:
        address = ipaddress.ip_address(client[0])
    except ValueError:
        return False
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return (mapped or address).is_loopback


def _hostname(host: str) -> str:
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def _authority(origin: str) -> str:
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return ""
