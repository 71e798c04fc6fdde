"""The tags by which a refit differs from a model of its own; read without the learners."""

from collections.abc import Mapping

REFIT_OF = "refit_of"
"""The version that was judged, whose figures and promise count for its refit."""
AGREEMENT = "refit_agreement"
"""How far the refit behaves as that version, as JSON."""


def refit_of(tags: Mapping[str, str]) -> int | None:
    """Return the version that one with these tags is a refit of; None for a model of its own."""
    return int(tags[REFIT_OF]) if REFIT_OF in tags else None
