"""The client's version, that of the endpoint it was made with; and what to say where an endpoint has another."""

import re

__version__ = "0.1.0"
HEADER = "Forewarn-Version"
"""The header by which every answer of an endpoint names its version."""
_RELEASE = re.compile(r"(\d{1,6})\.(\d{1,6})(\..*)?", re.ASCII)


class EndpointVersionWarning(UserWarning):
    """The endpoint is of another release than the client, so that one knows what the other does not."""


def difference(endpoint: str, client: str = __version__) -> str | None:
    """Say what it means that an endpoint and a client are of these versions; None if they are of one release.

    >>> difference("0.1.7", "0.1.0") is None, difference("no version") is None
    (True, True)
    >>> print(difference("0.3.0", "0.1.0"))
    The endpoint is forewarn 0.3.0, newer than this client (0.1.0): the client's methods and types lack what was added \
since. Install forewarn-client 0.3
    """
    theirs, ours = _release(endpoint), _release(client)
    if theirs is None or ours is None or theirs == ours:
        return None
    newer = theirs > ours
    lacks = (
        "the client's methods and types lack what was added since"
        if newer
        else "it lacks routes or fields that the client's methods and types have"
    )
    remedy = f"Install forewarn-client {theirs[0]}.{theirs[1]}" + ("" if newer else ", or upgrade the endpoint")
    age = "newer" if newer else "older"
    return f"The endpoint is forewarn {endpoint}, {age} than this client ({client}): {lacks}. {remedy}"


def _release(version: str) -> tuple[int, int] | None:
    match = _RELEASE.fullmatch(version)
    return (int(match[1]), int(match[2])) if match else None
