"""Which machines the fleet page shows: filters, search, order and pages, from its query and back into one."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final
from urllib.parse import urlencode

from serving.http.errors import unprocessable
from serving.http.json_bodies import show
from serving.pages.fleet_state.statuses import STATUSES

ALL: Final = "all"
SIZES: Final = ("25", "100", "500", ALL)
SORTS: Final = ("risk", "machine", "act")
ALARMS: Final = ("open", "unacknowledged", "none")
_DEFAULTS: Final = {"sort": SORTS[0], "size": SIZES[1], "page": "1"}
_LONGEST, _MOST_DIGITS = 255, 6


@dataclass(frozen=True)
class FleetFilter:
    """What of the fleet is shown; an empty text takes everything."""

    plant: str = ""
    line: str = ""
    model: str = ""
    status: str = ""
    alarm: str = ""
    q: str = ""
    sort: str = SORTS[0]
    size: str = SIZES[1]
    page: int = 1
    kept: Mapping[str, str] = field(default_factory=dict)  # parameters of the page itself, such as the time

    def query(self, **changes: Any) -> str:
        """Return the query of this filter with some changes, from the first page on; "?" alone for everything."""
        changed = replace(self, **{"page": 1, **changes})
        names = ("plant", "line", "model", "status", "alarm", "q", "sort", "size", "page")
        values = {name: str(getattr(changed, name)) for name in names}
        given = {name: value for name, value in values.items() if value != _DEFAULTS.get(name, "")}
        return f"?{urlencode({**given, **self.kept})}"

    @property
    def is_narrow(self) -> bool:
        """Whether it leaves machines out."""
        return any((self.plant, self.line, self.model, self.status, self.alarm, self.q))


def read_filter(query: Mapping[str, str], kept: Mapping[str, str]) -> FleetFilter:
    """Read a filter; ApiError 422 for a value that cannot be one."""
    texts = {name: query.get(name, "").strip() for name in ("plant", "line", "model", "q")}
    for name, value in texts.items():
        if len(value) > _LONGEST:
            raise unprocessable(name, show(value[:80]), f"at most {_LONGEST} characters")
    page = query.get("page") or _DEFAULTS["page"]
    if not (page.isascii() and page.isdecimal() and len(page) <= _MOST_DIGITS and int(page) > 0):
        raise unprocessable("page", show(page[:80]), "a whole number from 1 on")
    return FleetFilter(
        **texts,
        status=_choice(query, "status", ("", *STATUSES)),
        alarm=_choice(query, "alarm", ("", *ALARMS)),
        sort=_choice(query, "sort", SORTS),
        size=_choice(query, "size", SIZES),
        page=int(page),
        kept=dict(kept),
    )


def _choice(query: Mapping[str, str], name: str, choices: tuple[str, ...]) -> str:
    value = query.get(name) or _DEFAULTS.get(name, "")
    if value not in choices:
        raise unprocessable(name, show(value[:80]), f"one of {', '.join(filter(None, choices))}")
    return value
