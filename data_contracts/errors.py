"""The errors of forewarn, each with what was found, what was expected and what to do.

ForewarnError            exit status 1: the command failed, or its result is negative
├── UsageError           exit status 2: an invalid command, option, setting or experiment file
├── ContractError        data that breaks its contract; defined in validation.report, as it carries a Report
├── NotFoundError        a workspace, table, asset, contract or model that does not exist
├── StorageError         a database or table that is locked, corrupt or out of reach
├── LeaseLostError       a process whose lease was taken over while it was stopped or cut off
└── ModelError           a model that cannot be trained, loaded or applied
"""

import difflib
from collections.abc import Iterable


class ForewarnError(Exception):
    """Base of all errors that forewarn raises on purpose.

    Parameters
    ----------
    found
        What was found, without a closing full stop.
    expected
        What was expected instead.
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
    """A command, option, setting or experiment file is invalid."""

    exit_status = 2


class NotFoundError(ForewarnError):
    """A workspace, table, asset, contract or model does not exist."""


class StorageError(ForewarnError):
    """A database or table is locked, corrupt or out of reach."""


class LeaseLostError(ForewarnError):
    """A process has lost its lease to another one, and must write nothing more."""


class ModelError(ForewarnError):
    """A model cannot be trained, loaded or applied."""


def _sentence(text: str) -> str:
    return text if text.endswith(("?", "!")) else f"{text}."


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Suggest the known word that is closest to a mistyped one.

    Parameters
    ----------
    word
        The mistyped word.
    known
        The valid words.

    Returns
    -------
    str
        ``"Did you mean 'x'?"``, or an empty string if no known word is close.

    Examples
    --------
    >>> did_you_mean("horizn", ["horizon", "lead"])
    "Did you mean 'horizon'?"
    >>> did_you_mean("colour", ["horizon", "lead"])
    ''
    """
    # As difflib.get_close_matches does, but never comparing in detail what cannot be closer than the best so far: that
    # takes a sixth of the time where a whole fleet is known.
    matcher, closest, least = difflib.SequenceMatcher(b=word), "", 0.6
    for candidate in known:
        matcher.set_seq1(candidate)
        if matcher.real_quick_ratio() >= least and matcher.quick_ratio() >= least:
            ratio = matcher.ratio()
            if (ratio, candidate) > (least, closest):
                closest, least = candidate, ratio
    return f"Did you mean '{closest}'?" if closest else ""
