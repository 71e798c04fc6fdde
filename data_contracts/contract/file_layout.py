"""How the files of a contract are laid out: separator, decimal mark, times, names, one row an instant or one a value.

A contract says it in its custom property ``fileLayout``; the command line may say otherwise. What neither says is
recognised where that is safe.
"""

import codecs
import dataclasses
import datetime as dt
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import pandas as pd
from pydantic import BeforeValidator, Field

from data_contracts.configuration.places import Source
from data_contracts.configuration.values import WrongValueError, build, configuration
from data_contracts.errors import UsageError, did_you_mean

_WORDS = {
    "comma": ",", "semicolon": ";", "pipe": "|", "\t": "tab", "point": ".", "blank": " ", "apostrophe": "'",
}  # fmt: skip
_EPOCHS = ("epoch_s", "epoch_ms", "epoch_us", "epoch_ns")
CYCLE = "cycle"
ROW = "row"
_FORMATS = (*_EPOCHS, CYCLE, ROW)
_DATE_LETTERS = re.compile(r"y{2,4}|m{1,2}|M{1,2}|d{1,2}|D{1,2}|[Hh]{1,2}|[Ss]{1,2}|f{1,6}", re.ASCII)


def _mark(value: Any) -> Any:
    return _WORDS.get(value, value) if isinstance(value, str) else value


def _several(value: Any) -> Any:
    """Make texts of one or several values: YAML reads -999 as a number."""
    values = value if isinstance(value, list | tuple) else (value,)
    return tuple(str(item) if isinstance(item, int | float) else item for item in values)


def _time(value: Any) -> Any:
    return value.isoformat() if isinstance(value, dt.date) else value


def _by_text(value: Any) -> Any:
    """Make texts of a mapping's keys: YAML reads 192 as a number."""
    return {str(key): item for key, item in value.items()} if isinstance(value, Mapping) else value


_Texts = Annotated[tuple[str, ...], BeforeValidator(_several)]
_Names = Annotated[Mapping[str, str], BeforeValidator(_by_text)]
_Duration = Annotated[str, Field(pattern=r"^\d+(\.\d+)?(d|h|min|s|ms|us)$", title="a duration", examples=["1h"])]
_CORRECT = "Correct it"
QUALITIES = ("good", "uncertain", "bad")


