"""One machine in three standards: the same channels and units, and the differences named."""

import io
import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from data_contracts.errors import UsageError
from pipelines.importers.twins.comparison import compare, compared
from pipelines.importers.twins.described import Places
from pipelines.importers.twins.description import TwinAsset, TwinDescription
from pipelines.importers.twins.read_twins import read_twins
from tests.pipelines.twins.aasx_package import aasx_package

FILES = Path(__file__).parent / "files"
DTDL, PROBE, AAS = FILES / "mill_dtdl.json", FILES / "mill_probe.xml", FILES / "mill_aas.xml"
CHANNELS = {
    "bearing_temperature": ("degC", "Temperature", "spindle"),
    "coolant_flow": ("l/s", "VolumeFlowRate", "coolant"),
    "coolant_temperature": ("degC", "Temperature", "coolant"),
    "spindle_load": ("%", None, "spindle"),
    "spindle_speed": ("rpm", "AngularVelocity", "spindle"),
    "spindle_vibration": ("mm/s", "Velocity", "spindle"),
    "total_power": ("W", "Power", None),
}
Write = Callable[[str, bytes | str], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write(name: str, content: bytes | str) -> Path:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write


@pytest.fixture
def package(write: Write) -> Path:
    """Write the shells of the XML file into a package."""
    return write("mill.aasx", aasx_package(AAS.read_bytes(), more={"aasx/photo.png": b"no photo"}))


def channels(description: TwinDescription) -> dict[str, tuple[str | None, str | None, str | None]]:
    (kind,) = description.types
    return {each.name: (each.unit, each.semantic_type, each.component) for each in kind.channels}


def test_the_three_standards_describe_the_same_channels(package: Path) -> None:
    """Names, units, quantities and components agree; each says where it has a channel."""
    descriptions = [read_twins([path]) for path in (DTDL, PROBE, package)]
    assert [each.standard for each in descriptions] == ["dtdl", "mtconnect", "aas"]
    for description in descriptions:
        assert channels(description) == CHANNELS
        assert description.types[0].name == "mc500"
    sources = [{c.name: c.source for c in each.types[0].channels}["spindle_speed"] for each in descriptions]
    assert sources == ["spindleSpeed", "spindle/spindle_speed", "OperationalData/Spindle/SpindleSpeed"]


def test_what_they_say_differently_is_named(package: Path) -> None:
    """Limits that the agent alone has, a controller, and the places that an agent does not know."""
    dtdl, probe, aas = (read_twins([path]) for path in (DTDL, PROBE, package))
    assert [(each.what, each.about, each.one, each.other) for each in compare(dtdl, probe)] == [
        ("asset", "mill-7/controller", None, "mill-7/controller"),
        ("asset", "north", "north", None),
        ("asset", "north/housings", "north/housings", None),
        ("maximum", "coolant_temperature", None, "90"),
        ("minimum", "coolant_temperature", None, "0"),
        ("parent", "mill-7", "north/housings", None),
        ("property", "availability", None, "availability"),
    ]
    assert [(each.what, each.about) for each in compare(dtdl, aas)] == [
        ("asset", "housings"),
        ("asset", "north/housings"),
        ("name", "north"),
        ("parent", "mill-7"),
    ]
    result = compared("a", dtdl, "b", probe)
    assert (result.channels, result.assets, result.exit_status) == (7, 3, 1)


def test_another_unit_type_or_a_missing_channel_is_named(write: Write) -> None:
    """Nothing is converted: kilowatts are not watts."""
    changed = (
        DTDL.read_text()
        .replace('"unit": "watt"', '"unit": "kilowatt"')
        .replace('"schema": "double", "unitSymbol": "%"', '"schema": "integer", "unitSymbol": "%"')
    )
    changed = changed.replace('"name": "coolantFlow"', '"name": "mistFlow"')
    differences = compare(read_twins([DTDL]), read_twins([write("other.json", changed)]))
    assert [(each.what, each.about, each.one, each.other) for each in differences] == [
        ("channel", "coolant_flow", "coolant_flow", None),
        ("channel", "mist_flow", None, "mist_flow"),
        ("type", "spindle_load", "number", "integer"),
        ("unit", "total_power", "W", "kW"),
    ]


def test_the_graph_is_read_from_relationships_and_hierarchies(package: Path) -> None:
    """Plant, line, machine and components, whichever way the relationships point."""
    assert read_twins([DTDL]).assets == (
        TwinAsset("mill-7", "machine", "north/housings", None, "mc500", "MC500", "mill-7"),
        TwinAsset("mill-7/coolant", "component", "mill-7", "coolant", source="mill-7/coolant"),
        TwinAsset("mill-7/spindle", "component", "mill-7", "spindle", source="mill-7/spindle"),
        TwinAsset("north", "plant", None, "North works", source="north"),
        TwinAsset("north/housings", "line", "north", "Housings", source="north/housings"),
    )
    shells = {each.asset: (each.level, each.parent) for each in read_twins([package]).assets}
    assert shells == {
        "housings": ("line", "north"),
        "mill-7": ("machine", "housings"),
        "mill-7/coolant": ("component", "mill-7"),
        "mill-7/spindle": ("component", "mill-7"),
        "north": ("plant", None),
    }
    assert read_twins([package]).assets[1].source == "https://example.com/assets/mill-7"


def test_machines_without_a_place_get_the_one_that_is_given() -> None:
    """An agent knows neither plant nor line; what stands somewhere stays there."""
    placed = read_twins([PROBE], Places("north", "Housings", "cnc"))
    parents = {each.asset: each.parent for each in placed.assets}
    assert (parents["mill-7"], parents["north/Housings"], parents["north"]) == ("north/Housings", "north", None)
    assert [each.name for each in placed.types] == ["cnc"]
    assert read_twins([DTDL], Places("south")).assets[0].parent == "north/housings"


def test_packages_xml_and_json_say_the_same(package: Path, write: Write) -> None:
    """Also with the namespace of version 3.0."""
    from basyx.aas.adapter.json import write_aas_json_file
    from basyx.aas.adapter.xml import read_aas_xml_file

    text = io.StringIO()
    write_aas_json_file(text, read_aas_xml_file(str(AAS)))
    as_json = write("mill.json", text.getvalue())
    inside = write("json.aasx", aasx_package(text.getvalue().encode(), name="twin.json"))
    older = write("mill_3_0.xml", AAS.read_bytes().replace(b"aas/3/1", b"aas/3/0"))
    expected = read_twins([AAS]).content
    assert [read_twins([path]).content == expected for path in (package, as_json, inside, older)] == [True] * 4


def test_machines_alike_are_of_one_type_and_others_of_another(write: Write) -> None:
    """Devices of one model with other channels are said to be of another type."""
    text = PROBE.read_text()
    device = text[text.index("<Device ") : text.index("</Devices>")]
    alike = device.replace('name="mill-7"', 'name="mill-8"').replace('uuid="example-mill-7"', 'uuid="u8"')
    alike = alike.replace(' id="', ' id="x')
    other = (
        alike.replace("mill-8", "mill-9")
        .replace('"u8"', '"u9"')
        .replace(' id="x', ' id="y')
        .replace("LITER/SECOND", "PERCENT")
    )
    path = write("three.xml", text.replace("</Devices>", f"{alike}{other}</Devices>"))
    description = read_twins([path])
    types = {each.asset: each.asset_type for each in description.assets if each.level == "machine"}
    assert types == {"mill-7": "mc500", "mill-8": "mc500", "mill-9": "mc500_2"}
    assert [each for each in description.doubts if each.about == "mill-9" and "mc500_2" in each.sentence]


def test_the_readers_of_shells_stay_off_the_terminal(write: Write, capsys: pytest.CaptureFixture[str]) -> None:
    """What they leave out they log: it is a doubt, and their loggers are as before."""
    broken = AAS.read_text().replace(
        "<aas:valueType>xs:double</aas:valueType>", "<aas:valueType>xs:fast</aas:valueType>", 1
    )
    description = read_twins([write("broken.xml", broken)])
    assert any("not read" in each.sentence for each in description.doubts)
    assert capsys.readouterr() == ("", "")
    assert logging.getLogger("basyx").propagate
    assert not logging.getLogger("basyx").handlers


@pytest.mark.parametrize(
    ("change", "about", "words"),
    [
        ((', "unitSymbol": "%"', ""), "spindleLoad", "names no unit"),
        (('"unit": "litrePerSecond"', '"unit": "litersPerSecond"'), "coolantFlow", "Did you mean 'litrePerSecond'?"),
        (
            ('"name": "totalPower", "schema": "double"', '"name": "totalPower", "schema": "string"'),
            "totalPower",
            "no number",
        ),
        (
            ('"name": "totalPower", "schema": "double"', '"name": "totalPower", "schema": {"@type": "Map"}'),
            "totalPower",
            "left out",
        ),
        (('"$relationshipName": "hasLine"', '"$relationshipName": "feeds"'), "feeds", "no hierarchy"),
    ],
)
def test_dtdl_that_leaves_something_open_is_doubted(
    write: Write, change: tuple[str, str], about: str, words: str
) -> None:
    """A missing or unknown unit, a value that is no number, a relationship that is no hierarchy."""
    description = read_twins([write("changed.json", DTDL.read_text().replace(*change))])
    assert [each for each in description.doubts if about in each.about and words in each.sentence]


@pytest.mark.parametrize(
    ("change", "about", "words"),
    [
        (('units="PERCENT"', ""), "spindle_load", "names no unit"),
        (('units="PERCENT"', 'units="x:SHARE"'), "spindle_load", "unknown units 'x:SHARE'"),
        (('units="PERCENT"', 'nativeUnits="PERCENT"'), "spindle_load", "only the native units PERCENT"),
        (('units="PERCENT"', 'units="MILLIMETER_3D"'), "mill-7", "three numbers"),
        (('units="PERCENT"', 'units="PERCENT" representation="DATA_SET"'), "mill-7", "DATA_SET"),
        (('units="PERCENT"', 'units="PERCENT" nativeScale="10"'), "spindle_load", "native scale"),
    ],
)
def test_a_probe_that_leaves_something_open_is_doubted(
    write: Write, change: tuple[str, str], about: str, words: str
) -> None:
    """Units that are missing or unknown, and data items that are not one number."""
    description = read_twins([write("changed.xml", PROBE.read_text().replace(*change))])
    assert [each for each in description.doubts if about in each.about and words in each.sentence]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("<aas:unit>%</aas:unit>", "<aas:unit>furlong</aas:unit>"), "unknown unit 'furlong'"),
        (("<aas:unit>%</aas:unit>", ""), "names no unit"),
        (("rec20:G51", "rec20:ZZZ"), "only urn:un:unece:uncefact:codelist:rec20:ZZZ defines"),
        (("<aas:idShort>Nameplate</aas:idShort>", "<aas:idShort>TechnicalData</aas:idShort>"), ""),
        (("submodels/mill-7/operation</aas:value>", "submodels/elsewhere</aas:value>"), "is in none of the files"),
    ],
)
def test_shells_that_leave_something_open_are_doubted(write: Write, change: tuple[str, str], words: str) -> None:
    """Units that are missing, unknown or defined elsewhere, and submodels that are not there."""
    description = read_twins([write("changed.xml", AAS.read_text().replace(*change))])
    assert [each for each in description.doubts if words in each.sentence] or not words


