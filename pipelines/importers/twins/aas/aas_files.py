"""The shells, submodels and concept descriptions of AASX packages and of XML and JSON files.

The metamodel and its XML and JSON are read by the reference implementation (basyx-python-sdk), which leaves out what it
cannot read and says so: these are doubts. Of a package only the parts that describe are looked at, before they are
unpacked.
"""

import io
import logging
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from data_contracts.errors import ForewarnError
from pipelines.importers.twins.description import Doubt
from pipelines.importers.twins.raw_twins import bad_file
from pipelines.importers.twins.safe_files import check_size, missing_extra, parse_json, parse_xml

if TYPE_CHECKING:
    from basyx.aas.model import DictIdentifiableStore

_DESCRIBING = (".xml", ".json", ".rels")
_MOST_PARTS = 20_000
_NAMESPACES = (b"https://admin-shell.io/aas/3/0", b"https://admin-shell.io/aas/3/1")
_OLDER = b"admin-shell.io/aas/"
_LOGGERS = ("basyx", "pyecma376_2")


def empty_store() -> "DictIdentifiableStore[Any]":
    """Return a store for what files hold; `UsageError` if the extra is not installed."""
    try:
        from basyx.aas.model import DictIdentifiableStore
    except ImportError as error:
        raise missing_extra("basyx-python-sdk") from error
    return DictIdentifiableStore()


def read_into(store: "DictIdentifiableStore[Any]", about: str, content: bytes) -> list[Doubt]:
    """Read a file into a store; return what of it could not be read."""
    with _said(about) as doubts:
        try:
            if content[:2] == b"PK":
                _read_package(store, about, content)
            elif content.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] == b"<":
                _read_xml(store, about, content)
            else:
                _read_json(store, about, content)
        except ForewarnError:
            raise
        except Exception as error:  # of a damaged file the readers of zip, package and metamodel raise whatever comes
            what = "is no package that can be read" if content[:2] == b"PK" else "breaks the metamodel"
            found = f"{what} ({type(error).__name__}: {str(error)[:200]})"
            raise bad_file(about, found, "Asset Administration Shells of version 3: AASX, XML or JSON") from error
    return doubts


def _read_package(store: "DictIdentifiableStore[Any]", about: str, content: bytes) -> None:
    from basyx.aas.adapter import aasx
    from pyecma376_2.zip_package import ZipPackageReader

    _check_parts(about, content)
    with ZipPackageReader(io.BytesIO(content)) as package:
        origins = package.get_related_parts_by_type()[aasx.RELATIONSHIP_TYPE_AASX_ORIGIN]
        if not origins:
            found = "is a package without an aasx-origin"
            raise bad_file(about, found, "an AASX package of version 3", "Export it again by a tool of version 3")
        for part in dict.fromkeys(_described_parts(package, origins[0])):
            with package.open_part(part) as stream:
                _read_part(store, f"{about}{part}", part, stream.read())


def _described_parts(package: Any, origin: str) -> Iterator[str]:
    from basyx.aas.adapter import aasx

    for part in package.get_related_parts_by_type(origin)[aasx.RELATIONSHIP_TYPE_AAS_SPEC]:
        yield part
        yield from package.get_related_parts_by_type(part)[aasx.RELATIONSHIP_TYPE_AAS_SPEC_SPLIT]


def _check_parts(about: str, content: bytes) -> None:
    """Refuse a package whose descriptions are huge once unpacked; no more than it declares is ever unpacked."""
    with zipfile.ZipFile(io.BytesIO(content)) as package:
        parts = package.infolist()
        if len(parts) > _MOST_PARTS:
            raise bad_file(about, f"has {len(parts):,} parts", f"a package of at most {_MOST_PARTS:,}")
        check_size(about, sum(part.file_size for part in parts if part.filename.lower().endswith(_DESCRIBING)))
        for part in parts:
            # The package's own reader resolves entities.
            if part.filename.lower().endswith(".rels") or part.filename.startswith("[Content_Types]"):
                parse_xml(f"{about}/{part.filename}", package.read(part))


def _read_part(store: "DictIdentifiableStore[Any]", about: str, part: str, content: bytes) -> None:
    check_size(about, len(content))
    if part.lower().endswith(".json"):
        _read_json(store, about, content)
    else:
        _read_xml(store, about, content)


def _read_xml(store: "DictIdentifiableStore[Any]", about: str, content: bytes) -> None:
    from basyx.aas.adapter.xml import read_aas_xml_file_into

    root = parse_xml(about, content)
    if not root.tag.endswith("}environment") or not any(name.decode() in root.tag for name in _NAMESPACES):
        older = "of an older version" if _OLDER in content[:2000] else "another document"
        found = f"is {older}, {root.tag[:80]}"
        raise bad_file(about, found, "an environment of Asset Administration Shells, version 3", "Convert it")
    # 3.1 added to 3.0, and the reader knows it under its own name alone.
    read_aas_xml_file_into(store, io.BytesIO(content.replace(*_NAMESPACES)), ignore_existing=True)


def _read_json(store: "DictIdentifiableStore[Any]", about: str, content: bytes) -> None:
    from basyx.aas.adapter.json import read_aas_json_file_into

    lists = ("assetAdministrationShells", "submodels", "conceptDescriptions")
    parsed = parse_json(about, content)
    if not isinstance(parsed, dict) or not all(isinstance(parsed.get(name, []), list) for name in lists):
        raise bad_file(about, "is no environment of Asset Administration Shells", f"an object with {', '.join(lists)}")
    read_aas_json_file_into(store, io.StringIO(content.decode("utf-8-sig")), ignore_existing=True)


@contextmanager
def _said(about: str) -> Iterator[list[Doubt]]:
    """Collect what the readers log as doubts, instead of letting it reach the terminal."""
    doubts: list[Doubt] = []

    class _Collector(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            sentence = " ".join(record.getMessage().split())
            doubts.append(Doubt(about, f"not read: {sentence[:300]}"))

    collector = _Collector(logging.WARNING)
    loggers = [logging.getLogger(name) for name in _LOGGERS]
    before = [(logger.propagate, logger.level) for logger in loggers]
    for logger in loggers:
        logger.addHandler(collector)
        logger.propagate = False
        logger.setLevel(logging.WARNING)
    try:
        yield doubts
    finally:
        for logger, (propagate, level) in zip(loggers, before, strict=True):
            logger.removeHandler(collector)
            logger.propagate = propagate
            logger.setLevel(level)