@configuration
class FileLayout:
    """How the files of a contract are laid out; the default is CSV as the international standards write it."""

    shape: Literal["wide", "long"] = "wide"
    """Whether a line holds all channels of an instant, or, as historians export, one value of one tag."""
    separator: Annotated[Literal[",", ";", "|", "tab"], BeforeValidator(_mark)] | None = None
    """The mark between two columns; recognised in the header if not given."""
    decimal: Annotated[Literal[".", ","], BeforeValidator(_mark)] | None = None
    """The decimal mark; if not given a point, or a comma where every number of a file that is not separated by commas
    can only be read so."""
    thousands: Annotated[Literal[",", ".", " ", "'"], BeforeValidator(_mark)] | None = None
    """The mark between groups of three digits; none if not given."""
    encoding: str | None = None
    """The encoding of text, such as "cp1252" or "utf-16"; if not given UTF-8, or what a byte order mark says."""
    skip_lines: Annotated[int, Field(ge=0)] | None = None
    """How many lines stand before the header; recognised if not given, by the columns that the contract needs."""
    units_row: bool | None = None
    """Whether the units stand in a row of their own under the header; recognised if not given."""
    sheet: str | None = None
    """The sheet of a workbook; needed where there are several."""
    missing: _Texts = ()
    """The words for no value, besides an empty cell, such as "NaN" or "Bad Input"."""
    time_format: Annotated[str, Field(examples=["dd.mm.yyyy HH:MM", "%d.%m.%Y %H:%M", *_FORMATS])] | None = None
    """How times are written; if not given in ISO 8601, year first. "epoch_s", "epoch_ms", "epoch_us" and "epoch_ns"
    count from 1970; "cycle" is a number of cycles, "row" the number of the asset's row in the files."""
    time_zone: Annotated[str, Field(examples=["UTC", "Europe/Berlin"])] | None = None
    """The zone of times that name none."""
    cycle: _Duration = "1h"
    """How long a cycle, or a row, counts."""
    start: Annotated[str, BeforeValidator(_time), Field(examples=["2000-01-01T00:00:00Z"])] = "2000-01-01T00:00:00Z"
    """The time of cycle, or row, 0."""
    rename: _Names = Field(default_factory=dict)
    """The files' names of columns or channels, and the contract's."""
    constants: Annotated[Mapping[str, str | bool | int | float], BeforeValidator(_by_text)] = Field(
        default_factory=dict
    )
    """Columns that the files lack, and their one value."""
    asset: str | None = None
    """The asset of every row, where the files do not name it."""
    asset_from: Annotated[str, Field(examples=["{asset}.csv", "*_{asset}"])] | None = None
    """How a file's name gives the asset, or other columns; or a regular expression with named groups."""
    ignore: _Texts = ()
    """Columns that are not read."""
    ignore_extra: bool = False
    """Whether columns that the contract does not know are not read, whatever their names."""
    join: bool = False
    """Whether several files hold different columns of the same instants, to be joined on asset and time."""
    tags: str | _Names | None = None
    """How a long table's tag gives asset and channel: a pattern such as "{asset}.{channel}", a CSV file with the
    columns tag, asset and channel, or each tag with its "asset.channel"."""
    quality: _Names = Field(default_factory=dict)
    """What words or codes of a long table's quality mean, "good", "uncertain" or "bad", besides these words."""
    uncertain: Literal["keep", "drop"] = "keep"
    """Whether values of uncertain quality count."""

    def __post_init__(self) -> None:
        """Refuse what no field can check alone."""
        _check_marks(self)
        _check_known(self)
        if self.time_format is not None and self.time_format not in _FORMATS:
            strptime_format(self.time_format)

    @property
    def cycle_duration(self) -> pd.Timedelta:
        """Return how long a cycle counts."""
        return pd.Timedelta(self.cycle)

    @property
    def start_time(self) -> pd.Timestamp:
        """Return the time of cycle 0."""
        start = pd.Timestamp(self.start)
        return (start.tz_localize("UTC") if start.tzinfo is None else start.tz_convert("UTC")).as_unit("us")


def _check_marks(layout: FileLayout) -> None:
    if layout.thousands is not None and layout.thousands == (layout.decimal or "."):
        found = f"is {layout.thousands!r}, as is the decimal mark"
        raise WrongValueError("thousands", found, "two different marks", "Give decimal too, or another mark")


def _check_known(layout: FileLayout) -> None:
    if layout.asset is not None and layout.asset_from is not None:
        found = f"is {layout.asset!r}, and the files' names give it too, by {layout.asset_from!r}"
        raise WrongValueError("asset", found, "one of the two", "Leave out one")
    for word, quality in layout.quality.items():
        if quality not in QUALITIES:
            expected = " or ".join(QUALITIES)
            raise WrongValueError("quality", f"says that {word!r} is {quality!r}", expected, _CORRECT)
    if layout.encoding is not None:
        try:
            codecs.lookup(layout.encoding)
        except LookupError as error:
            found, expected = f"is {layout.encoding!r}", "an encoding such as utf-8, utf-16 or cp1252"
            raise WrongValueError("encoding", found, expected, _CORRECT) from error
    if layout.time_zone is not None:
        try:
            ZoneInfo(layout.time_zone)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            expected = "a name such as UTC or Europe/Berlin"
            raise WrongValueError(
                "time_zone", f"There is no time zone {layout.time_zone!r}", expected, _CORRECT
            ) from error
    try:
        if pd.isna(pd.Timestamp(layout.start)):
            raise ValueError("no time")
    except ValueError as error:
        raise WrongValueError(
            "start", f"is {layout.start!r}", "a time such as 2000-01-01T00:00:00Z", _CORRECT
        ) from error


