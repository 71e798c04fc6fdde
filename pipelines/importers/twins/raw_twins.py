"""What the readers find in a file, before it is one description: nodes with names as the file has them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from data_contracts.asset_graph.graph_nodes import Level
from data_contracts.errors import UsageError
from pipelines.importers.twins.description import TwinChannel, TwinProperty


@dataclass(frozen=True)
class RawNode:
    """A plant, line, machine or component as a file describes it; channels and properties are its own alone."""

    id: str
    parent: str | None = None
    level: Level | None = None  # None if the file does not say
    words: tuple[str, ...] = ()  # what may tell the level
    name: str | None = None
    type_name: str | None = None
    type_description: str = ""
    model: str | None = None
    source: str = ""
    channels: tuple[TwinChannel, ...] = ()
    properties: tuple[TwinProperty, ...] = ()
    is_type: bool = False  # whether it stands for any machine of its type


def bad_file(about: str, found: str, expected: str, remedy: str = "Correct the file") -> UsageError:
    """Return the error for a file, or part of one, that is not what it should be."""
    return UsageError(f"{about} {found}", expected, remedy)


def localized(value: Any) -> str:
    """Return a text that may be written in several languages, in English where it is.

    Examples
    --------
    >>> localized({"de": "Spindel", "en": "Spindle"}), localized("Spindle"), localized(None)
    ('Spindle', 'Spindle', '')
    """
    if isinstance(value, Mapping):
        english = [text for language, text in value.items() if str(language).lower().startswith("en")]
        value = next(iter([*english, *value.values()]), "")
    return " ".join(str(value).split()) if isinstance(value, str) else ""
