"""Writes the client's generated files: the types of answers, from the OpenAPI document, and the synchronous client."""

import json
import re
import subprocess
import sys
import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from serving.schemas.openapi import document

PACKAGE = Path(__file__).parent / "src" / "forewarn_client"
_WIDTH = 116
_NOTE = "Generated from {source} by `make reference`."
_PLAIN = {"string": "str", "number": "float", "integer": "int", "boolean": "bool", "null": "None"}
# The groups are the tags of the document; an error may be the answer to any request.
_GROUPS = {
    "errors": "Errors.",
    "predictions": "Predictions, and why they were made.",
    "planning": "Worklists, and what became of reports.",
    "assets": "Assets, and what happened to them.",
    "twins": "States of twins.",
    "operations": "The model that is served.",
}
_SYNCHRONOUS = (
    (r"\basync def __aenter__", "def __enter__"),
    (r"\basync def __aexit__", "def __exit__"),
    (r"\basync (def|with) ", r"\1 "),
    (r"\bawait ", ""),
    (r"\bAwaitable\[object\]", "object"),
    (r"import Awaitable, Callable", "import Callable"),
    (r"\baclose\b", "close"),
    (r"\bimport asyncio\nimport ssl\n", "import ssl\nimport time\n"),
    (r"\basyncio\.sleep", "time.sleep"),
    (r"\bAsyncClient\b", "Client"),
    (r"\bAsyncBaseTransport\b", "BaseTransport"),
    (r"\bThe asynchronous client\b", "The synchronous client"),
    (r"\bforewarn_client\.asynchronous\b", "forewarn_client.synchronous"),
)


def generated() -> dict[Path, str]:
    """Return the text of each generated file."""
    texts = {PACKAGE / "answers" / f"{name}.py": text for name, text in _answers(document()).items()}
    for source in sorted((PACKAGE / "asynchronous").glob("*.py")):
        if source.name != "__init__.py":
            texts[PACKAGE / "synchronous" / source.name] = _synchronous(source)
    return {path: _formatted(text, path) for path, text in texts.items()}


def _synchronous(source: Path) -> str:
    text = source.read_text(encoding="utf-8")
    for pattern, replacement in _SYNCHRONOUS:
        text = re.sub(pattern, replacement, text)
    title, _, rest = text.partition('"""\n')
    return f'{title}\n\n{_NOTE.format(source=f"`asynchronous/{source.name}`")}\n"""\n{rest}'


def _answers(described: Mapping[str, Any]) -> dict[str, str]:
    """Return a module for each group of answers, and the package's `__init__`."""
    shapes = described["components"]["schemas"]
    group_of: dict[str, str] = {}
    for group, name in _answer_names(described):
        for each in _reached(name, shapes):
            group_of.setdefault(each, group)
    modules = {group: _module(group, group_of, shapes) for group in _GROUPS}
    imports = [
        f"from forewarn_client.answers.{group} import {', '.join(sorted(n for n in group_of if group_of[n] == group))}"
        for group in sorted(_GROUPS)
    ]
    names = "".join(f'    "{name}",\n' for name in sorted(group_of))
    title = '"""The types of answers: plain dictionaries, to which a newer endpoint may add fields.'
    note = _NOTE.format(source="the OpenAPI document")
    modules["__init__"] = f'{title}\n\n{note}\n"""\n\n' + "\n".join(imports) + f"\n\n__all__ = [\n{names}]\n"
    return modules


def _answer_names(described: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the group and name of each request's answer, the errors first."""
    yield "errors", "ErrorAnswer"
    for group in _GROUPS:
        for operation in (each for methods in described["paths"].values() for each in methods.values()):
            schema = operation["responses"]["200"]["content"].get("application/json", {}).get("schema")
            if schema is not None and group in operation["tags"]:
                yield group, _name(schema)


def _reached(name: str, shapes: Mapping[str, Any]) -> Iterator[str]:
    """Yield the names of a shape and of all that it is made of, those first that others need."""
    for inner in re.findall(r'"#/components/schemas/(\w+)"', json.dumps(shapes[name])):
        yield from _reached(inner, shapes)
    yield name


def _module(group: str, group_of: Mapping[str, str], shapes: Mapping[str, Any]) -> str:
    own = [name for name in group_of if group_of[name] == group]
    body = "\n\n".join(_declaration(name, shapes[name]) for name in own)
    used = {name for name in group_of if name not in own and re.search(rf"\b{name}\b", body)}
    typing = [name for name in ("Literal", "NotRequired", "TypeAlias", "TypedDict") if re.search(rf"\b{name}\b", body)]
    others = [
        f"from forewarn_client.answers.{other} import {', '.join(names)}"
        for other in sorted(_GROUPS)
        if (names := sorted(name for name in used if group_of[name] == other))
    ]
    note = _NOTE.format(source="the OpenAPI document")
    head = f'"""{_GROUPS[group]}\n\n{note}\n"""\n\nfrom typing import {", ".join(typing)}\n'
    return head + ("\n" + "\n".join(others) + "\n" if others else "") + "\n\n" + body


def _declaration(name: str, shape: Mapping[str, Any]) -> str:
    if "enum" in shape:
        return f"{name}: TypeAlias = {_type(shape)}\n"
    required = shape.get("required", ())
    fields = (
        f"    {field}: {_type(schema) if field in required else f'NotRequired[{_type(schema)}]'}\n{_comment(schema)}"
        for field, schema in shape["properties"].items()
    )
    return f'class {name}(TypedDict):\n    """{shape["description"]}"""\n\n' + "".join(fields)


def _comment(schema: Mapping[str, Any]) -> str:
    text = schema.get("description")
    if not text:
        return ""
    lines = textwrap.wrap(text, _WIDTH - 7)
    return textwrap.indent('"""' + "\n".join(lines) + ('"""' if len(lines) == 1 else '\n"""'), "    ") + "\n"


def _type(schema: Mapping[str, Any]) -> str:
    """Write a schema as a type; whatever is not known here is an error, and no `Any`."""
    if "$ref" in schema:
        return _name(schema)
    if "const" in schema:
        return f"Literal[{json.dumps(schema['const'])}]"
    if "enum" in schema:
        return f"Literal[{', '.join(json.dumps(value) for value in schema['enum'])}]"
    if "anyOf" in schema:
        return " | ".join(_type(each) for each in schema["anyOf"])
    if schema["type"] == "array":
        return f"list[{_type(schema['items'])}]"
    if schema["type"] == "object":
        return f"dict[str, {_type(schema['additionalProperties'])}]"
    return _PLAIN[schema["type"]]


def _name(schema: Mapping[str, Any]) -> str:
    return str(schema["$ref"].rsplit("/", 1)[1])


def _formatted(text: str, path: Path) -> str:
    """Format as `make check` expects it."""
    ruff = [sys.executable, "-m", "ruff"]
    for step in ([*ruff, "check", "--quiet", "--fix-only", "--select", "I"], [*ruff, "format", "--quiet"]):
        command = [*step, "--stdin-filename", str(path), "-"]
        text = subprocess.run(command, input=text, capture_output=True, text=True, check=True).stdout
    return text


if __name__ == "__main__":
    for place, content in generated().items():
        place.write_text(content, encoding="utf-8")
