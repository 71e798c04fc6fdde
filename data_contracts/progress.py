"""Progress callback."""

from typing import Protocol


class ProgressCallback(Protocol):
    """Called with the work in a word or two, the steps finished and the steps in all."""

    def __call__(self, what: str, done: int, total: int) -> None:
        """Report that ``done`` of ``total`` steps of ``what`` are finished."""


def silent(what: str, done: int, total: int) -> None:
    """Ignore progress."""
