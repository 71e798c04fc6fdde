"""What references and concept descriptions of a shell mean."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from pipelines.importers.twins.raw_twins import localized
from pipelines.importers.twins.unit_words import symbol_of, symbol_of_identifier

if TYPE_CHECKING:
    from basyx.aas.model import DictIdentifiableStore


def last_key(reference: Any) -> str:
    """Return what a reference finally points at; empty for none."""
    return str(reference.key[-1].value) if reference is not None and len(reference.key) else ""


def semantic_ids(element: Any) -> list[str]:
    """Return the identifiers of an element's meaning, the main one first."""
    others = getattr(element, "supplemental_semantic_id", ())
    return [name for name in map(last_key, (element.semantic_id, *others)) if name]


def words_of(element: Any) -> str:
    """Return the description of an element in one line, in English where it is."""
    return localized(dict(element.description) if element.description else None)


def meaning_of(store: "DictIdentifiableStore[Any]", element: Any) -> str:
    """Return the description of a property, or else the definition or name of its concept."""
    texts = [text for content in _contents(store, element) for text in (content.definition, content.preferred_name)]
    return next(
        (words for words in (words_of(element), *(localized(dict(text)) for text in texts if text)) if words), ""
    )


def unit_of(store: "DictIdentifiableStore[Any]", element: Any) -> tuple[str | None, list[str]]:
    """Return the symbol of a property's unit, by IEC 61360, and doubts about it."""
    contents = list(_contents(store, element))
    if not contents:
        return None, ["names no unit: it has no concept description of IEC 61360"]
    for content in contents:
        if content.unit:
            symbol = symbol_of(content.unit)
            return (symbol, []) if symbol else (None, [f"has the unknown unit {content.unit[:60]!r}"])
        if content.unit_id is not None:
            name = last_key(content.unit_id)
            symbol = symbol_of_identifier(name)
            return (symbol, []) if symbol else (None, [f"has a unit that only {name[:120]} defines"])
    return None, ["names no unit"]


def _contents(store: "DictIdentifiableStore[Any]", element: Any) -> Iterator[Any]:
    from basyx.aas.model import DataSpecificationIEC61360
    from basyx.aas.model.concept import ConceptDescription

    concepts = [store.get(name) for name in semantic_ids(element)]
    for each in (element, *(concept for concept in concepts if isinstance(concept, ConceptDescription))):
        for specification in each.embedded_data_specifications:
            if isinstance(specification.data_specification_content, DataSpecificationIEC61360):
                yield specification.data_specification_content
