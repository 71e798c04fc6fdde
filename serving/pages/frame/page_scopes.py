"""What a viewer needs to open a page, and to send a form of one: by the path of the route."""

import re
from collections.abc import Mapping
from typing import Final

from data_contracts.records.tokens import SCOPES
from serving.http.errors import FORBIDDEN, ApiError

_FIELD, _FILE = re.compile(r"\{[^}]*\}"), re.compile(r"\.(csv|ics)$")
ANYBODY: Final[tuple[str, ...]] = ()
_READERS: Final = ("predict", "report")
_PAGES: Final = {
    "/ui": SCOPES,
    "/ui/alarms": _READERS,
    "/ui/worklist": ("predict",),
    "/ui/parts": _READERS,
    "/ui/value": _READERS,
    "/ui/what-if": _READERS,
    "/ui/models": _READERS,
    "/ui/models/promote": ("admin",),
    "/ui/models/rollback": ("admin",),
    "/ui/data": ("report",),
    "/ui/sign-in": ANYBODY,
}
_FORMS: Final = {
    "/ui/sign-in": ANYBODY,
    "/ui/sign-out": ANYBODY,
    "/ui/alarms": ("report",),
    "/ui/models": ("admin",),
}
"""By the beginning of the path, whose fields are written ``{}``; a form that is not here needs the scope admin."""


class MissingScopeError(ApiError):
    """A viewer who may not open a page, or send a form: status 403. Pages say it in the viewer's language."""

    def __init__(self, needed: tuple[str, ...]) -> None:
        expected = f"one who may {' or '.join(needed)}"
        super().__init__(FORBIDDEN, None, "a viewer who may not do this", expected, "Ask the operator for that scope")
        self.needed = needed


def page_scopes(path: str) -> tuple[str, ...]:
    """Return the scopes of which a viewer needs one to open the page of a route; empty if none is needed.

    >>> page_scopes("/ui/data"), page_scopes("/ui/worklist.csv")
    (('report',), ('predict',))
    """
    return _scopes(_PAGES, path)


def form_scopes(path: str) -> tuple[str, ...]:
    """Return the scopes of which a viewer needs one to send a form to a route; empty if none is needed.

    >>> form_scopes("/ui/alarms/silence"), form_scopes("/ui/unlisted")
    (('report',), ('admin',))
    """
    return _scopes(_FORMS, path)


def is_listed(path: str) -> bool:
    """Tell whether the table says who may send a form to a route; if it does not, that is the admin alone."""
    return _longest(_FORMS, path) is not None


def _scopes(table: Mapping[str, tuple[str, ...]], path: str) -> tuple[str, ...]:
    found = _longest(table, path)
    return ("admin",) if found is None else found


def _longest(table: Mapping[str, tuple[str, ...]], path: str) -> tuple[str, ...] | None:
    """Return what a table says of the longest beginning of a path, a file's being its page's; None if of none."""
    parts = _FILE.sub("", _FIELD.sub("{}", path)).split("/")
    beginnings = ("/".join(parts[:length]) for length in range(len(parts), 0, -1))
    return next((table[each] for each in beginnings if each in table), None)
