"""Settings about people and proxies, which are written as texts: networks, scopes, and the scopes of groups."""

import ipaddress
import re
from collections.abc import Mapping

from data_contracts.records.tokens import SCOPES

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
_HEADER = re.compile(r"[A-Za-z0-9-]{1,64}")


def parse_networks(text: str) -> tuple[Network, ...]:
    """Read addresses and networks with commas between them; ValueError for anything else.

    >>> [str(network) for network in parse_networks("10.0.0.7, fd00::/8")]
    ['10.0.0.7/32', 'fd00::/8']
    """
    return tuple(ipaddress.ip_network(part.strip()) for part in text.split(",") if part.strip())


def parse_scopes(text: str) -> frozenset[str]:
    """Read scopes with spaces between them; ValueError for an unknown one.

    >>> sorted(parse_scopes("report predict"))
    ['predict', 'report']
    """
    scopes = frozenset(text.split())
    if not scopes <= set(SCOPES):
        raise ValueError(f"{', '.join(sorted(scopes - set(SCOPES)))} is none of {', '.join(SCOPES)}")
    return scopes


def parse_group_scopes(text: str) -> Mapping[str, frozenset[str]]:
    """Read what groups may do, with semicolons between them; a group's name may have any other character.

    >>> {group: sorted(scopes) for group, scopes in parse_group_scopes("/crew: report; role:admin: admin").items()}
    {'/crew': ['report'], 'role:admin': ['admin']}
    """
    found: dict[str, frozenset[str]] = {}
    for part in filter(None, (part.strip() for part in text.split(";"))):
        group, _, scopes = part.rpartition(":")
        if not group.strip() or not scopes.strip() or group.strip() in found:
            raise ValueError(f"{part} does not name a group once, with its scopes")
        found[group.strip()] = parse_scopes(scopes)
    return found


def check_header(name: str) -> str:
    """Return the name of a header; ValueError if it cannot be one."""
    if name and not _HEADER.fullmatch(name):
        raise ValueError("no name of a header")
    return name


def check_path(path: str) -> str:
    """Return a path of this site; ValueError for another site's address."""
    if path and (not path.startswith("/") or path.startswith(("//", "/\\")) or not path.isprintable()):
        raise ValueError("no path")
    return path


def check_networks(text: str) -> str:
    """Return a text that `parse_networks` reads."""
    parse_networks(text)
    return text


def check_scopes(text: str) -> str:
    """Return a text that `parse_scopes` reads."""
    parse_scopes(text)
    return text


def check_group_scopes(text: str) -> str:
    """Return a text that `parse_group_scopes` reads."""
    parse_group_scopes(text)
    return text
