"""A description from files, whatever standard they are written in; which one, their content says."""

import re
from collections.abc import Sequence
from pathlib import Path

from data_contracts.errors import UsageError
from pipelines.importers.twins.aas.aas_reader import read_aas
from pipelines.importers.twins.described import Places
from pipelines.importers.twins.description import Standard, TwinDescription
from pipelines.importers.twins.dtdl.dtdl_reader import read_dtdl
from pipelines.importers.twins.mtconnect.probe_reader import read_probe
from pipelines.importers.twins.raw_twins import bad_file
from pipelines.importers.twins.safe_files import parse_json, parse_xml, read_bytes

_SUFFIXES = (".json", ".xml", ".aasx")
_MOST_FILES = 10_000
_EXPECTED = "DTDL version 3 (JSON), an MTConnect probe document (XML), or Asset Administration Shells (AASX, XML, JSON)"


def read_twins(paths: Sequence[Path], places: Places | None = None) -> TwinDescription:
    """Read files of one standard as one description; folders stand for the files in them."""
    files = [(str(path), read_bytes(path)) for path in _files(paths)]
    standards = {about: standard_of(about, content) for about, content in files}
    several = sorted(set(standards.values()))
    if len(several) != 1:
        raise UsageError(
            f"files of {' and '.join(several)}", "files of one standard", "Import one standard at a time, then compare"
        )
    if several[0] == "aas":
        return read_aas(files, places)
    if several[0] == "mtconnect":
        return read_probe([(about, parse_xml(about, content)) for about, content in files], places)
    return read_dtdl([(about, parse_json(about, content)) for about, content in files], places)


def standard_of(about: str, content: bytes) -> Standard:
    """Return the standard of a file by its content.

    Examples
    --------
    >>> standard_of("a.xml", b"<MTConnectDevices/>"), standard_of("b.json", b'{"@type": "Interface"}')
    ('mtconnect', 'dtdl')
    """
    if content[:2] == b"PK":
        return "aas"
    if content.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] == b"<":
        root = re.search(rb"<(?:[\w.-]+:)?(\w+)", content)
        return "mtconnect" if root is not None and root[1].startswith(b"MTConnect") else "aas"
    parsed = parse_json(about, content)
    keys = set(parsed) if isinstance(parsed, dict) else set()
    if keys & {"assetAdministrationShells", "submodels", "conceptDescriptions"}:
        return "aas"
    if isinstance(parsed, list) or keys & {"@type", "@context", "digitalTwinsGraph", "digitalTwinsModels"}:
        return "dtdl"
    raise bad_file(about, "is none of the standards that are read", _EXPECTED)


def _files(paths: Sequence[Path]) -> list[Path]:
    files: list[Path] = []
    for path in paths:
        if path.is_dir():
            inside = sorted(each for each in path.iterdir() if each.suffix.lower() in _SUFFIXES and each.is_file())
            if not inside:
                raise bad_file(str(path), "holds no file of a description", _EXPECTED, "Name another folder")
            files += inside
        else:
            files.append(path)
    if not files or len(files) > _MOST_FILES:
        raise bad_file(f"{len(files):,} files", "are named", f"1 to {_MOST_FILES:,}", "Name others")
    return list(dict.fromkeys(files))
