"""How the text of a setting is read; what cannot be read is a ValueError that says what was expected."""

from collections.abc import Callable

import pandas as pd

from data_contracts.errors import UsageError
from features.names import parse_duration


def duration(text: str) -> pd.Timedelta:
    """Read a duration that may be zero."""
    try:
        return parse_duration(text, zero=True)
    except UsageError as error:
        raise ValueError(error.expected) from error


def positive_duration(text: str) -> pd.Timedelta:
    """Read a duration above zero."""
    try:
        return parse_duration(text)
    except UsageError as error:
        raise ValueError(error.expected) from error


def truth(text: str) -> bool:
    """Read true or false."""
    if text.lower() not in ("true", "false"):
        raise ValueError("true or false")
    return text.lower() == "true"


def one_of(*words: str) -> Callable[[str], str]:
    """Return a reader of one of some words."""

    def parse(text: str) -> str:
        if text not in words:
            raise ValueError("one of " + ", ".join(f'"{word}"' for word in words))
        return text

    return parse


def duration_or(word: str) -> Callable[[str], pd.Timedelta | None]:
    """Return a reader of a duration, or of a word that leaves it open."""

    def parse(text: str) -> pd.Timedelta | None:
        try:
            return None if text == word else duration(text)
        except ValueError as error:
            raise ValueError(f'{error}, or "{word}"') from error

    return parse


def number(low: float, high: float) -> Callable[[str], float]:
    """Return a reader of a number between two ends, both included."""

    def parse(text: str) -> float:
        try:
            found = float(text)
        except ValueError:
            found = float("nan")
        if not low <= found <= high:
            raise ValueError(f"a number from {low:g} to {high:g}")
        return found

    return parse


def amount_or(word: str) -> Callable[[str], float | None]:
    """Return a reader of an amount of money, or of a word that leaves it open."""
    amount = number(0, 1e15)

    def parse(text: str) -> float | None:
        try:
            return None if text == word else amount(text)
        except ValueError as error:
            raise ValueError(f'an amount of 0 or more, or "{word}"') from error

    return parse


def count(text: str) -> int:
    """Read a whole number."""
    if not text.isdigit():
        raise ValueError("a whole number")
    return int(text)


def positive_count(text: str) -> int:
    """Read a whole number from 1 on."""
    if not text.isdigit() or not int(text):
        raise ValueError("a whole number from 1 on")
    return int(text)


def cron(text: str) -> str:
    """Read a cron expression of five fields; empty for never."""
    if text and len(text.split()) != 5:
        raise ValueError('a cron expression of five fields such as "0 6 * * *", or "" for never')
    return text


def time_zone(text: str) -> str:
    """Read the name of a time zone."""
    try:
        pd.Timestamp("2026-01-01", tz=text)
    except Exception as error:  # zoneinfo raises whatever its file system access raises
        raise ValueError('a time zone such as "UTC" or "Europe/Berlin"') from error
    return text
