"""Laws of descriptions: DTDL keeps them, and comparing is symmetric."""

import json
from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from data_contracts.asset_graph.graph_nodes import LEVELS
from data_contracts.contract.dtdl_units import SYMBOLS, usual_semantic_type
from pipelines.importers.twins.comparison import compare
from pipelines.importers.twins.description import TwinAsset, TwinChannel, TwinDescription, TwinProperty, TwinType
from pipelines.importers.twins.dtdl.dtdl_reader import read_dtdl
from pipelines.importers.twins.dtdl.dtdl_writer import graph_document
from pipelines.importers.twins.identifiers import identifier
from pipelines.importers.twins.levels import may_contain

_RESERVED = ("asset", "event_time", "known_time", "source", "stored_version")
names = (
    st.text("abxyz_19ÄQ -", min_size=1, max_size=9).map(identifier).filter(lambda text: text and text not in _RESERVED)
)
words = st.text(min_size=1, max_size=12).map(lambda text: " ".join(text.split())).filter(bool)
ids = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=12).filter(
    str.strip
)
limits = st.none() | st.floats(-1e6, 1e6)


@st.composite
def channels(draw: st.DrawFn) -> TwinChannel:
    unit = draw(st.none() | st.sampled_from([*SYMBOLS.values(), "mm/s", "lbm/s"]))
    semantic = draw(st.none() | st.just(usual_semantic_type(unit)) | st.sampled_from(["Power", "VibrationVelocity"]))
    return TwinChannel(
        name=draw(names),
        type=draw(st.sampled_from(["number", "integer"])),
        unit=unit,
        semantic_type=semantic,
        description=draw(st.just("") | words),
        source=draw(words),
        component=draw(st.none() | names),
        minimum=draw(limits),
        maximum=draw(limits),
    )


@st.composite
def types(draw: st.DrawFn) -> TwinType:
    own = draw(st.lists(channels(), max_size=4, unique_by=lambda each: each.name))
    kinds = st.sampled_from(["string", "number", "integer", "boolean", "time"])
    taken = {each.name for each in own}
    described = names.filter(lambda name: name not in taken), kinds, st.just("") | words, words
    units = st.none() | st.sampled_from([*SYMBOLS.values(), "mm/s"])
    writable = st.builds(TwinProperty, *described, st.just(True), units, limits, limits)
    properties = st.builds(TwinProperty, *described) | writable
    said = draw(st.lists(properties, max_size=3, unique_by=lambda each: each.name))
    by_name = lambda each: each.name  # noqa: E731 - shorter than a function
    text = draw(st.just("") | words)
    return TwinType(draw(names), text, tuple(sorted(own, key=by_name)), tuple(sorted(said, key=by_name)))


@st.composite
def descriptions(draw: st.DrawFn) -> TwinDescription:
    kinds = draw(st.lists(types(), min_size=1, max_size=3, unique_by=lambda each: each.name))
    assets: list[TwinAsset] = []
    for name in draw(st.lists(ids, max_size=7, unique=True)):
        level = draw(st.sampled_from(LEVELS))
        above = [each.asset for each in assets if may_contain(each.level, level)]
        parent = draw(st.sampled_from([None, *above]))
        label = draw(st.none() | words.filter(lambda text, name=name: text != name))
        kind = draw(st.sampled_from(kinds)).name if level == "machine" else None
        assets.append(TwinAsset(name, level, parent, label, kind, draw(st.none() | words), draw(words)))
    return TwinDescription(
        "dtdl",
        tuple(sorted(kinds, key=lambda each: each.name)),
        tuple(sorted(assets, key=lambda each: each.asset)),
    )


def through_dtdl(description: TwinDescription) -> TwinDescription:
    document: Any = json.loads(json.dumps(graph_document(description)))
    return read_dtdl([("twins.json", document)])


@given(descriptions())
def test_a_description_written_as_dtdl_and_read_is_the_same(description: TwinDescription) -> None:
    """Nothing is lost: channels with all they have, properties, assets with their places."""
    assert through_dtdl(description).content == description.content


@given(descriptions())
def test_nothing_differs_from_itself(description: TwinDescription) -> None:
    """Whatever it was written in."""
    assert compare(description, replace(description, standard="aas")) == ()


@given(descriptions(), descriptions())
def test_comparing_is_symmetric(one: TwinDescription, other: TwinDescription) -> None:
    """The other way round there are the same differences, mirrored; and there are none only between equals."""
    mirrored = sorted((each.mirrored for each in compare(other, one)), key=str)
    assert sorted(compare(one, other), key=str) == mirrored
    if not mirrored:
        without = [[replace(c, source="", description="") for c in kind.channels] for kind in one.types]
        assert without == [[replace(c, source="", description="") for c in kind.channels] for kind in other.types]


@given(st.text(max_size=40))
def test_identifiers_are_kept(text: str) -> None:
    """An identifier is made once, and DTDL, columns and file names allow it."""
    made = identifier(text)
    assert identifier(made) == made
    assert not made or (made.isascii() and made[0].isalpha() and made.replace("_", "a").isalnum() and made[-1] != "_")
