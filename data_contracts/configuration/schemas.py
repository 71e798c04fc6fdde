"""JSON Schemas of configuration values, and what a schema expects in words."""

import ast
import functools
import inspect
import itertools
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import SchemaSerializer, core_schema

_TYPES = {
    "string": "a text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "object": "a section",
}
FOR_PEOPLE = {"for": "people"}
"""The context in which a value is written as a person would write it."""
DIALECT = "https://json-schema.org/draft/2020-12/schema"


class _FileSchema(GenerateJsonSchema):
    """The schema of a value as a file holds it: files have no null, and write defaults as text."""

    def nullable_schema(self, schema: core_schema.NullableSchema) -> JsonSchemaValue:
        return self.generate_inner(schema["schema"])

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        inner, default = self.generate_inner(schema["schema"]), schema.get("default")
        if default is None:
            word = words(inner) if "anyOf" in inner and "default" in schema else []
            return inner | {"default": word[0]} if word else inner
        if "$ref" in inner:
            return inner
        return inner | {"default": _written(schema["schema"], default)}

    def dataclass_schema(self, schema: core_schema.DataclassSchema) -> JsonSchemaValue:
        return _described(super().dataclass_schema(schema), schema["cls"])

    def model_schema(self, schema: core_schema.ModelSchema) -> JsonSchemaValue:
        return _described(super().model_schema(schema), schema["cls"])

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002 - titles are of types, not of fields
        return False


@functools.cache
def json_schema(kind: Any) -> dict[str, Any]:
    """Return the JSON Schema of a configuration value; the description of each property is its field's."""
    return TypeAdapter(kind).json_schema(schema_generator=_FileSchema)


def _written(schema: core_schema.CoreSchema, default: Any) -> Any:
    return SchemaSerializer(schema).to_python(default, mode="json", context=FOR_PEOPLE)


def _described(schema: JsonSchemaValue, cls: type) -> JsonSchemaValue:
    """Describe a class by the first paragraph of its docstring, and its fields by the docstrings below them."""
    for base in reversed(cls.__mro__):
        for name, text in _field_docstrings(base).items():
            alias = cls.__pydantic_fields__[name].alias  # type: ignore[attr-defined]
            schema["properties"][alias or name]["description"] = text
    return schema | {"description": (inspect.getdoc(cls) or "").partition("\n\n")[0]}


@functools.cache
def _field_docstrings(cls: type) -> dict[str, str]:
    # Read only when a schema is wanted: finding a class in its file takes longer than importing it.
    if cls.__module__.partition(".")[0] in ("builtins", "pydantic", "pydantic_settings"):
        return {}
    descriptions: dict[str, str] = {}
    (node,) = ast.parse(textwrap.dedent(inspect.getsource(cls))).body
    for field, text in itertools.pairwise(node.body if isinstance(node, ast.ClassDef) else ()):
        match field, text:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(words))):
                descriptions[name] = " ".join(words.split())
    return descriptions


def property_at(schema: Mapping[str, Any], location: Sequence[str]) -> dict[str, Any] | None:
    """Find the schema of a property below another; None if there is none.

    References are resolved; an item of a list is looked for below the list.
    """
    current = _resolved(dict(schema), schema)
    for part in location:
        options = [_resolved(option, schema) for option in current.get("anyOf", (current,))]
        options += [_resolved(option["items"], schema) for option in options if isinstance(option.get("items"), dict)]
        inner = next((option["properties"][part] for option in options if part in option.get("properties", {})), None)
        if inner is None:
            return None
        current = _resolved(inner, schema)
    return current


def keys_at(schema: Mapping[str, Any], location: Sequence[str]) -> list[str]:
    """Return the keys that a section has, or each section of a list."""
    section = property_at(schema, location) or {}
    if isinstance(section.get("items"), dict):
        section = _resolved(section["items"], schema)
    return list(section.get("properties", {}))


def _resolved(part: dict[str, Any], whole: Mapping[str, Any]) -> dict[str, Any]:
    """Follow a reference; what stands beside it wins."""
    if "$ref" not in part:
        return part
    beside = {key: value for key, value in part.items() if key != "$ref"}
    return {**whole["$defs"][part["$ref"].rpartition("/")[2]], **beside}


def describe(schema: Mapping[str, Any] | None) -> str:
    """Say in words what a schema expects.

    Examples
    --------
    >>> describe({"type": "number", "minimum": 0, "maximum": 1})
    'a number from 0 to 1'
    >>> describe({"anyOf": [{"type": "integer", "exclusiveMinimum": 0}, {"const": "auto"}]})
    'a whole number above 0 or "auto"'
    """
    if not schema:
        return "a value"
    if options := schema.get("anyOf"):
        return " or ".join(dict.fromkeys(map(describe, options)))
    if choices := words(schema):
        return " or ".join(f'"{word}"' for word in choices)
    if schema.get("type") == "array":
        return f"a list, each {describe(schema.get('items'))}"
    noun = schema.get("title") if schema.get("type") != "object" else None
    noun = noun or _TYPES.get(schema.get("type", ""), "a section" if "$ref" in schema else "a value")
    examples = " or ".join(f'"{example}"' for example in schema.get("examples", ()))
    return f"{noun}{_bounds(schema)}" + (f" such as {examples}" if examples else "")


def words(schema: Mapping[str, Any]) -> list[str]:
    """Return the words that a schema allows; none where it allows any value of a type."""
    own = schema.get("enum", [schema["const"]] if "const" in schema else [])
    return [*own, *(word for option in schema.get("anyOf", ()) for word in words(option))]


def _bounds(schema: Mapping[str, Any]) -> str:
    low, high = schema.get("minimum"), schema.get("maximum")
    above, below = schema.get("exclusiveMinimum"), schema.get("exclusiveMaximum")
    if low is not None and high is not None:
        return f" from {low:g} to {high:g}"
    if above is not None and below is not None:
        return f" between {above:g} and {below:g}"
    parts = [
        *([f"{low:g} or more"] if low is not None else []),
        *([f"above {above:g}"] if above is not None else []),
        *([f"{high:g} or less"] if high is not None else []),
        *([f"below {below:g}"] if below is not None else []),
    ]
    return f" {' and '.join(parts)}" if parts else ""
