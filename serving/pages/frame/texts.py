"""The texts of the pages, in English and German: a file for each page, each text in both languages side by side."""

import tomllib
from collections.abc import Mapping
from functools import lru_cache
from importlib.resources import files
from typing import Final, Literal

Language = Literal["en", "de"]
LANGUAGES: Final[tuple[Language, ...]] = ("en", "de")


def text(language: Language, key: str, /, **values: object) -> str:
    """Return a text, such as ``"fleet.title"``, with values in the places of its fields; KeyError if unknown."""
    words = catalogue()[key][language]
    return words.format(**values) if values else words


@lru_cache(maxsize=1)
def catalogue() -> dict[str, Mapping[Language, str]]:
    """Return all texts, by the name of their file and their own."""
    folder = files("serving") / "pages" / "texts"
    found: dict[str, Mapping[Language, str]] = {}
    for file in sorted(folder.iterdir(), key=lambda each: each.name):
        page, _, ending = file.name.partition(".")
        if ending == "toml":
            texts = tomllib.loads(file.read_text(encoding="utf-8"))
            found.update({f"{page}.{name}": words for name, words in texts.items()})
    return found


def preferred_language(accepted: str) -> Language:
    """Return the first of our languages in an ``Accept-Language`` header, by weight; English if there is none.

    >>> preferred_language("fr;q=0.9, de-CH;q=0.8, en;q=0.7")
    'de'
    """
    weights = dict.fromkeys(LANGUAGES, 0.0)
    for part in accepted.split(","):
        tag, _, weight = part.strip().partition(";q=")
        for language in LANGUAGES:
            if tag.strip().lower().partition("-")[0] == language:
                weights[language] = max(weights[language], _weight(weight))
    # The first of equals: English, also where neither is accepted.
    return max(LANGUAGES, key=weights.__getitem__)


def _weight(text: str) -> float:
    try:
        return float(text) if text else 1.0
    except ValueError:
        return 0.0
