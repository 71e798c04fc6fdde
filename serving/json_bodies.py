"""JSON as requests bring it: fast, strict, and told apart from what is no JSON."""

import json
from collections.abc import Iterable
from itertools import chain
from typing import Any, NoReturn

from pydantic_core import from_json

from serving.refusals import BAD_REQUEST, Refusal, unprocessable

_SHOWN = 80
_ESCAPED_COLON = b"\\u003"
_BACKSLASH = b"\\"
_NUMBERS = (float, int)


def parse_json(body: bytes) -> dict[str, Any]:
    """Read a JSON object, without NaN and Infinity and without repeated names.

    Parameters
    ----------
    body
        The text, in UTF-8.

    Returns
    -------
    dict
        The object.

    Raises
    ------
    Refusal
        If it is anything else.
    """
    try:
        content = from_json(body, allow_inf_nan=False, cache_strings="keys")
    except ValueError as error:
        raise _why_not(body, str(error)) from error
    if not isinstance(content, dict):
        raise unprocessable(None, show(content), "a JSON object", "Send an object with the fields of the request")
    _refuse_repeated_names(body, content)
    return content


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
    return "a list" if isinstance(value, list) else "an object"


def _refuse_repeated_names(body: bytes, content: dict[str, Any]) -> None:
    """Refuse a name twice in one object.

    The fast reader keeps the last one without a word. But every name has its colon, and all other colons stand in
    texts: if the body has more of them than the names and texts that were read, a name was read over.
    """
    if _BACKSLASH not in body or _ESCAPED_COLON not in body:
        written = body.count(b":")
        # What long lists of numbers may hide only adds colons: where the count is right without, it need not be read.
        if any(written == _colons(content, thorough=thorough) for thorough in (False, True)):
            return
    # Slow, and exact: it knows each object's names in order.
    json.loads(body, object_pairs_hook=_unique)


def _colons(content: dict[str, Any], *, thorough: bool) -> int:
    """Count the colons that an object has when it is written as JSON, level by level: one at a time takes too long.

    Unless thorough, lists that begin with a number are passed over, whatever comes after it.
    """
    count = 0
    level: list[Any] = [content]
    while level:
        objects: list[dict[str, Any]] = [value for value in level if type(value) is dict]
        count += sum(map(len, objects)) + "".join(chain.from_iterable(objects)).count(":")
        inside: list[list[Any]] = [list(each.values()) for each in objects]
        inside += [value for value in level if type(value) is list and (thorough or not _begins_with_number(value))]
        level = []
        for some in inside:
            kinds = set(map(type, some))
            if str in kinds:
                count += "".join([value for value in some if type(value) is str]).count(":")
            if dict in kinds or list in kinds:
                level += some
    return count


def _begins_with_number(values: list[Any]) -> bool:
    return bool(values) and type(values[0]) in _NUMBERS


def _why_not(body: bytes, reason: str) -> Refusal:
    """Tell what is wrong with a body that is no JSON; what is merely not taken is told as such."""
    try:
        json.loads(body.decode(), parse_constant=_refuse_constant)
    except UnicodeDecodeError:
        return _not_json("a body that is not UTF-8")
    except RecursionError:
        return _not_json("a body nested too deeply")
    except Refusal as refusal:
        return refusal
    except json.JSONDecodeError as error:
        return _not_json(f"a body that is not JSON, at line {error.lineno}, column {error.colno}")
    except ValueError:
        return _not_json("a body that is not JSON, at a number")
    # Nested too deeply for the fast reader, or half a character; where is all that can be said.
    return _not_json(f"a body that cannot be read ({reason[:_SHOWN]})")


def _refuse_constant(name: str) -> NoReturn:
    raise Refusal(
        BAD_REQUEST, None, f"the number {name}", "finite numbers, as JSON has them", "Send null for no reading"
    )


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise Refusal(
            BAD_REQUEST, None, f"the name {twice[:_SHOWN]!r} twice in one object", "every name once", "Remove one"
        )
    return content


def _not_json(found: str) -> Refusal:
    return Refusal(BAD_REQUEST, None, found, "a JSON object in UTF-8", "See the request's shape in /docs.json")
