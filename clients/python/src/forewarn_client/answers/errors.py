"""Errors.

Generated from the OpenAPI document by `make reference`.
"""

from typing import TypedDict


class ErrorAnswer(TypedDict):
    """Why a request was not answered."""

    error: str
    field: str | None
    found: str
    expected: str
    remedy: str
