"""How two descriptions differ."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, TypeVar

from pipelines.importers.twins.description import TwinAsset, TwinChannel, TwinDescription, TwinProperty, TwinType

Named = TypeVar("Named", TwinChannel, TwinProperty, TwinAsset)
_CHANNEL_PARTS = ("type", "unit", "semantic_type", "component", "minimum", "maximum")
_PROPERTY_PARTS = ("type", "writable", "unit", "minimum", "maximum")
_ASSET_PARTS = ("level", "parent", "name", "asset_type", "model")


@dataclass(frozen=True)
class Difference:
    """One thing that two descriptions say differently; None for what one does not have or say."""

    what: str  # such as "channel", "unit" or "parent"
    about: str
    one: str | None
    other: str | None

    @property
    def mirrored(self) -> "Difference":
        """Return the difference as the other description sees it."""
        return replace(self, one=self.other, other=self.one)


@dataclass(frozen=True)
class TwinComparison:
    """Two descriptions beside each other."""

    one: str
    other: str
    channels: int  # how many both have
    assets: int
    differences: tuple[Difference, ...]
    doubts: Mapping[str, tuple[str, ...]]

    @property
    def exit_status(self) -> int:
        """1 if they differ."""
        return 1 if self.differences else 0

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values."""
        return {
            "one": self.one,
            "other": self.other,
            "same": not self.differences,
            "common_channels": self.channels,
            "common_assets": self.assets,
            "differences": [asdict(each) for each in self.differences],
            "doubts": {name: list(sentences) for name, sentences in self.doubts.items()},
        }


def compare(one: TwinDescription, other: TwinDescription) -> tuple[Difference, ...]:
    """Return what differs, sorted: asset types by name (a single one of each by itself), channels, properties, assets.

    Where a file has something, and the words that describe it, are not compared.
    """
    pairs = list(_type_pairs(one.types, other.types))
    differences = [
        *(each for pair in pairs for each in _types(*pair)),
        *_by_name("asset", one.assets, other.assets, _ASSET_PARTS),
    ]
    if any(a is not None and b is not None and a.name != b.name for a, b in pairs):
        # Said once, of the type.
        differences = [each for each in differences if each.what != "asset_type" or each.about.startswith("type ")]
    return tuple(sorted(differences, key=lambda each: (each.what, each.about, each.one or "", each.other or "")))


def compared(one: str, first: TwinDescription, other: str, second: TwinDescription) -> TwinComparison:
    """Compare two descriptions by what they are called."""
    pairs = [(a, b) for a, b in _type_pairs(first.types, second.types) if a is not None and b is not None]
    channels = sum(len({each.name for each in a.channels} & {each.name for each in b.channels}) for a, b in pairs)
    assets = len({each.asset for each in first.assets} & {each.asset for each in second.assets})
    doubts = {one: tuple(map(str, first.doubts)), other: tuple(map(str, second.doubts))}
    return TwinComparison(one, other, channels, assets, compare(first, second), doubts)


def _type_pairs(
    one: Sequence[TwinType], other: Sequence[TwinType]
) -> Iterator[tuple[TwinType | None, TwinType | None]]:
    if len(one) == len(other) == 1:
        yield one[0], other[0]
        return
    first, second = {each.name: each for each in one}, {each.name: each for each in other}
    for name in sorted({*first, *second}):
        yield first.get(name), second.get(name)


def _types(one: TwinType | None, other: TwinType | None) -> Iterator[Difference]:
    if one is None or other is None:
        name = (one or other or TwinType("")).name
        yield Difference("asset_type", f"type {name}", _name_of(one), _name_of(other))
        return
    if one.name != other.name:
        yield Difference("asset_type", "type of the machines", one.name, other.name)
    yield from _by_name("channel", one.channels, other.channels, _CHANNEL_PARTS)
    yield from _by_name("property", one.properties, other.properties, _PROPERTY_PARTS)


def _by_name(what: str, one: Iterable[Named], other: Iterable[Named], parts: Sequence[str]) -> Iterator[Difference]:
    first: dict[str, Named] = _named(one)
    second: dict[str, Named] = _named(other)
    for name in sorted({*first, *second}):
        ours, theirs = first.get(name), second.get(name)
        if ours is None or theirs is None:
            yield Difference(what, name, None if ours is None else name, None if theirs is None else name)
            continue
        for part in parts:
            a, b = getattr(ours, part), getattr(theirs, part)
            if a != b:
                label = f"property_{part}" if what == "property" else part
                yield Difference(label, name, _text(a), _text(b))


def _named(elements: Iterable[Named]) -> dict[str, Named]:
    return {each.asset if isinstance(each, TwinAsset) else each.name: each for each in elements}


def _name_of(kind: TwinType | None) -> str | None:
    return None if kind is None else kind.name


def _text(value: Any) -> str | None:
    return None if value is None else f"{value:g}" if isinstance(value, float) else str(value)
