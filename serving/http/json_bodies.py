"""JSON as requests bring it: fast, strict, and told apart from what is no JSON."""

import json
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain
from typing import Any, NoReturn

import numpy as np
import simdjson
from pydantic_core import from_json

from serving.http.errors import BAD_REQUEST, ApiError, unprocessable

_SHOWN = 80
# A character of a text may be written by its number: a colon as \u003a, a bracket as \u005b.
_ESCAPED_COLON, _ESCAPED_BRACKET = b"\\u003", b"\\u005"
_BACKSLASH = b"\\"
_NUMBERS = (float, int)
_HOLDERS = {dict, list, np.ndarray}
# To find one of many names takes simdjson long.
_MOST_NAMES = 256
# Every asset's own terms of a large fleet are some 60,000.
_MOST_FIELDS, _DEEPEST = 100_000, 8
# Telemetry is read together with the model's channels, and stops at the first fault.
_READ_ELSEWHERE = ("telemetry",)


@dataclass(frozen=True)
class Numbers:
    """Stand in a shape for a list that is to be read into an array, if it holds nothing but numbers."""


Shape = Mapping[str, "Shape"] | Sequence["Shape"] | Numbers
"""Where such lists may be: by an object's names, ``"*"`` for any other; or a sequence of one, what a list holds."""


def parse_json(body: bytes, shape: Shape | None = None) -> dict[str, Any]:
    """Read a JSON object, without NaN and Infinity and without repeated names.

    Parameters
    ----------
    body
        The text, in UTF-8.
    shape
        Where lists of numbers are to become arrays.

    Returns
    -------
    dict
        The object. In place of a list of whole numbers there may be an array of int64, in place of a list of other
        numbers one of float64; both shape (n,), n > 0.

    Raises
    ------
    ApiError
        If it is anything else.
    """
    try:
        content = _plain(simdjson.Parser().parse(body), shape)
    except (ValueError, RuntimeError):
        content = _read_slowly(body)
    if not isinstance(content, dict):
        raise unprocessable(None, show(content), "a JSON object", "Send an object with the fields of the request")
    return content if _is_as_written(body, content) else _read_thoroughly(body)


def check_fields(content: Mapping[str, Any]) -> None:
    """Refuse an object of so many fields that merely to find all that is wrong with them would take long.

    Lists are taken item by item, up to the first that breaks a rule; of an object every field is looked at.

    Parameters
    ----------
    content
        A JSON object.

    Raises
    ------
    ApiError
        Of status 422.
    """
    fields = _fields(content, _DEEPEST)
    if fields > _MOST_FIELDS:
        raise unprocessable(None, f"{fields} fields", f"at most {_MOST_FIELDS}", "Send several requests")


def _fields(value: Any, deeper: int) -> int:
    """Count the fields that may be wrong at once: of an object all, of a list those of one item."""
    if not deeper:
        return 0
    if type(value) is dict:
        inside = sum(_fields(each, deeper - 1) for name, each in value.items() if name not in _READ_ELSEWHERE)
        return len(value) + inside
    return max((_fields(each, deeper - 1) for each in value), default=0) if type(value) is list else 0


def path_of(location: Iterable[str | int]) -> str | None:
    """Write where a field is, as a caller would.

    Parameters
    ----------
    location
        Names and indices from the outside in.

    Returns
    -------
    str or None
        The path; None for the whole body.

    Examples
    --------
    >>> path_of(["windows", 0, "telemetry", 3, "volt"])
    'windows[0].telemetry[3].volt'
    """
    path = "".join(f"[{part}]" if isinstance(part, int) else f".{part[:_SHOWN]}" for part in location)
    return path.removeprefix(".") or None


def show(value: object) -> str:
    """Say what a value is, in a few words.

    Parameters
    ----------
    value
        A JSON value.

    Returns
    -------
    str
        The words.

    Examples
    --------
    >>> show("171"), show(True), show(None), show([1])
    ("the text '171'", 'true', 'null', 'a list')
    """
    if isinstance(value, bool) or value is None:
        return json.dumps(value)
    if isinstance(value, str):
        return f"the text {value[:_SHOWN]!r}"
    if isinstance(value, int | float):
        return f"the number {value if isinstance(value, float) or abs(value) < 10**_SHOWN else 'of many digits'}"
    return "a list" if isinstance(value, list | np.ndarray) else "an object"