def strptime_format(text: str) -> str:
    """Return a format of times as `strptime` knows it.

    Examples
    --------
    >>> strptime_format("dd.mm.yyyy HH:MM:SS"), strptime_format("MM/dd/yy hh:mm"), strptime_format("%d.%m.%Y")
    ('%d.%m.%Y %H:%M:%S', '%m/%d/%y %H:%M', '%d.%m.%Y')
    """
    if "%" in text:
        return _checked(text, text)
    after_hour = False

    def directive(match: re.Match[str]) -> str:
        nonlocal after_hour
        letter = match[0][0].lower()
        if letter == "y":
            return "%Y" if len(match[0]) > 2 else "%y"
        if letter == "m":
            # A month before the hour, minutes after it, whichever of the two is in capitals.
            return "%M" if after_hour else "%m"
        after_hour = after_hour or letter == "h"
        return f"%{'H' if letter == 'h' else 'S' if letter == 's' else letter}"

    return _checked(text, _DATE_LETTERS.sub(directive, text))


def _checked(text: str, directives: str) -> str:
    found = re.findall(r"%[a-zA-Z]", directives)
    enough = {"%d", "%j"} & set(found) and {"%Y", "%y"} & set(found) and {"%m", "%b", "%B", "%j"} & set(found)
    if len(set(found)) < len(found) or not (enough or "%c" in found or "%x" in found):
        expected = f"day, month and year, such as dd.mm.yyyy HH:MM or %d.%m.%Y %H:%M, or one of {', '.join(_FORMATS)}"
        raise WrongValueError("time_format", f"is {text!r}", expected, did_you_mean(text, _FORMATS) or _CORRECT)
    return directives


def layout_fields() -> dict[str, str]:
    """Return the field of each key as a contract writes it, such as "time_format" of "timeFormat"."""
    return {_camel(field.name): field.name for field in dataclasses.fields(FileLayout)}


def read_layout(contract: Path, content: Any) -> FileLayout:
    """Read a contract's custom property ``fileLayout``; a path in `tags` is relative to the contract."""
    place = f"contract {contract}: fileLayout"
    if not isinstance(content, Mapping):
        expected = "a mapping such as {separator: ';', decimal: ','}"
        raise UsageError(f"{place} is {content!r}", expected, "Fix the file")
    snake = layout_fields()
    unknown = next((str(key) for key in content if key not in snake), None)
    if unknown is not None:
        remedy = did_you_mean(unknown, snake) or "Remove it"
        raise UsageError(f"{place}.{unknown} is not known", f"one of {', '.join(snake)}", remedy)
    values = {snake[key]: value for key, value in content.items() if value is not None}
    tags = values.get("tags")
    if isinstance(tags, str) and "{" not in tags:
        values["tags"] = str(contract.parent / tags)
    places = {name: f"{place}.{key}" for key, name in snake.items()}
    return build(FileLayout, values, Source("", places=places))


def override_layout(layout: FileLayout, values: Mapping[str, Any], places: Mapping[str, str]) -> FileLayout:
    """Change what `values` names; collections are added to. `places` names where each value came from, for errors."""
    content = {field.name: getattr(layout, field.name) for field in dataclasses.fields(layout)}
    for one, other in (("asset", "asset_from"), ("asset_from", "asset")):
        if one in values and other not in values:
            content[other] = None
    for name, value in values.items():
        before = content[name]
        if isinstance(before, Mapping) and isinstance(value, Mapping):
            content[name] = {**before, **value}
        else:
            content[name] = (*before, *value) if isinstance(before, tuple) and isinstance(value, tuple) else value
    return build(FileLayout, content, Source("", places=places))


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(part.capitalize() for part in rest)


PLAIN = FileLayout()
"""The layout of a contract that says nothing about its files."""
