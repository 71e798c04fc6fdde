"""What reading files decided, found and left out, for people and programs."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

_MAX_NAMES = 8
_END_OF_DAY = re.compile(r"[T ]24:?00")
_DATE = re.compile(r"\d{4}-\d\d-\d\d|\d{1,2}[./]\d{1,2}[./]\d{2,4}")
_WITHOUT_ZONE = re.compile(r"\d{4}-\d\d-\d\d[T ][\d:.]+")
_NUMBER = re.compile(r"[-+\d.,' eE]*\d")


@dataclass(frozen=True)
class FileNotes:
    """How one file was written."""

    separator: str = ""  # empty for what is no text
    encoding: str = ""
    skipped_lines: int = 0
    units: Mapping[str, str] = field(default_factory=dict)  # of a row of units, by column
    recognised: tuple[str, ...] = ()  # which of these were not declared
    renamed: Mapping[str, str] = field(default_factory=dict)  # the file's name and the contract's
    ignored: tuple[str, ...] = ()  # columns left out


@dataclass(frozen=True)
class LongNotes:
    """How a long table became rows."""

    lines: int = 0
    tags_as: str = ""  # the pattern, or the list's name
    tags: int = 0  # known tags
    unknown_tags: Mapping[str, int] = field(default_factory=dict)  # their lines, which were left out
    bad: Mapping[str, int] = field(default_factory=dict)  # values made null, by the quality as written
    uncertain: int = 0
    uncertain_kept: bool = True
    repeated: int = 0  # lines left out because an equal one stands before


@dataclass(frozen=True)
class ReadingNotes:
    """What reading files decided, found and left out."""

    files: tuple[str, ...]
    rows: int
    written: FileNotes
    decimal: str = "."
    time_format: str = "ISO 8601"
    time_zone: str | None = None
    recognised: tuple[str, ...] = ()  # what was not declared, by its key in a layout
    clock: str = ""  # how cycles or rows became times
    continued: Mapping[str, int] = field(default_factory=dict)  # with the row clock, the first number of each asset
    filled: Mapping[str, str] = field(default_factory=dict)  # columns that the files lack, and what they were given
    missing: Mapping[str, int] = field(default_factory=dict)  # cells read as no value, by the word in them
    unreadable: Mapping[str, int] = field(default_factory=dict)  # cells of another type, by column
    examples: Mapping[str, str] = field(default_factory=dict)  # the first such cell
    clock_changes: Mapping[str, int] = field(default_factory=dict)  # times that the zone skips or has twice
    empty: tuple[str, ...] = ()  # files without rows
    passed_over: tuple[str, ...] = ()  # files of a folder whose names do not end like those of data
    repeated: int = 0  # rows left out because an earlier file has them too
    joined: int | None = None  # rows before several files were joined on time
    long: LongNotes | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values."""
        written = {name: value for name, value in vars(self.written).items() if name != "recognised"}
        own = {name: value for name, value in vars(self).items() if name not in ("written", "long")}
        return {**written, **own, "long": None if self.long is None else dict(vars(self.long))}

    def sentences(self) -> Iterator[str]:
        """Yield what a person should know; nothing for one plain file."""
        if len(self.files) > 1:
            joined = "" if self.joined is None else f", joined from {self.joined:,}"
            yield f"{len(self.files)} files, {self.rows:,} rows{joined}"
        if self.empty:
            yield "without rows: " + _listed(self.empty)
        if self.passed_over:
            yield f"not read, for how their names end: {_listed(self.passed_over)}; name them if they hold rows"
        if self.repeated:
            yield f"rows left out because an earlier file has them too: {self.repeated:,}"
        yield from self._dialect()
        if self.clock:
            yield self.clock
        if self.continued:
            named = _listed(f"{asset} from row {number:,}" for asset, number in self.continued.items())
            yield f"rows are numbered on from those stored, or as in an earlier import of them: {named}"
        if self.written.renamed:
            yield "renamed " + _listed(f"{theirs} to {ours}" for theirs, ours in self.written.renamed.items())
        if self.written.ignored:
            yield "left out the columns " + _listed(self.written.ignored)
        if self.filled:
            yield "filled in " + _listed(f"{name} ({value})" for name, value in self.filled.items())
        if self.missing:
            counts = _listed(f"{word!r} ({count:,})" for word, count in self.missing.items())
            yield f"read as no value: {counts}"
        if self.clock_changes:
            counts = _listed(f"{name} {count:,}" for name, count in self.clock_changes.items())
            yield (
                f"times that {self.time_zone or 'their zone'} skips or has twice, as clocks change: {counts}; write "
                "their offset, such as 2026-10-25T02:30:00+02:00"
            )
        others = {name: count - self.clock_changes.get(name, 0) for name, count in self.unreadable.items()}
        if any(others.values()):
            counts = _listed(
                f"{name} {count:,}, first {self.examples[name]!r}" for name, count in others.items() if count
            )
            shown = [self.examples[name] for name, count in others.items() if count]
            words = any(not _NUMBER.fullmatch(text) and not _DATE.match(text) for text in shown)
            hint = "; a word for no value is named by --missing" if words else ""
            if any(_END_OF_DAY.search(text) for text in shown):
                hint += "; 24:00 is to be written as 00:00 of the next day"
            elif self.time_zone is None and any(_WITHOUT_ZONE.fullmatch(text) for text in shown):
                hint += "; the zone of times that name none is named by --time-zone"
            yield f"cells that cannot be read as their type: {counts}{hint}"
        if self.long is not None:
            yield from _of_long(self.long)

    def _dialect(self) -> Iterator[str]:
        parts = []
        if self.written.separator not in ("", ","):
            parts.append(f"separator {self.written.separator!r}")
        if self.decimal != ".":
            parts.append(f"decimal mark {self.decimal!r}")
        if self.written.encoding not in ("", "utf-8"):
            parts.append(f"encoding {self.written.encoding}")
        if self.written.skipped_lines:
            parts.append(f"lines before the header skipped: {self.written.skipped_lines}")
        if self.written.units:
            units = _listed(f"{name} {unit}" for name, unit in self.written.units.items())
            parts.append(f"a row of units under the header ({units})")
        if self.time_format != "ISO 8601":
            parts.append(f"times as {self.time_format}")
        if self.time_zone is not None:
            parts.append(f"times without a zone in {self.time_zone}")
        if parts:
            recognised = f" (recognised: {', '.join(self.recognised)})" if self.recognised else ""
            yield ", ".join(parts) + recognised


def _of_long(notes: LongNotes) -> Iterator[str]:
    yield f"a long table: {notes.lines:,} values of {notes.tags} tags, read as {notes.tags_as}"
    if notes.unknown_tags:
        tags = _listed(f"{tag} ({count:,})" for tag, count in notes.unknown_tags.items())
        yield f"left out the values of unknown tags: {tags}"
    if notes.bad:
        yield "made null for their quality: " + _listed(f"{word} ({count:,})" for word, count in notes.bad.items())
    if notes.uncertain:
        yield f"of uncertain quality: {notes.uncertain:,}, {'kept' if notes.uncertain_kept else 'made null'}"
    if notes.repeated:
        yield f"left out {notes.repeated:,} values that stand there twice"


def _listed(items: Any) -> str:
    names = list(items)
    more = f" and {len(names) - _MAX_NAMES} more" if len(names) > _MAX_NAMES else ""
    return ", ".join(names[:_MAX_NAMES]) + more
