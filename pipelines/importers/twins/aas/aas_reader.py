"""A description from Asset Administration Shells: what their submodels say of channels, and their hierarchies."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pipelines.importers.twins.aas.aas_files import empty_store, read_into
from pipelines.importers.twins.aas.hierarchy import Hierarchy
from pipelines.importers.twins.aas.semantics import last_key, words_of
from pipelines.importers.twins.aas.submodels import HIERARCHY, ShellContents, add_submodel, is_about
from pipelines.importers.twins.described import Places, describe
from pipelines.importers.twins.description import Doubt, TwinDescription
from pipelines.importers.twins.raw_twins import RawNode, bad_file

if TYPE_CHECKING:
    from basyx.aas.model import AssetAdministrationShell, DictIdentifiableStore, Submodel


def read_aas(files: Iterable[tuple[str, bytes]], places: Places | None = None) -> TwinDescription:
    """Read packages, XML and JSON files, each with what to call it."""
    store = empty_store()
    doubts = [doubt for about, content in files for doubt in read_into(store, about, content)]
    from basyx.aas.model import AssetAdministrationShell

    shells = sorted((each for each in store if isinstance(each, AssetAdministrationShell)), key=lambda each: each.id)
    if not shells:
        why = f" ({doubts[0]})" if doubts else ""
        raise bad_file("The files", f"hold no Asset Administration Shell{why}", "at least one of version 3")
    names = _names(shells)
    global_ids = {str(each.asset_information.global_asset_id): names[each.id] for each in shells}
    hierarchy = Hierarchy({name: node for name, node in global_ids.items() if name not in ("None", "")})
    nodes = []
    belonging: set[str] = set()
    for shell in shells:
        own, more = _submodels(store, shell, names[shell.id])
        belonging |= {each.id for each in own}
        node, of_node = _node(store, shell, names[shell.id], own)
        nodes.append(node)
        doubts += [*more, *of_node]
        for submodel in own:
            if is_about(submodel, HIERARCHY):
                hierarchy.add(submodel, names[shell.id])
    doubts += _unclaimed(store, belonging)
    parents = hierarchy.all_parents()
    parts = [RawNode(id=part, name=name, words=(name,), source=part) for part, name in hierarchy.parts.items()]
    placed = [replace(node, parent=parents.get(node.id)) for node in (*nodes, *parts)]
    return describe("aas", placed, doubts, places)


def _names(shells: "list[AssetAdministrationShell]") -> dict[str, str]:
    """Return what each shell's asset is called: the shell's short name where no other has it."""
    often = Counter(each.id_short for each in shells)
    return {each.id: each.id_short if each.id_short and often[each.id_short] == 1 else each.id for each in shells}


def _submodels(
    store: "DictIdentifiableStore[Any]", shell: "AssetAdministrationShell", name: str
) -> "tuple[list[Submodel], list[Doubt]]":
    from basyx.aas.model import ModellingKind, Submodel

    found, doubts = [], []
    for reference in sorted(map(last_key, shell.submodel)):
        submodel = store.get(reference)
        if not isinstance(submodel, Submodel):
            doubts.append(Doubt(name, f"the submodel {reference} is in none of the files"))
        elif submodel.kind == ModellingKind.TEMPLATE:
            doubts.append(Doubt(name, f"the submodel {reference} is a template, and is left out"))
        else:
            found.append(submodel)
    return found, doubts


def _node(
    store: "DictIdentifiableStore[Any]", shell: "AssetAdministrationShell", name: str, submodels: "list[Submodel]"
) -> tuple[RawNode, list[Doubt]]:
    from basyx.aas.model import AssetKind

    contents = ShellContents()
    for submodel in submodels:
        add_submodel(contents, store, submodel, name)
    if contents.left_out:
        contents.doubts.append(Doubt(name, f"submodels that describe no telemetry: {', '.join(contents.left_out)}"))
    information = shell.asset_information
    kind = _last_word(information.asset_type or "")
    node = RawNode(
        id=name,
        words=tuple(word for word in (kind, shell.id_short or "") if word),
        name=name,
        type_name=kind or contents.model,
        type_description=words_of(shell),
        model=contents.model,
        source=information.global_asset_id or shell.id,
        channels=tuple(contents.channels),
        properties=tuple(contents.properties),
        is_type=information.asset_kind == AssetKind.TYPE,
    )
    return node, contents.doubts


def _unclaimed(store: "DictIdentifiableStore[Any]", belonging: set[str]) -> list[Doubt]:
    from basyx.aas.model import ModellingKind, Submodel

    others = [each for each in store if isinstance(each, Submodel) and each.id not in belonging]
    names = sorted(each.id_short or each.id for each in others if each.kind != ModellingKind.TEMPLATE)
    return [Doubt(name, "is a submodel of no shell, and is left out") for name in names]


def _last_word(text: str) -> str:
    """Return the last part of an asset type's address; empty for a number of a dictionary, which names nothing.

    Examples
    --------
    >>> _last_word("https://example.com/types/cnc_mill"), _last_word("0173-1#01-AKJ975#017")
    ('cnc_mill', '')
    """
    word = text.rstrip("/").rpartition("/")[2].rpartition(":")[2]
    return "" if not word or word[0].isdigit() or "#" in word else word
