"""From the form to the command that computes a comparison: it replays for minutes, which the endpoint does not."""

import re
import shlex
from collections.abc import Mapping
from typing import Final

from serving.http.errors import unprocessable
from serving.http.json_bodies import show

ONE: Final[Mapping[str, tuple[str, str]]] = {
    "since": ("--since", r"\d{4}-\d\d-\d\d"),
    "until": ("--until", r"\d{4}-\d\d-\d\d"),
    "response": ("--response", r"\d+(\.\d+)?(d|h|min)"),
    "simulate": ("--simulate", r"\d{1,6}"),
}
MANY: Final[Mapping[str, tuple[str, str]]] = {
    "threshold": ("--threshold", r"(0?\.\d+|0|1)"),
    "horizon": ("--horizon", r"\d+(\.\d+)?(d|h|min)"),
    "machines_per_day": ("--machines-per-day", r"\d{1,6}"),
    "inspect_every": ("--inspect-every", r"\d+(\.\d+)?(d|h|min)"),
    "stock": ("--stock", r"[\w.-]+=\d+(,[\w.-]+=\d+)*"),
    "version": ("--version", r"\d{1,6}"),
    "today": ("--today", r"[a-z_-]+=\S+"),
    "cost": ("--cost", r"[a-z_-]+=\d+(\.\d+)?"),
}
"""Options by the fields of the form, with what each of their values looks like; those here take several."""
ALTERNATIVES: Final = ("threshold", "horizon", "machines_per_day", "inspect_every", "stock", "version")
_LONGEST, _MOST = 400, 24


def build_command(query: Mapping[str, str], model: str) -> str | None:
    """Return the command; None while no alternative is given. ApiError 422 for a value that an option cannot have."""
    words = ["forewarn", "whatif", model]
    for name, (option, pattern) in {**MANY, **ONE}.items():
        values = _values(query, name, pattern)
        if len(values) > (1 if name in ONE else _MOST):
            raise unprocessable(name, f"{len(values)} values", "one" if name in ONE else f"at most {_MOST}")
        words += [option, *values] if values else []
    return shlex.join(words) if any(query.get(name, "").strip() for name in ALTERNATIVES) else None


def _values(query: Mapping[str, str], name: str, pattern: str) -> list[str]:
    text = query.get(name, "")
    if len(text) > _LONGEST:
        raise unprocessable(name, f"{len(text)} characters", f"at most {_LONGEST}")
    values = text.split()
    for value in values:
        if not re.fullmatch(pattern, value, re.ASCII):
            raise unprocessable(name, show(value[:80]), "values with spaces between them, as in the example")
    return values