def _plain(value: Any, shape: Shape | None) -> Any:
    """Make plain values of what simdjson has read, as far as a shape goes name by name and then all at once."""
    if isinstance(value, simdjson.Array):
        if isinstance(shape, Numbers):
            return _numbers(value)
        return [_plain(each, shape[0]) for each in value] if isinstance(shape, Sequence) else value.as_list()
    if isinstance(value, simdjson.Object):
        if isinstance(shape, Mapping) and len(value) <= _MOST_NAMES:
            names = list(value.keys())
            # Asked for a name with a NUL in it, simdjson looks for what comes before that.
            if not any("\0" in name for name in names):
                return {name: _plain(value[name], shape.get(name, shape.get("*"))) for name in names}
        return value.as_dict()
    return value


def _numbers(values: Any) -> Any:
    """Read a list into an array; as a list if it is empty, or not all of it is numbers."""
    for kind, dtype in (("i", np.int64), ("d", np.float64)):
        with suppress(TypeError, ValueError):
            read = np.frombuffer(values.as_buffer(of_type=kind), dtype=dtype)
            return read if len(read) else []
    return values.as_list()


def _read_slowly(body: bytes) -> Any:
    """Read what simdjson does not: a whole number of more than 64 bits; or tell what is wrong."""
    try:
        return from_json(body, allow_inf_nan=False, cache_strings="keys")
    except ValueError as error:
        raise _why_not(body, str(error)) from error


def _read_thoroughly(body: bytes) -> dict[str, Any]:
    """Read without haste: each object's names are known in order, and a name that comes twice is refused."""
    try:
        content: dict[str, Any] = json.loads(body, object_pairs_hook=_unique)
    except RecursionError as error:
        raise _not_json("a body nested too deeply") from error
    return content


def _is_as_written(body: bytes, content: dict[str, Any]) -> bool:
    """Tell whether no name was read over, and no list within a list of numbers.

    The fast reader keeps one of two equal names without a word, and reads lists within a list of numbers as if their
    brackets were not there. But every name has its colon and every list its bracket, and all others stand in texts: if
    the body has as many of them as what was read, nothing was lost.
    """
    if _BACKSLASH in body and (_ESCAPED_COLON in body or _ESCAPED_BRACKET in body):
        return False
    characters = np.frombuffer(body, np.uint8)
    written = tuple(int(np.count_nonzero(characters == ord(mark))) for mark in ":[")
    # What long lists of numbers may hide only adds marks: where the count is right without, it need not be read.
    return any(written == _marks(content, thorough=thorough) for thorough in (False, True))


def _marks(content: dict[str, Any], *, thorough: bool) -> tuple[int, int]:
    """Count the colons and opening brackets of an object written as JSON, level by level: one at a time takes long.

    Unless thorough, lists that begin with a number are passed over, whatever comes after it.
    """
    colons = brackets = 0
    level: list[Any] = [content]
    while level:
        objects: list[dict[str, Any]] = [value for value in level if type(value) is dict]
        brackets += len(level) - len(objects)
        texts = list(chain.from_iterable(objects))
        colons += len(texts)
        inside: list[list[Any]] = [list(each.values()) for each in objects]
        inside += [value for value in level if type(value) is list and (thorough or not _begins_with_number(value))]
        level = []
        for some in inside:
            kinds = set(map(type, some))
            if str in kinds:
                texts += [value for value in some if type(value) is str]
            if not kinds.isdisjoint(_HOLDERS):
                level += [value for value in some if type(value) in _HOLDERS]
        told = "".join(texts)
        colons, brackets = colons + told.count(":"), brackets + told.count("[")
    return colons, brackets


def _begins_with_number(values: list[Any]) -> bool:
    return bool(values) and type(values[0]) in _NUMBERS


def _why_not(body: bytes, reason: str) -> ApiError:
    """Tell what is wrong with a body that is no JSON; what is merely not taken is told as such."""
    try:
        json.loads(body.decode(), parse_constant=_refuse_constant)
    except UnicodeDecodeError:
        return _not_json("a body that is not UTF-8")
    except RecursionError:
        return _not_json("a body nested too deeply")
    except ApiError as refusal:
        return refusal
    except json.JSONDecodeError as error:
        return _not_json(f"a body that is not JSON, at line {error.lineno}, column {error.colno}")
    except ValueError:
        return _not_json("a body that is not JSON, at a number")
    # Nested too deeply for the fast reader, or half a character; where is all that can be said.
    return _not_json(f"a body that cannot be read ({reason[:_SHOWN]})")


def _refuse_constant(name: str) -> NoReturn:
    raise ApiError(
        BAD_REQUEST, None, f"the number {name}", "finite numbers, as JSON has them", "Send null for no reading"
    )


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ApiError(
            BAD_REQUEST, None, f"the name {twice[:_SHOWN]!r} twice in one object", "every name once", "Remove one"
        )
    return content


def _not_json(found: str) -> ApiError:
    return ApiError(BAD_REQUEST, None, found, "a JSON object in UTF-8", "See the request's shape in /docs.json")
