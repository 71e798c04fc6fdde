"""Reading files of unknown origin: nothing larger than a description is, no entities, nothing nested without end."""

import json
from pathlib import Path
from typing import Any

from data_contracts.errors import UsageError
from pipelines.importers.twins.raw_twins import bad_file

LARGEST = 64 * 2**20  # bytes of a document; the descriptions of a thousand machines have some ten
_DEEPEST = 200


def read_bytes(path: Path, largest: int = LARGEST) -> bytes:
    """Return the content of a file; `UsageError` if there is none, or too much."""
    try:
        size = path.stat().st_size
        if size > largest:
            raise _too_large(str(path), size, largest)
        return path.read_bytes()
    except OSError as error:
        raise bad_file(
            str(path), f"cannot be read ({error.strerror or error})", "a readable file", "Name it"
        ) from error


def parse_json(about: str, content: bytes) -> Any:
    """Parse JSON; `UsageError` says where it is wrong."""
    try:
        parsed = json.loads(content.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        what = "it is nested too deep" if isinstance(error, RecursionError) else str(error)
        raise bad_file(about, f"is not JSON ({what})", "JSON in UTF-8") from error
    _check_depth(about, parsed)
    return parsed


def parse_xml(about: str, content: bytes) -> Any:
    """Parse XML without entities and external references; return its root."""
    try:
        from defusedxml import DefusedXmlException
        from defusedxml.ElementTree import ParseError, fromstring
    except ImportError as error:
        raise missing_extra("defusedxml") from error
    try:
        root = fromstring(content, forbid_dtd=True)
    except DefusedXmlException as error:
        found = "has a document type or entities, which may hide anything"
        raise bad_file(about, found, "XML without a DOCTYPE", "Remove it") from error
    except (ParseError, ValueError, LookupError) as error:
        raise bad_file(about, f"is not XML ({error})", "well-formed XML") from error
    # An iterator rather than recursion: what is nested without end must not end the process.
    waiting = [(root, 1)]
    while waiting:
        element, depth = waiting.pop()
        if depth > _DEEPEST:
            raise bad_file(about, f"is nested deeper than {_DEEPEST} elements", "a document of some tens of levels")
        waiting += [(child, depth + 1) for child in element]
    return root


def missing_extra(package: str) -> UsageError:
    """Return the error for a package of the extra that is not installed."""
    return UsageError(
        f"this needs {package}, which is not installed",
        "the packages of the extra forewarn[twins]",
        "pip install 'forewarn[twins]'",
    )


def check_size(about: str, size: int, largest: int = LARGEST) -> None:
    """Raise a `UsageError` for a part that is too large."""
    if size > largest:
        raise _too_large(about, size, largest)


def _too_large(about: str, size: int, largest: int) -> UsageError:
    found = f"has {size / 2**20:,.0f} MiB"
    return bad_file(
        about, found, f"a description of at most {largest // 2**20} MiB", "Leave out what is no description"
    )


def _check_depth(about: str, parsed: Any) -> None:
    waiting = [(parsed, 1)]
    while waiting:
        value, depth = waiting.pop()
        if depth > _DEEPEST:
            raise bad_file(about, f"is nested deeper than {_DEEPEST} levels", "a document of some tens of levels")
        inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
        waiting += [(each, depth + 1) for each in inner]
