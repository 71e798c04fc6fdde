"""Request bodies in JSON: parsed fast and strictly, with a clear error for what is not JSON."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain
from typing import Any, NoReturn

import numpy as np
import simdjson
from pydantic_core import from_json

from serving.http.errors import BAD_REQUEST, ApiError, unprocessable

_MAX_SHOWN = 80
# A character of a string may be escaped: a colon as \u003a, a bracket as \u005b.
_ESCAPED_COLON, _ESCAPED_BRACKET = b"\\u003", b"\\u005"
_BACKSLASH = b"\\"
_NUMBERS = (float, int)
_CONTAINERS = {dict, list, np.ndarray}
# simdjson looks names up one by one, which is slow in a large object.
_MAX_NAMES = 256
# A worklist with costs for each asset of a large fleet has some 60,000.
_MAX_FIELDS, _MAX_DEPTH = 100_000, 8
# Ten million empty lists fit into a body, and took 16 s of a processor; half a million take 1 s, as many readings do.
_MAX_CONTAINERS = 500_000
# Telemetry is parsed later, when the model's channels are known, and parsing stops at the first fault.
_PARSED_LATER = ("telemetry",)


@dataclass(frozen=True)
class Numbers:
    """In a shape: a list that becomes an array if it holds nothing but numbers."""


Shape = Mapping[str, "Shape"] | Sequence["Shape"] | Numbers
"""Where such lists may be: an object's shapes by name, ``"*"`` for any other; a list's as a sequence of one."""


def parse_json(body: bytes, shape: Shape | None = None) -> dict[str, Any]:
    """Parse a JSON object; ApiError for anything else, for NaN and Infinity, and for repeated names.

    `shape` says which lists of numbers become arrays of shape (n,), n > 0: int64 if all are whole, else float64.
    """
    _check_containers(body)
    try:
        content = _plain(simdjson.Parser().parse(body), shape)
    except (ValueError, RuntimeError):
        content = _parse_big_integers(body)
    if not isinstance(content, dict):
        raise unprocessable(None, show(content), "a JSON object", "Send an object with the fields of the request")
    return content if _is_complete(body, content) else _parse_strictly(body)


def _check_containers(body: bytes) -> None:
    """Reject a body of very many objects and lists before it is parsed; a bracket in a text counts as one of them."""
    n_containers = body.count(b"{") + body.count(b"[") if len(body) > _MAX_CONTAINERS else 0
    if n_containers > _MAX_CONTAINERS:
        found, remedy = f"{n_containers} objects and lists", "Send several requests, and telemetry by channel"
        raise unprocessable(None, found, f"at most {_MAX_CONTAINERS}", remedy)


def check_fields(content: Mapping[str, Any]) -> None:
    """Reject an object of so many fields that finding all that is wrong with them would take long: status 422.

    Of a list validation stops at the first item that breaks a rule; of an object it looks at every field.
    """
    n_fields = _count_fields(content, _MAX_DEPTH)
    if n_fields > _MAX_FIELDS:
        raise unprocessable(None, f"{n_fields} fields", f"at most {_MAX_FIELDS}", "Send several requests")


def _count_fields(value: Any, max_depth: int) -> int:
    """Count the fields that may be wrong at once: all of an object, those of one item of a list."""
    if not max_depth:
        return 0
    if type(value) is dict:
        parsed_now = (item for name, item in value.items() if name not in _PARSED_LATER)
        return len(value) + sum(_count_fields(item, max_depth - 1) for item in parsed_now)
    return max((_count_fields(item, max_depth - 1) for item in value), default=0) if type(value) is list else 0


def path_of(location: Iterable[str | int]) -> str | None:
    """Return a field's path from its names and indices; None for the whole body.

    Examples
    --------
    >>> path_of(["windows", 0, "telemetry", 3, "volt"])
    'windows[0].telemetry[3].volt'
    """
    path = "".join(f"[{part}]" if isinstance(part, int) else f".{part[:_MAX_SHOWN]}" for part in location)
    return path.removeprefix(".") or None


def show(value: object) -> str:
    """Describe a JSON value in a few words.

    Examples
    --------
    >>> show("171"), show(True), show(None), show([1])
    ("the text '171'", 'true', 'null', 'a list')
    """
    if isinstance(value, bool) or value is None:
        return json.dumps(value)
    if isinstance(value, str):
        return f"the text {value[:_MAX_SHOWN]!r}"
    if isinstance(value, int | float):
        return f"the number {value if isinstance(value, float) or abs(value) < 10**_MAX_SHOWN else 'of many digits'}"
    return "a list" if isinstance(value, list | np.ndarray) else "an object"


def _plain(value: Any, shape: Shape | None) -> Any:
    """Convert simdjson's values to Python's: name by name as far as the shape goes, below it all at once."""
    if isinstance(value, simdjson.Array):
        if isinstance(shape, Numbers):
            return _numbers(value)
        return [_plain(item, shape[0]) for item in value] if isinstance(shape, Sequence) else value.as_list()
    if isinstance(value, simdjson.Object):
        if isinstance(shape, Mapping) and len(value) <= _MAX_NAMES:
            names = list(value.keys())
            # simdjson cuts a name off at a NUL when it looks it up.
            if not any("\0" in name for name in names):
                return {name: _plain(value[name], shape.get(name, shape.get("*"))) for name in names}
        return value.as_dict()
    return value


def _numbers(values: Any) -> Any:
    """Convert a list to an array; to a list if it is empty, or not all numbers."""
    for kind, dtype in (("i", np.int64), ("d", np.float64)):
        with suppress(TypeError, ValueError):
            array = np.frombuffer(values.as_buffer(of_type=kind), dtype=dtype)
            return array if len(array) else []
    return values.as_list()


def _parse_big_integers(body: bytes) -> Any:
    """Parse what simdjson rejects: integers of more than 64 bits; or say what is wrong."""
    try:
        return from_json(body, allow_inf_nan=False, cache_strings="keys")
    except ValueError as error:
        raise _invalid_json(body, str(error)) from error


def _parse_strictly(body: bytes) -> dict[str, Any]:
    """Parse with the slow standard library, which shows repeated names; they are rejected."""
    try:
        content: dict[str, Any] = json.loads(body, object_pairs_hook=_unique_names)
    except RecursionError as error:
        raise _not_json("a body nested too deeply") from error
    return content


def _is_complete(body: bytes, content: dict[str, Any]) -> bool:
    """Tell whether the fast parser dropped nothing: no repeated name, no list within a list of numbers.

    It silently keeps one of two equal names, and reads lists within a list of numbers as if their brackets were not
    there. But every name has its colon and every list its bracket, and all others stand in strings: if the body has as
    many of them as the parsed content, nothing was lost.
    """
    if _BACKSLASH in body and (_ESCAPED_COLON in body or _ESCAPED_BRACKET in body):
        return False
    characters = np.frombuffer(body, np.uint8)
    in_body = tuple(int(np.count_nonzero(characters == ord(mark))) for mark in ":[")
    # Whatever hides in a long list of numbers only adds marks: if they match without it, it need not be searched.
    return any(in_body == _count_marks(content, thorough=thorough) for thorough in (False, True))


def _count_marks(content: dict[str, Any], *, thorough: bool) -> tuple[int, int]:
    """Count the colons and opening brackets of an object written as JSON, level by level, which is fast.

    Unless thorough, lists that begin with a number are skipped, whatever follows it.
    """
    colons = brackets = 0
    level: list[Any] = [content]
    while level:
        objects: list[dict[str, Any]] = [value for value in level if type(value) is dict]
        brackets += len(level) - len(objects)
        texts = list(chain.from_iterable(objects))
        colons += len(texts)
        children: list[list[Any]] = [list(item.values()) for item in objects]
        children += [value for value in level if type(value) is list and (thorough or not _begins_with_number(value))]
        level = []
        for values in children:
            types = set(map(type, values))
            if str in types:
                texts += [value for value in values if type(value) is str]
            if not types.isdisjoint(_CONTAINERS):
                level += [value for value in values if type(value) in _CONTAINERS]
        text = "".join(texts)
        colons, brackets = colons + text.count(":"), brackets + text.count("[")
    return colons, brackets


def _begins_with_number(values: list[Any]) -> bool:
    return bool(values) and type(values[0]) in _NUMBERS


def _invalid_json(body: bytes, reason: str) -> ApiError:
    """Say what is wrong with a body; NaN and Infinity, which some call JSON, are named."""
    try:
        json.loads(body.decode(), parse_constant=_reject_constant)
    except UnicodeDecodeError:
        return _not_json("a body that is not UTF-8")
    except RecursionError:
        return _not_json("a body nested too deeply")
    except ApiError as error:
        return error
    except json.JSONDecodeError as error:
        return _not_json(f"a body that is not JSON, at line {error.lineno}, column {error.colno}")
    except ValueError:
        return _not_json("a body that is not JSON, at a number")
    # Nested too deeply for the fast parser, or half a surrogate pair: only its own reason is known.
    return _not_json(f"a body that cannot be read ({reason[:_MAX_SHOWN]})")


def _reject_constant(name: str) -> NoReturn:
    raise ApiError(BAD_REQUEST, None, f"the number {name}", "finite numbers, as in JSON", "Send null for no reading")


def _unique_names(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) < len(pairs):
        counts = Counter(name for name, _ in pairs)
        repeated = next(name for name, count in counts.items() if count > 1)
        raise ApiError(
            BAD_REQUEST,
            None,
            f"the name {repeated[:_MAX_SHOWN]!r} twice in one object",
            "every name once",
            "Remove one",
        )
    return content


def _not_json(found: str) -> ApiError:
    return ApiError(BAD_REQUEST, None, found, "a JSON object in UTF-8", "See the request's schema in /docs.json")
