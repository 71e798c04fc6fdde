"""Proxies that are believed who a request is from, and who has signed in there."""

import ipaddress
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from starlette.datastructures import Headers
from starlette.types import Scope

from serving.http.errors import FORBIDDEN, ApiError
from serving.setting_values import Network, parse_group_scopes, parse_networks, parse_scopes
from serving.settings import Settings

BEHIND_PROXY: Final = "forewarn.behind_proxy"
"""In an ASGI scope: the connection is one of a proxy that is believed."""
_SCHEMES = ("http", "https")
_MAX_NAME = 255


@dataclass(frozen=True)
class ProxyUser:
    """Somebody who has signed in at a proxy."""

    name: str
    scopes: frozenset[str]


@dataclass(frozen=True)
class Proxies:
    """The proxies, by network, and what their headers mean; without networks none is believed anything."""

    networks: Sequence[Network]
    user_header: str = ""
    groups_header: str = ""
    group_scopes: Mapping[str, frozenset[str]] | None = None
    user_scopes: frozenset[str] = frozenset()

    @classmethod
    def of(cls, settings: Settings) -> "Proxies":
        """Return the proxies of an endpoint."""
        return cls(
            parse_networks(settings.proxy_addresses),
            settings.user_header,
            settings.groups_header,
            parse_group_scopes(settings.group_scopes),
            parse_scopes(settings.user_scopes),
        )

    def resolve(self, scope: Scope) -> Scope:
        """Return a request as its caller sent it to a proxy of ours: from its address, by TLS or not.

        In ``X-Forwarded-For`` counts the last address that is no proxy's: what stands before it anybody may have
        written. In ``X-Forwarded-Proto`` counts the first scheme, which the proxy nearest to the caller has set: the
        others are of the connections between proxies.
        """
        client = scope.get("client")
        if not self.networks or not client or not self._is_proxy(client[0]):
            return scope
        headers = Headers(scope=scope)
        addresses = [part.strip() for line in headers.getlist("x-forwarded-for") for part in line.split(",")]
        caller = next((each for each in reversed(addresses) if not self._is_proxy(each)), None)
        scheme = headers.get("x-forwarded-proto", "").partition(",")[0].strip().lower()
        return {
            **scope,
            "client": (caller, 0) if caller and _is_address(caller) else client,
            "scheme": scheme if scheme in _SCHEMES else scope.get("scheme", "http"),
            BEHIND_PROXY: True,
        }

    def user(self, scope: Scope) -> ProxyUser | None:
        """Return who has signed in at a proxy of ours; ApiError 403 for a name that another peer gives."""
        headers = Headers(scope=scope)
        given = [name for name in (self.user_header, self.groups_header) if name and name in headers]
        if given and not scope.get(BEHIND_PROXY):
            raise ApiError(
                FORBIDDEN,
                None,
                f"a request with the header {given[0]} from a peer that is no proxy of this endpoint",
                "this header from the proxies of FOREWARN_SERVE_PROXY_ADDRESSES alone",
                "Come through the proxy, or sign in with a token",
            )
        names = headers.getlist(self.user_header) if self.user_header else []
        if len(names) > 1:
            raise ApiError(
                FORBIDDEN,
                None,
                f"{len(names)} headers {self.user_header}",
                "one",
                "Have the proxy set it, rather than add to what a caller sends",
            )
        name = _decoded(names[0]).strip() if names else ""
        if not name:
            return None
        if len(name) > _MAX_NAME or not name.isprintable():
            expected = f"at most {_MAX_NAME} printable characters"
            raise ApiError(FORBIDDEN, None, f"{len(name)} characters in {self.user_header}", expected, "Fix the proxy")
        return ProxyUser(name, self._scopes(headers))

    def _scopes(self, headers: Headers) -> frozenset[str]:
        lines = headers.getlist(self.groups_header) if self.groups_header else []
        groups = {part.strip() for line in lines for part in _decoded(line).split(",")}
        allowed = (scopes for group, scopes in (self.group_scopes or {}).items() if group in groups)
        return self.user_scopes.union(*allowed)

    def _is_proxy(self, address: str) -> bool:
        return any(each in network for each in _addresses(address) for network in self.networks)


def _addresses(text: str) -> Iterator[ipaddress.IPv4Address | ipaddress.IPv6Address]:
    """Yield the address that a text is; of an IPv4 address in an IPv6 one, the former too."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return
    yield address
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        yield address.ipv4_mapped


def _is_address(text: str) -> bool:
    return next(_addresses(text), None) is not None


def _decoded(value: str) -> str:
    """Return a header's value as it was meant: proxies send names in UTF-8, and ASGI reads Latin-1."""
    try:
        return value.encode("latin-1").decode()
    except UnicodeDecodeError:
        return value
