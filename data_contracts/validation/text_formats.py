"""The formats of texts that the standard names."""

import ipaddress
import re
from collections.abc import Callable
from urllib.parse import urlsplit

_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_HOSTNAME = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
_UUID = re.compile(r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")
_EMAIL = re.compile(rf"[A-Za-z0-9.!#$%&'*+/=?^_`{{|}}~-]+@{_HOSTNAME.pattern}")


def matches_format(text: str, name: str) -> bool:
    """Return whether a text has a format of the standard.

    Examples
    --------
    >>> [matches_format("10.0.0.1", name) for name in ("ipv4", "ipv6", "hostname", "uuid")]
    [True, False, True, False]
    """
    return _MATCHES[name](text)


def _is_uuid(text: str) -> bool:
    return _UUID.fullmatch(text) is not None


def _is_uri(text: str) -> bool:
    if re.search(r"[\s<>\"{}|\\^`]", text) or not _reads(urlsplit, text):
        return False
    parts = urlsplit(text)
    return bool(re.fullmatch(r"[A-Za-z][A-Za-z0-9+.-]*", parts.scheme)) and bool(parts.netloc or parts.path)


def _reads(read: Callable[[str], object], text: str) -> bool:
    try:
        read(text)
    except ValueError:
        return False
    return True


_MATCHES: dict[str, Callable[[str], bool]] = {
    "uuid": _is_uuid,
    "email": lambda text: _EMAIL.fullmatch(text) is not None,
    "uri": _is_uri,
    "hostname": lambda text: len(text) <= 253 and _HOSTNAME.fullmatch(text) is not None,
    "ipv4": lambda text: _reads(ipaddress.IPv4Address, text),
    "ipv6": lambda text: _reads(ipaddress.IPv6Address, text),
}
