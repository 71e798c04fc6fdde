"""Paths of the pages that people sign in to."""

import re
from typing import Final
from urllib.parse import urlsplit

FOLDER: Final = "/ui"
FIRST, SIGN_IN, SIGN_OUT = f"{FOLDER}/fleet", f"{FOLDER}/sign-in", f"{FOLDER}/sign-out"
SAFE_METHODS: Final = ("GET", "HEAD", "OPTIONS")
_MAX_LENGTH = 2_000
# No backslash, which browsers read as a slash, and nothing that would end a header's line.
_OWN = re.compile(r"/ui(?:[/?][\w\-./~%!$&'()*+,;=:@?]*)?", re.ASCII)


def is_page(path: str) -> bool:
    """Tell whether a path is one of the pages.

    >>> is_page("/ui/fleet"), is_page("/ui"), is_page("/uix")
    (True, True, False)
    """
    return path == FOLDER or path.startswith(f"{FOLDER}/")


def own_page(address: str | None, *, otherwise: str = FIRST) -> str:
    """Return where to go on after signing in or a form: a page of ours, and `otherwise` for anything else.

    >>> own_page("/ui/machines/cnc-1?days=7"), own_page("//elsewhere.example/ui"), own_page("/ui/../predict")
    ('/ui/machines/cnc-1?days=7', '/ui/fleet', '/ui/fleet')
    """
    if address is None or len(address) > _MAX_LENGTH or not _OWN.fullmatch(address):
        return otherwise
    path = urlsplit(address).path
    dots = {".", ".."} & set(re.sub("%2e", ".", path, flags=re.IGNORECASE).split("/"))
    return otherwise if dots or path in (SIGN_IN, SIGN_OUT) else address
