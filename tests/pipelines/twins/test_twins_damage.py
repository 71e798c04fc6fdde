"""Damaged files: whatever is cut, repeated or changed, there is a description or a clear error."""

import io
import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from data_contracts.errors import ForewarnError
from pipelines.importers.twins.description import TwinDescription
from pipelines.importers.twins.read_twins import read_twins
from tests.pipelines.twins.aasx_package import aasx_package

FILES = Path(__file__).parent / "files"
CONTENTS = {
    "mill.json": (FILES / "mill_dtdl.json").read_bytes(),
    "mill.xml": (FILES / "mill_probe.xml").read_bytes(),
    "shells.xml": (FILES / "mill_aas.xml").read_bytes(),
    "mill.aasx": aasx_package((FILES / "mill_aas.xml").read_bytes()),
}
WORDS = [b"", b"\0", b'"', b"<", b"&x;", b"null", b"[]", b"{}", b"-1", b"1e400", b"\xff", b"mill-7", b"NaN", b"true"]


def read_or_refuse(path: Path) -> None:
    """Fail on anything but a description or one of our errors."""
    with suppress(ForewarnError):
        description = read_twins([path])
        assert isinstance(description, TwinDescription)
        json.dumps(description.to_dict())


@pytest.mark.parametrize("name", CONTENTS)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damaged_bytes(name: str, data: st.DataObject, tmp_path: Path) -> None:
    """A piece is cut out, replaced, or there twice."""
    content = CONTENTS[name]
    for _ in range(data.draw(st.integers(1, 3))):
        start = data.draw(st.integers(0, len(content)))
        end = min(len(content), start + data.draw(st.integers(0, 60)))
        piece = data.draw(st.sampled_from([*WORDS, content[start:end] * 2]))
        content = content[:start] + piece + content[end:]
    path = tmp_path / name
    path.write_bytes(content)
    read_or_refuse(path)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, each in inner for place in places(each, (*path, key)))]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), as_shells=st.booleans())
def test_values_of_another_kind(data: st.DataObject, as_shells: bool, tmp_path: Path) -> None:
    """JSON that is well formed, with something else where a value should be, or without it."""
    document = SHELLS if as_shells else json.loads(CONTENTS["mill.json"])
    document = json.loads(json.dumps(document))
    *way, last = data.draw(st.sampled_from([place for place in places(document) if place]))
    holder = document
    for key in way:
        holder = holder[key]
    other = st.sampled_from([None, True, 0, -1.5, "", "mill-7", [], {}, [None], {"a": 1}, "dtmi:com:example:MC500;1"])
    if data.draw(st.booleans()):
        holder[last] = data.draw(other)
    else:
        del holder[last]
    path = tmp_path / "changed.json"
    path.write_text(json.dumps(document))
    read_or_refuse(path)


def _shells() -> Any:
    from basyx.aas.adapter.json import write_aas_json_file
    from basyx.aas.adapter.xml import read_aas_xml_file

    text = io.StringIO()
    write_aas_json_file(text, read_aas_xml_file(str(FILES / "mill_aas.xml")))
    return json.loads(text.getvalue())


SHELLS = _shells()
