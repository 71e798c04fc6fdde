"""Answers as JSON, written by their declarations."""

from collections.abc import Mapping
from functools import cache
from typing import Any

from pydantic import TypeAdapter


@cache
def adapter_of(declaration: type[Mapping[str, Any]]) -> TypeAdapter[Any]:
    """Compile a declared answer's validator and serializer, once a process."""
    return TypeAdapter(declaration)


def answer_json(declaration: type[Mapping[str, Any]], answer: Mapping[str, Any]) -> str:
    """Check an answer against its declaration and write it as JSON."""
    adapter = adapter_of(declaration)
    return adapter.dump_json(adapter.validate_python(answer)).decode()