HOSTILE: dict[str, tuple[str, bytes, str]] = {
    "entities": ("a.xml", b'<!DOCTYPE a [<!ENTITY b "c">]><MTConnectDevices>&b;</MTConnectDevices>', "DOCTYPE"),
    "outside entities": (
        "a.xml",
        b'<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><environment xmlns="https://admin-shell.io/aas/3/1">&b;</environment>',
        "DOCTYPE",
    ),
    "entities in a package": (
        "a.aasx",
        aasx_package(
            b'<!DOCTYPE a [<!ENTITY b "c">]><environment xmlns="https://admin-shell.io/aas/3/1">&b;</environment>'
        ),
        "DOCTYPE",
    ),
    "entities in a package's relationships": (
        "a.aasx",
        aasx_package(b"<a/>", more={"x/_rels/y.rels": b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>'}),
        "DOCTYPE",
    ),
    "a bomb": ("a.aasx", aasx_package(b" " * (80 * 2**20)), "80 MiB"),
    "no package": ("a.aasx", b"PK\x03\x04 and nothing", "no package that can be read"),
    "half a package": ("a.aasx", aasx_package(AAS.read_bytes())[:-400], "no package that can be read"),
    "a package of something else": ("a.aasx", aasx_package(b"<a/>", origin=False), "without an aasx-origin"),
    "a missing part": (
        "a.aasx",
        aasx_package(AAS.read_bytes(), name="twin.xml").replace(b"twin.xml", b"twix.xml", 1),
        "",
    ),
    "older shells": ("a.xml", b'<aasenv xmlns="http://www.admin-shell.io/aas/2/0"></aasenv>', "of an older version"),
    "no shell": (
        "a.xml",
        b'<environment xmlns="https://admin-shell.io/aas/3/1"/>',
        "hold no Asset Administration Shell",
    ),
    "deep xml": (
        "a.xml",
        b"<MTConnectDevices>" + b"<a>" * 5000 + b"</a>" * 5000 + b"</MTConnectDevices>",
        "nested deeper",
    ),
    "deep json": ("a.json", b'{"@type": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "nested"),
    "half xml": ("a.xml", b"<MTConnectDevices><Devices>", "is not XML"),
    "half json": ("a.json", b'{"@type": "Interface"', "is not JSON"),
    "bytes": ("a.json", bytes(range(128, 256)), "is not JSON"),
    "nothing": ("a.json", b"", "is not JSON"),
    "a number": ("a.json", b"3", "none of the standards"),
    "an error document": ("a.xml", b"<MTConnectError/>", "an agent's answer to probe"),
    "no device": ("a.xml", b"<MTConnectDevices><Devices/></MTConnectDevices>", "describes no device"),
    "a nameless device": ("a.xml", b"<MTConnectDevices><Device/></MTConnectDevices>", "without name, uuid and id"),
    "another version": (
        "a.json",
        b'{"@context": "dtmi:dtdl:context;2", "@id": "dtmi:a;1", "@type": "Interface"}',
        "context;2",
    ),
    "no interface": ("a.json", b'[{"@type": "Telemetry"}]', "is no interface"),
    "no identifier": ("a.json", b'{"@context": "dtmi:dtdl:context;3", "@type": "Interface"}', "the @id None"),
    "no telemetry": (
        "a.json",
        b'{"@context": "dtmi:dtdl:context;3", "@id": "dtmi:a;1", "@type": "Interface"}',
        "no interface with telemetry",
    ),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_gets_a_clear_error(name: str, write: Write) -> None:
    """No entity is resolved, nothing huge is unpacked, and nothing ends in a traceback."""
    file, content, words = HOSTILE[name]
    with pytest.raises(UsageError) as error:
        read_twins([write(file, content)])
    assert words in str(error.value)


def interface(name: str, *contents: dict[str, Any], **more: Any) -> dict[str, Any]:
    context = ["dtmi:dtdl:context;3", "dtmi:dtdl:extension:quantitativeTypes;1"]
    return {"@context": context, "@id": f"dtmi:x:{name};1", "@type": "Interface", "contents": list(contents), **more}


LOAD = {"@type": "Telemetry", "name": "load", "schema": "double"}


@pytest.mark.parametrize(
    ("interfaces", "words"),
    [
        ([interface("A", LOAD, extends="dtmi:x:B;1"), interface("B", extends="dtmi:x:A;1")], "without circles"),
        ([interface("A", LOAD, extends="dtmi:x:C;1")], "none of the files has"),
        (
            [interface("A", LOAD, extends=["dtmi:x:B;1"]), interface("B", LOAD)],
            "has load from dtmi:x:A;1 and dtmi:x:B;1",
        ),
        ([interface("A", LOAD, LOAD)], "has load from"),
        ([interface("A", LOAD), interface("A")], "another time, and otherwise"),
        ([interface("A", {"@type": "Telemetry", "schema": "double"})], "without a name"),
        (
            [
                interface("A", LOAD, {"@type": "Component", "name": "a", "schema": "dtmi:x:A;1"}),
                interface("B", LOAD, {"@type": "Component", "name": "a", "schema": "dtmi:x:A;1"}),
            ],
            "components without end",
        ),
        ([interface("A", {**LOAD, "name": "a_b"}, {**LOAD, "name": "aB"})], "has the channel machine_a_b 2 times"),
        ([interface("A", LOAD, level="galaxy")], "the level 'galaxy'"),
    ],
)
def test_interfaces_that_contradict_themselves_are_refused(
    interfaces: list[dict[str, Any]], words: str, write: Write
) -> None:
    """Circles, missing interfaces, and names that are there twice."""
    with pytest.raises(UsageError) as error:
        read_twins([write("a.json", json.dumps(interfaces))])
    assert words in str(error.value)


@pytest.mark.parametrize(
    ("relationships", "words"),
    [
        ([("a", "b", "isPartOf"), ("b", "a", "isPartOf")], "are each part of the next"),
        ([("a", "a", "isPartOf")], "are each part of the next"),
        ([("a", "b", "isPartOf"), ("a", "c", "isPartOf")], "is part of b and of c"),
        ([("a", "z", "isPartOf")], "that is no twin"),
        ([("plant-1", "a", "isPartOf")], "is a plant, and part of the machine a"),
    ],
)
def test_graphs_that_are_no_hierarchy_are_refused(
    relationships: list[tuple[str, str, str]], words: str, write: Write
) -> None:
    """Circles, two parents, and a plant within a machine."""
    models = [interface("Mill", LOAD, level="machine"), interface("Plant")]
    names = [("a", "Mill"), ("b", "Mill"), ("c", "Mill"), ("plant-1", "Plant")]
    graph = {
        "digitalTwins": [{"$dtId": name, "$metadata": {"$model": f"dtmi:x:{model};1"}} for name, model in names],
        "relationships": [
            {"$sourceId": source, "$targetId": target, "$relationshipName": name}
            for source, target, name in relationships
        ],
    }
    document = {"digitalTwinsFileInfo": {}, "digitalTwinsGraph": graph, "digitalTwinsModels": models}
    with pytest.raises(UsageError) as error:
        read_twins([write("a.json", json.dumps(document))])
    assert words in str(error.value)


def test_identifiers_that_are_there_twice_are_refused(write: Write) -> None:
    """Data items, devices and shells each have one of their own."""
    text = PROBE.read_text()
    with pytest.raises(UsageError, match="the id c1_s a second time"):
        read_twins([write("a.xml", text.replace('id="c1_v"', 'id="c1_s"'))])
    device = text[text.index("<Device ") : text.index("</Devices>")].replace(' id="', ' id="x')
    with pytest.raises(UsageError, match="mill-7 is described 2 times"):
        read_twins([write("b.xml", text.replace("</Devices>", f"{device}</Devices>"))])


def test_a_hierarchy_in_a_circle_is_refused(write: Write) -> None:
    """A plant that is part of its own machine, by two hierarchies."""
    circle = AAS.read_text().replace("<aas:idShort>spindle</aas:idShort>", "<aas:idShort>works</aas:idShort>", 1)
    entity = circle.index("<aas:idShort>works</aas:idShort>")
    managed = circle[entity:].replace(
        "<aas:entityType>CoManagedEntity</aas:entityType>",
        "<aas:entityType>SelfManagedEntity</aas:entityType><aas:globalAssetId>https://example.com/assets/north</aas:globalAssetId>",
        1,
    )
    with pytest.raises(UsageError, match="each part of the next"):
        read_twins([write("a.xml", circle[:entity] + managed)])


def test_files_of_two_standards_are_not_one_description() -> None:
    """They are imported one at a time, and compared."""
    with pytest.raises(UsageError, match="files of dtdl and mtconnect"):
        read_twins([DTDL, PROBE])
    with pytest.raises(UsageError, match="cannot be read"):
        read_twins([FILES / "no.json"])


def test_without_the_extra_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shells need the reader of their metamodel; DTDL needs nothing."""
    monkeypatch.setitem(__import__("sys").modules, "basyx.aas.model", None)
    with pytest.raises(UsageError, match=r"pip install 'forewarn\[twins\]'"):
        read_twins([AAS])
    assert channels(read_twins([DTDL])) == CHANNELS


def test_many_ways_from_one_interface_to_another_take_no_time(write: Write) -> None:
    """Ten levels of thirty interfaces that each extend all of the next: 30 to the power of 9 ways."""
    levels = [[f"L{level}N{number}" for number in range(30)] for level in range(10)]
    interfaces = [
        interface(name, extends=[f"dtmi:x:{each};1" for each in below])
        for level, below in zip(levels, [*levels[1:], []], strict=True)
        for name in level
    ]
    top = interface("Top", LOAD, extends=["dtmi:x:L1N0;1"])
    description = read_twins([write("a.json", json.dumps([*interfaces, top]))])
    assert [[each.name for each in kind.channels] for kind in description.types] == [["load"]]
