"""The pages that every page links to, in their order."""

from typing import Final

ENTRIES: Final[tuple[tuple[str, str], ...]] = ()
"""Paths, and the keys of the texts that name them."""
