"""Filters of OData V2, as far as the tests' server has to understand them."""

import re
from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd

Condition = Callable[[Mapping[str, Any]], bool]
_TOKEN = re.compile(r"\s*(datetimeoffset'[^']*'|'(?:[^']|'')*'|\(|\)|,|[\w/]+)")
_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "eq": lambda one, other: one == other,
    "ne": lambda one, other: one != other,
    "gt": lambda one, other: one > other,
    "ge": lambda one, other: one >= other,
    "lt": lambda one, other: one < other,
    "le": lambda one, other: one <= other,
}


def parse_filter(text: str) -> Condition:
    """Return the condition of a filter; `ValueError` for what is none."""
    tokens = []
    place = 0
    while place < len(text.rstrip()):
        found = _TOKEN.match(text, place)
        if found is None:
            raise ValueError(f"filter at {text[place:]}")
        tokens.append(found[1])
        place = found.end()
    condition = _either(tokens)
    if tokens:
        raise ValueError(f"filter at {tokens}")
    return condition


def _either(tokens: list[str]) -> Condition:
    parts = [_both(tokens)]
    while tokens and tokens[0] == "or":
        tokens.pop(0)
        parts.append(_both(tokens))
    return lambda entity: any(part(entity) for part in parts)


def _both(tokens: list[str]) -> Condition:
    parts = [_single(tokens)]
    while tokens and tokens[0] == "and":
        tokens.pop(0)
        parts.append(_single(tokens))
    return lambda entity: all(part(entity) for part in parts)


def _single(tokens: list[str]) -> Condition:
    if tokens[0] == "(":
        tokens.pop(0)
        inner = _either(tokens)
        _expect(tokens, ")")
        return inner
    if tokens[0] == "startswith":
        tokens.pop(0)
        _expect(tokens, "(")
        name = tokens.pop(0)
        _expect(tokens, ",")
        prefix = _literal(tokens.pop(0))
        for word in (")", "eq", "true"):
            _expect(tokens, word)
        return lambda entity: str(entity[name]).startswith(prefix)
    name, operator, value = tokens.pop(0), tokens.pop(0), _literal(tokens.pop(0))
    compare = _COMPARE[operator]
    return lambda entity: compare(entity[name], value)


def _expect(tokens: list[str], word: str) -> None:
    if tokens.pop(0) != word:
        raise ValueError(f"a filter without {word}")


def _literal(token: str) -> Any:
    if token.startswith("datetimeoffset"):
        return pd.Timestamp(token.removeprefix("datetimeoffset").strip("'"))
    return token[1:-1].replace("''", "'") if token.startswith("'") else {"true": True, "false": False}[token]
