"""Monotone constraints: which features the risk rises with, and which it falls with, by patterns of their names.

A pattern is a channel, or a channel and a calculator (`vibration__mean`), or more of a feature's name; `*` and `?` stand
for anything, so that `*__maximum` is the maximum of every channel. It counts in every window, normalised by regime or
not. What a pattern names keeps its constraint whichever columns are chosen later.
"""

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Literal

from data_contracts.errors import UsageError, did_you_mean
from features.names import parse_name, raw_channel
from models.estimators.targets import Target

Direction = Literal["rising", "falling", "free"]

_SIGNS = {"rising": 1, "falling": -1}


def monotone_signs(directions: Mapping[str, Direction], columns: Sequence[str], target: Target) -> tuple[int, ...]:
    """Return 1 for each column that predictions may only rise with, -1 for those they may only fall with, 0 for others.

    Directions are those of the risk, so hours of remaining life go the other way; a condition's value rises as written.

    Examples
    --------
    >>> monotone_signs({"vibration": "rising"}, ["vibration__mean", "volt__mean"], "remaining_life")
    (-1, 0)
    """
    risk = -1 if target == "remaining_life" else 1
    return tuple(risk * _sign(directions, column) for column in columns)


def check_patterns(directions: Mapping[str, Direction], columns: Sequence[str]) -> None:
    """Refuse a pattern that matches no column, and columns that have to rise and to fall: `UsageError`."""
    names = [_names(column) for column in columns]
    for pattern in directions:
        if not any(_matches(pattern, own) for own in names):
            known = dict.fromkeys(
                part for channel, feature in names for part in (channel, _calculator(channel, feature))
            )
            hint = did_you_mean(pattern, known) or f"Name one of {', '.join(list(known)[:6])}, or *__ and a calculator"
            raise UsageError(
                f"estimator.monotone names {pattern!r}, which no feature matches", "a channel, or more", hint
            )
    for column in columns:
        _sign(directions, column)


def _sign(directions: Mapping[str, Direction], column: str) -> int:
    names = _names(column)
    found = {directions[pattern]: pattern for pattern in directions if _matches(pattern, names)}
    if "free" in found:
        return 0
    if len(found) > 1:
        raise UsageError(
            f"estimator.monotone lets the risk rise with {column!r} by {found['rising']!r}, and fall by "
            f"{found['falling']!r}",
            "one direction for a feature",
            f'Narrow one of them, or write "{column}" = "free"',
        )
    return _SIGNS[next(iter(found))] if found else 0


def _names(column: str) -> tuple[str, str]:
    """Return a column's channel, without window and regime, and its feature."""
    name = parse_name(column)
    return (name.kind if name.is_context else raw_channel(name.kind)), name.feature


def _matches(pattern: str, names: tuple[str, str]) -> bool:
    name = "__".join(names)
    return fnmatchcase(name, pattern) or fnmatchcase(name, f"{pattern}__*")


def _calculator(channel: str, feature: str) -> str:
    return f"{channel}__{feature.split('__', 1)[0]}"
