"""Strict request bodies: their base, their shared field types, and one error for the first field at fault."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, TypeVar, get_args

import pandas as pd
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, WithJsonSchema
from pydantic_core import ErrorDetails, PydanticCustomError

from serving.http.errors import ApiError, unprocessable
from serving.http.json_bodies import Shape, check_fields, parse_json, path_of, show
from serving.schemas.instants import INSTANT_EXPECTED, parse_instant

# A database may refuse the character NUL.
_LONGEST_NAME = 255
Name = Annotated[str, Field(min_length=1, max_length=_LONGEST_NAME, pattern="^[^\\x00]*$", examples=["azure-01"])]


def is_name(text: str) -> bool:
    """Tell whether a text can be a `Name`.

    >>> is_name("azure-01"), is_name("a" * 256)
    (True, False)
    """
    return 0 < len(text) <= _LONGEST_NAME and "\0" not in text


def _validate_instant(value: object) -> pd.Timestamp:
    try:
        return pd.Timestamp(parse_instant(value))
    except ValueError as error:
        # The rule is given as a value: the template of such an error must not take braces from a caller.
        raise PydanticCustomError("instant", "{expected}", {"expected": INSTANT_EXPECTED}) from error


Instant = Annotated[
    Any,
    BeforeValidator(_validate_instant),
    WithJsonSchema({"type": "string", "format": "date-time", "examples": ["2015-03-05T06:00:00Z"]}),
]


class RequestBody(BaseModel):
    """Base of all requests: no undeclared fields, no conversions."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


Body = TypeVar("Body", bound=RequestBody)


def fields_error(expected: str) -> PydanticCustomError:
    """Say which of a body's fields may be given together; `expected` is a literal, never a caller's text."""
    return PydanticCustomError("fields", "{expected}", {"expected": expected})


def parse_body(body: bytes, declaration: type[Body], arrays: Shape | None = None) -> Body:
    """Read a body as JSON (ApiError 400) and validate it (422); lists of numbers at `arrays` become arrays."""
    content = parse_json(body, arrays)
    check_fields(content)
    try:
        return declaration.model_validate(content)
    except ValidationError as error:
        raise _from_details(error.errors(include_url=False)[0], declaration) from None


def _from_details(details: ErrorDetails, declaration: type[BaseModel]) -> ApiError:
    field, kind, value = path_of(details["loc"]), details["type"], details["input"]
    if kind == "missing":
        return unprocessable(field, "nothing", "this field", "Add it")
    if kind == "extra_forbidden":
        known = ", ".join(_declared_at(details["loc"][:-1], declaration).model_fields)
        return unprocessable(field, "an unknown field", f"only {known}", "Remove it")
    if kind == "fields":
        return unprocessable(field, ", ".join(_given(value)) or "neither", details["msg"], "Send one of them")
    expected = details["msg"].removeprefix("Input should be ").removeprefix("Value should have ")
    return unprocessable(field, show(value), expected[:1].lower() + expected[1:])


def _given(value: object) -> Sequence[str]:
    return [name[:80] for name, given in value.items() if given is not None] if isinstance(value, Mapping) else []


def _declared_at(location: Sequence[int | str], declaration: type[BaseModel]) -> type[BaseModel]:
    """Find the model of the object at a location."""
    for part in location:
        field = declaration.model_fields.get(str(part))
        declaration = (_nested(field.annotation) if field else None) or declaration
    return declaration


def _nested(annotation: Any) -> type[BaseModel] | None:
    """Find the model in an annotation such as ``list[Window] | None``."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((model for inner in get_args(annotation) if (model := _nested(inner))), None)
