"""A draft of a bridge's mapping, to be edited: machines that are alike share a group."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Draft:
    """A mapping to edit, and what it covers."""

    text: str
    counts: Mapping[str, int]

    def to_dict(self) -> dict[str, Any]:
        """Return the text and what it covers."""
        return {"mapping": self.text, **self.counts}


@dataclass(frozen=True)
class DraftGroup:
    """Machines that are alike."""

    assets: Sequence[str]
    places: Sequence[tuple[str, str]]  # channel, and where it is read
    units: Sequence[tuple[str, str | None]]  # of the channels
    lines: Sequence[str] = ()  # further settings


def draft_text(section: str, key: str, address: str, places: str, groups: Iterable[DraftGroup]) -> str:
    """Write a mapping: the section and key of the source's address, and the table that says where channels are read."""
    lines = [
        "# A draft: keep the channels that the contract has, name them as it does, and fill in what is empty.",
        'plant = "plant"',
        "",
        f"[{section}]",
        f"{key} = {_text(address)}",
        "",
        "[spool]",
        'folder = "spool"',
        "",
        "[broker]",
        'host = "127.0.0.1"',
    ]
    for group in groups:
        lines += ["", "[[machines]]", f"assets = {_text(list(group.assets))}", 'asset_type = "machine"', *group.lines]
        lines += [f"[machines.{places}]", *(f"{_key(channel)} = {_text(place)}" for channel, place in group.places)]
        units = [f"{_key(channel)} = {_text(unit)}" for channel, unit in group.units if unit]
        lines += ["[machines.units]", *units] if units else []
    return "\n".join(lines) + "\n"


def _key(name: str) -> str:
    return name if name.replace("_", "").replace("-", "").isalnum() and name.isascii() else _text(name)


def _text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
