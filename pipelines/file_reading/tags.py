"""The tags of a historian: which asset and channel each stands for."""

import csv
import re
from collections.abc import Callable, Mapping
from pathlib import Path

from data_contracts.contract.contract import Contract
from data_contracts.contract.file_layout import FileLayout
from data_contracts.errors import NotFoundError, UsageError

Resolve = Callable[[str], tuple[str | None, str] | None]
"""From a tag to asset (None if another column names it) and channel; None for an unknown tag."""
_REMEDY = "Correct --tags (fileLayout.tags in the contract)"


def tag_reader(contract: Contract, layout: FileLayout, *, has_asset: bool) -> Resolve:
    """Return what reads tags, by the layout's pattern, file or mapping; channels have to be the contract's."""
    tags = layout.tags or tags_as(layout, has_asset=has_asset)
    if isinstance(tags, str) and "{" in tags:
        return _by_pattern(tags, contract, layout, has_asset=has_asset)
    if isinstance(tags, str):
        listed = _read_list(Path(tags))
    else:
        listed = {tag: _pair(text, contract) for tag, text in tags.items()}
    wrong = next((tag for tag, (_, channel) in listed.items() if _channel(channel, contract, layout) is None), None)
    if wrong is not None:
        channels = ", ".join(contract.channels)
        raise UsageError(f"the tag {wrong!r} is given the channel {listed[wrong][1]!r}", f"one of {channels}", _REMEDY)
    return lambda tag: None if tag not in listed else (listed[tag][0], str(_channel(listed[tag][1], contract, layout)))


def tags_as(layout: FileLayout, *, has_asset: bool) -> str:
    """Return the pattern by which tags are read, or the name of their list."""
    if layout.tags is None:
        return "{channel}" if has_asset else "{asset}.{channel}"
    return layout.tags if isinstance(layout.tags, str) else "the contract's tags"


def _by_pattern(pattern: str, contract: Contract, layout: FileLayout, *, has_asset: bool) -> Resolve:
    parts = re.split(r"(\{\w+\}|\*)", pattern)
    placeholders = [part for part in parts if part.startswith("{")]
    needed = {"{channel}"} if has_asset else {"{asset}", "{channel}"}
    wrong = set(placeholders) - {"{asset}", "{channel}"} or needed - set(placeholders)
    if wrong or len(set(placeholders)) < len(placeholders):
        raise UsageError(f"tags are to be read as {pattern!r}", "a pattern such as {asset}.{channel}", _REMEDY)
    # Only known channels, as a channel's own name may hold the mark between asset and channel.
    channels = "|".join(re.escape(name) for name in sorted({*contract.channels, *layout.rename}, key=len, reverse=True))
    groups = {"{asset}": "(?P<asset>.+?)", "{channel}": f"(?P<channel>{channels})", "*": ".*?"}
    expression = re.compile("".join(groups.get(part, re.escape(part)) for part in parts))

    def resolve(tag: str) -> tuple[str | None, str] | None:
        match = expression.fullmatch(tag)
        channel = None if match is None else _channel(match["channel"], contract, layout)
        return None if match is None or channel is None else (match.groupdict().get("asset"), channel)

    return resolve


def _channel(name: str, contract: Contract, layout: FileLayout) -> str | None:
    ours = layout.rename.get(name, name)
    return ours if ours in contract.channels else None


def _pair(text: str, contract: Contract) -> tuple[str | None, str]:
    endings = (name for name in contract.channels if text.endswith(f".{name}"))
    channel = max(endings, key=len, default=None)
    if channel is not None:
        return text.removesuffix(f".{channel}"), channel
    asset, dot, last = text.rpartition(".")
    return (asset if dot else None), last


def _read_list(path: Path) -> Mapping[str, tuple[str | None, str]]:
    expected = "a CSV file with the columns tag, asset and channel"
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.DictReader(file))
    except OSError as error:
        raise NotFoundError(f"the list of tags {path} cannot be read ({error.strerror})", expected, _REMEDY) from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise UsageError(f"the list of tags {path} is no CSV file ({error})", expected, _REMEDY) from error
    if not rows or not {"tag", "channel"} <= set(rows[0]):
        raise UsageError(
            f"the list of tags {path} has the columns {', '.join(rows[0]) if rows else '(none)'}", expected, _REMEDY
        )
    listed: dict[str, tuple[str | None, str]] = {}
    for row in rows:
        pair = (row.get("asset") or None, row["channel"])
        if listed.setdefault(row["tag"], pair) != pair:
            raise UsageError(
                f"{path} lists the tag {row['tag']!r} twice, differently", "each tag once", "Correct the file"
            )
    return listed
