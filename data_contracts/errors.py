"""The errors forewarn raises on purpose, each with what was found, what was expected and what to do.

ForewarnError            exit status 1: the answer is no
├── UsageError           exit status 2: a wrong command, option, setting or experiment file
├── ContractError        data that breaks its contract; in validation.report, beside the report it carries
├── NotFoundError        a workspace, table, asset, contract or model that is not there
├── StorageError         a database or table that is locked, corrupt or out of reach
└── ModelError           a model that cannot be trained, loaded or applied
"""

import difflib
from collections.abc import Iterable


class ForewarnError(Exception):
    """Tell a person what was found, what was expected and what to do.

    Parameters
    ----------
    found
        What was there, without a closing full stop.
    expected
        What should have been there.
    remedy
        What the reader can do about it.
    """

    exit_status = 1

    def __init__(self, found: str, expected: str, remedy: str) -> None:
        super().__init__(found, expected, remedy)
        self.found = found.rstrip(".")
        self.expected = expected.rstrip(".")
        self.remedy = remedy.rstrip(".")

    def __str__(self) -> str:
        return " ".join(_sentence(part) for part in (self.found, f"Expected {self.expected}", self.remedy))


class UsageError(ForewarnError):
    """A command, option, setting or experiment file is wrong."""

    exit_status = 2


class NotFoundError(ForewarnError):
    """Something that was named is not there."""


class StorageError(ForewarnError):
    """A database or table is locked, corrupt or out of reach."""


class ModelError(ForewarnError):
    """A model cannot be trained, loaded or applied."""


def _sentence(text: str) -> str:
    return text if text.endswith(("?", "!")) else f"{text}."


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Suggest the known word that a mistyped one most likely meant.

    Parameters
    ----------
    word
        What was written.
    known
        The words that would have been right.

    Returns
    -------
    str
        ``"Did you mean 'x'?"``, or nothing when no known word is close.

    Examples
    --------
    >>> did_you_mean("horizn", ["horizon", "lead"])
    "Did you mean 'horizon'?"
    >>> did_you_mean("colour", ["horizon", "lead"])
    ''
    """
    close = difflib.get_close_matches(word, list(known), n=1)
    return f"Did you mean '{close[0]}'?" if close else ""
