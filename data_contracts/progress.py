"""How long work says how far it is."""

from typing import Protocol


class ProgressCallback(Protocol):
    """Takes word of progress: ``report(what, done, total)``."""

    def __call__(self, what: str, done: int, total: int) -> None:
        """Take word that ``done`` of ``total`` steps of ``what`` are finished."""


def silent(what: str, done: int, total: int) -> None:
    """Take word of progress and do nothing with it.

    Parameters
    ----------
    what : str
        The work, in a word or two.
    done, total : int
        Steps finished, and steps in all.
    """
