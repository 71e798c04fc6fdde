"""Asset ids that a person reads as the same: by case, blanks, Unicode form, leading zeros or a number's form."""

import difflib
import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping

_NUMBER = re.compile(r"[+]?\d+[.]0+")
_INVISIBLE = re.compile(r"[\u00ad\u200b-\u200f\u2060\ufeff]")
_SEPARATORS = re.compile(r"[\s_\-\u2010-\u2015./]+")
_LEADING_ZEROS = re.compile(r"(?<!\d)0+(?=\d)")
_DIGITS = re.compile(r"\d+")
_MOST_COMPARED = 2_000  # ids; comparing one with all of 50,000 takes a second


def fold(identifier: str) -> str:
    """Return what an id has in common with those that a person would read as the same.

    Examples
    --------
    >>> fold("Pump_07 "), fold("pump-7"), fold("7.0")
    ('pump-7', 'pump-7', '7')
    """
    text = _INVISIBLE.sub("", unicodedata.normalize("NFKC", identifier)).casefold()
    text = unicodedata.normalize("NFKC", text).strip()
    if _NUMBER.fullmatch(text):
        text = text.partition(".")[0]
    return _LEADING_ZEROS.sub("", _SEPARATORS.sub("-", text))


def fold_all(identifiers: Iterable[str]) -> dict[str, list[str]]:
    """Return the ids by what `fold` makes of them."""
    alike: dict[str, list[str]] = {}
    for identifier in identifiers:
        alike.setdefault(fold(identifier), []).append(identifier)
    return alike


def difference(one: str, other: str) -> str:
    """Say in what two ids differ that `fold` makes the same."""
    reasons = []
    steps: dict[str, Callable[[str], str]] = {
        "the Unicode form": lambda text: unicodedata.normalize("NFKC", text),
        "invisible characters": lambda text: _INVISIBLE.sub("", text),
        "blanks at the ends": str.strip,
        "capitals": lambda text: unicodedata.normalize("NFKC", text.casefold()),
        "the separator": lambda text: _SEPARATORS.sub("-", text) if not _NUMBER.fullmatch(text) else text,
        "the form of the number": lambda text: _LEADING_ZEROS.sub("", re.sub(r"[.]0+$", "", text)),
    }
    for reason, step in steps.items():
        after = step(one), step(other)
        # A step that changes one alone, or makes them equal, is what they differ in.
        if one != other and (after[0] == after[1] or (after[0] != one) != (after[1] != other)):
            reasons.append(reason)
        one, other = after
    return " and ".join(reasons)


def closest(identifier: str, alike: Mapping[str, list[str]]) -> str | None:
    """Return the id that is meant by another, of those that `fold_all` gave; None if none is.

    It reads the same, or else is similar and has the same numbers: pump-3 is not meant by pump-4.
    """
    folded = fold(identifier)
    if folded in alike:
        return alike[folded][0]
    numbers = _DIGITS.findall(folded)
    candidates = [known for known in alike if _DIGITS.findall(known) == numbers]
    matches = difflib.get_close_matches(folded, candidates[:_MOST_COMPARED], n=1, cutoff=0.75)
    return alike[matches[0]][0] if matches else None
