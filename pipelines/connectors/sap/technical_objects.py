"""Which technical object of SAP an asset is, and back."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipelines.connectors.sap.plant_table import read_plant_table
from pipelines.connectors.sap_section import SapSection

_KINDS = {"equipment": "EAMS_EQUI", "location": "EAMS_FL"}
LONGEST = 40
_DIGITS = 18


@dataclass(frozen=True)
class TechnicalObject:
    """An equipment or a functional location."""

    name: str  # as people know it, without leading zeros
    kind: str  # SAP's word for what it is

    @property
    def written(self) -> str:
        """Return the name as SAP stores it: the number of an equipment with leading zeros."""
        return self.name.zfill(_DIGITS) if self.kind == _KINDS["equipment"] and self.name.isdigit() else self.name


@dataclass(frozen=True)
class TechnicalObjects:
    """The table of a channel."""

    by_asset: Mapping[str, TechnicalObject]
    usual: str  # SAP's word for what the objects of other assets are

    def of(self, asset: str) -> TechnicalObject:
        """Return an asset's technical object: by default the one of its name."""
        return self.by_asset.get(asset) or TechnicalObject(asset, self.usual)

    def assets(self, known: Collection[str]) -> dict[str, str]:
        """Return the assets by their objects, as these are compared; those `known` beyond the table by their names."""
        own = {plain(asset): asset for asset in sorted(known) if asset not in self.by_asset}
        return own | {plain(each.name): asset for asset, each in self.by_asset.items()}


def read_objects(section: SapSection, root: Path) -> TechnicalObjects:
    """Read the table of a channel, relative to the workspace; an object stands for one asset."""
    usual, by_asset, owners = _KINDS[section.object_kind], {}, dict[str, str]()
    rows = () if section.objects is None else read_plant_table(root / section.objects, ("asset", "object"), ("kind",))
    for row in rows:
        asset, name, kind = (row.cells[column] for column in ("asset", "object", "kind"))
        if not asset or not name or len(name) > LONGEST:
            raise row.wrong(f"asset {asset!r}, object {name!r}", f"an asset and an object of 1 to {LONGEST} characters")
        if kind and kind not in _KINDS:
            raise row.wrong(f"kind {kind!r}", f"one of {', '.join(_KINDS)}, or nothing")
        if asset in by_asset or (owner := owners.setdefault(plain(name), asset)) != asset:
            twice = f"{asset} again" if asset in by_asset else f"{name} is {owner} already"
            raise row.wrong(twice, "each asset and each object once")
        by_asset[asset] = TechnicalObject(name, _KINDS[kind] if kind else usual)
    return TechnicalObjects(by_asset, usual)


def labels(entity: Mapping[str, Any]) -> set[str]:
    """Return the names of the object of a notification or an order, inner and outer, as they are compared."""
    return {plain(str(entity.get(name) or "")) for name in ("TechnicalObject", "TechnicalObjectLabel")} - {""}


def plain(name: str) -> str:
    """Return an object's name as it is compared: SAP fills up numbers with zeros, and writes in capitals.

    Examples
    --------
    >>> plain("000000000210100094"), plain("cnc-07")
    ('210100094', 'CNC-07')
    """
    text = name.strip().upper()
    return text.lstrip("0") or text if text.isdigit() else text
