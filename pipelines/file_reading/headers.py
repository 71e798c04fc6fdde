"""The header of a text file: its encoding, its separator, and the lines before it."""

import codecs
import csv
import gzip
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

from data_contracts.contract.file_layout import FileLayout
from data_contracts.errors import ForewarnError

Complete = Callable[[list[str]], bool]
"""Whether names are a header: whether the columns that the contract needs are among them."""
MARKS = (",", ";", "\t", "|")
_HEAD = 1 << 18  # bytes, in which the header has to be
_MOST_LINES = 100
_SEPARATOR_LINE = re.compile(r'"?sep=(.)"?$')  # what Excel writes above the header
_ORDER_MARKS = {codecs.BOM_UTF8: "utf-8", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}


@dataclass(frozen=True)
class Header:
    """How a text file starts."""

    names: tuple[str, ...]
    separator: str
    encoding: str
    lines: int  # up to the header's end
    skipped: int  # lines before the header
    recognised: tuple[str, ...]  # which of these were not declared


def read_header(path: Path, layout: FileLayout, complete: Complete) -> Header:
    """Read the header of a text file, which may be compressed."""
    with open_bytes(path) as file:
        head = file.read(_HEAD)
    encoding, recognised = _encoding(path, head, layout)
    text = codecs.getincrementaldecoder(encoding)(errors="replace" if layout.encoding else "strict").decode(head)
    lines = text.removeprefix("\ufeff").splitlines(keepends=True)
    skipped, separator = _place(path, lines, layout, complete)
    names, length = _split(lines[skipped:], separator)
    if separator != "," and layout.separator is None:
        recognised += ("separator",)
    if skipped and layout.skip_lines is None:
        recognised += ("skipLines",)
    return Header(tuple(names), separator, encoding, skipped + length, skipped, recognised)


def open_bytes(path: Path) -> BinaryIO:
    """Open a file, decompressed if its name ends in .gz."""
    return cast("BinaryIO", gzip.open(path)) if path.suffix.lower() == ".gz" else path.open("rb")


def not_text(path: Path, encoding: str, reason: str, likely: str = "cp1252") -> ForewarnError:
    """Return the error of a file that is not in the encoding that it is read in."""
    name = "UTF-8" if encoding == "utf-8" else encoding
    remedy = f"Name the encoding with --encoding, such as {likely}, or save the file in UTF-8; nothing was stored"
    return ForewarnError(f"{path} is not {name} text ({reason})", f"text in {name}", remedy)


def _encoding(path: Path, head: bytes, layout: FileLayout) -> tuple[str, tuple[str, ...]]:
    declared = None if layout.encoding is None else codecs.lookup(layout.encoding).name
    marked = next((name for mark, name in _ORDER_MARKS.items() if head.startswith(mark)), None)
    if declared is not None:
        return declared, ()
    if marked is not None:
        return marked, ("encoding",) if marked != "utf-8" else ()
    if b"\0" in head[:1000]:
        raise not_text(path, "utf-8", "it holds bytes 0", "utf-16-le" if head[1:2] == b"\0" else "utf-16-be")
    return "utf-8", ()


def _place(path: Path, lines: list[str], layout: FileLayout, complete: Complete) -> tuple[int, str]:
    """Return the header's line and separator: the first line with the columns needed, or the first of all."""
    declared = None if layout.separator is None else _mark(layout.separator)
    if layout.skip_lines is not None:
        if layout.skip_lines >= len(lines):
            found = f"{path} has {len(lines)} lines, of which {layout.skip_lines} are to be skipped"
            raise ForewarnError(found, "a header after them", "Correct --skip-lines")
        return layout.skip_lines, declared or _separator(lines[layout.skip_lines :], complete)
    first = next((number for number, line in enumerate(lines) if line.strip()), 0)
    if match := _SEPARATOR_LINE.match(lines[first].strip() if lines else ""):
        return first + 1, declared or match[1]
    for number in range(first, min(len(lines), _MOST_LINES)):
        for mark in (declared,) if declared else MARKS:
            if complete(_split(lines[number : number + 20], mark)[0]):
                return number, mark
    return first, declared or _separator(lines[first:], complete)


def _separator(lines: list[str], complete: Complete) -> str:
    splits = {mark: _split(lines, mark)[0] for mark in MARKS}
    several = [mark for mark in MARKS if len(splits[mark]) > 1]
    return next((mark for mark in several if complete(splits[mark])), several[0] if several else ",")


def check_separator(path: Path, header: Header) -> None:
    """Raise if a declared separator is not that of the file."""
    if len(header.names) != 1:
        return
    other = next((mark for mark in MARKS if mark in header.names[0] and mark != header.separator), None)
    if other is not None:
        found = f"{path} separates its columns by {other!r}, not by {header.separator!r}"
        raise ForewarnError(found, "the separator that was declared", "Correct --separator; nothing was stored")


def _split(lines: list[str], mark: str) -> tuple[list[str], int]:
    """Return the first record's names without blanks around them, and how many lines it takes."""
    reader = csv.reader(iter(lines), delimiter=mark)
    try:
        names = next(reader, [])
    except csv.Error:
        return [], 1
    return [name.strip() for name in names], reader.line_num


def _mark(separator: str) -> str:
    return "\t" if separator == "tab" else separator
