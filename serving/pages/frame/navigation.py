"""The pages that every page links to, in their order."""

from typing import Final

ENTRIES: Final[tuple[tuple[str, str], ...]] = (
    ("/ui/fleet", "fleet.title"),
    ("/ui/alarms", "alarms.title"),
    ("/ui/worklist", "worklist.title"),
    ("/ui/parts", "parts.title"),
    ("/ui/value", "value.title"),
    ("/ui/what-if", "what_if.title"),
    ("/ui/models", "models.title"),
    ("/ui/data", "data.title"),
)
"""Paths, and the keys of the texts that name them."""
