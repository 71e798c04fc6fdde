"""The contracts of a workspace: each is kept when data are checked by it, and found by name or asset type afterwards.

A folder holds a file for each revision, numbered in the order they were registered, with everything resolved: the
contract's own file and its twin may be gone. The last revision of a name counts. A shipped contract is found as long
as the workspace has none of its name.
"""

import csv
import functools
import json
import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import quote

import pandas as pd

from data_contracts.contract import contract as shipped
from data_contracts.contract.contract import Contract, contract_names, load_contract
from data_contracts.contract.contract_changes import contract_changes
from data_contracts.contract.contract_json import from_plain, to_plain
from data_contracts.errors import NotFoundError, StorageError, did_you_mean

_SUFFIX = ".contract.json"
_FILES = (".yaml", ".yml")


@dataclass(frozen=True)
class Registered:
    """One revision of a contract in a workspace."""

    contract: Contract
    revision: int  # in the order of all contracts of the workspace, from 1
    at: pd.Timestamp  # when it was registered


@dataclass(frozen=True)
class Registration:
    """What came of registering a contract."""

    contract: Contract
    new: bool  # whether it is another contract than the one that counted by this name
    changes: tuple[str, ...] = ()  # from the one that counted by this name
    replaces_shipped: bool = False  # whether a contract of this name is shipped, and from now on is not used here

    @property
    def sentence(self) -> str:
        """Say what is new about the contracts of the workspace; empty if nothing is."""
        if not self.new:
            return ""
        name = f"{self.contract.name} {self.contract.version}"
        if self.replaces_shipped:
            return f"{name} is kept in this workspace, in place of the shipped contract of that name"
        if not self.changes:
            return f"{name} is kept in this workspace: --contract {self.contract.name} suffices from now on"
        return f"{name} is kept as a further revision; changed: {'; '.join(self.changes)}"

    def to_dict(self) -> dict[str, object]:
        """Return JSON values."""
        name, version, digest = self.contract.name, self.contract.version, self.contract.digest
        said = {"new": self.new, "changes": list(self.changes), "replaces_shipped": self.replaces_shipped}
        return {"name": name, "version": version, "digest": digest, **said}


def register(folder: Path, contract: Contract, *, now: pd.Timestamp) -> Registration:
    """Keep a contract in the folder of a workspace's contracts, unless it is the one that counts by its name already.

    A shipped contract is kept only where the workspace has another one of its name, so that a newer forewarn brings its
    own contracts with it.
    """
    contract = _self_contained(contract)
    current = _current(folder).get(contract.name)
    of_forewarn = load_contract(contract.name) if contract.name in contract_names() else None
    before = current.contract if current is not None else of_forewarn
    # By all that they say: how files are laid out is no part of the digest.
    if before is not None and to_plain(before) == to_plain(contract):
        return Registration(contract, new=False)
    _write(folder, contract, now)
    changes = () if before is None else contract_changes(before, contract)
    return Registration(contract, True, changes, replaces_shipped=current is None and of_forewarn is not None)


def registered(folder: Path) -> tuple[Registered, ...]:
    """Return every revision of every contract of a workspace, in the order they were registered."""
    return _read_all(folder, _file_names(folder))


def find_contract(folder: Path | None, name_or_path: str | Path) -> Contract:
    """Find a contract by the path of its file, or by its name or asset type among a workspace's and the shipped ones.

    `NotFoundError` if there is none. Without a workspace (None) only shipped contracts have names.
    """
    text = str(name_or_path)
    if text.endswith(_FILES):
        return load_contract(text)
    current = {} if folder is None else _current(folder)
    if text in current:
        return current[text].contract
    of_type = _of_asset_type(current, text)
    if of_type is not None:
        return of_type
    known = contract_names()
    if text in known or f"telemetry_{text}" in known:
        return load_contract(text if text in known else f"telemetry_{text}")
    names = sorted({*current, *known})
    hint = did_you_mean(text, names) or "Name one of these, or give the path of an ODCS file"
    expected = f"an Open Data Contract Standard file (.yaml), or one of {', '.join(names)}"
    raise NotFoundError(f"no contract {text!r}", expected, hint)


def find_telemetry_contract(folder: Path | None, asset_type: str) -> Contract | None:
    """Find the contract of an asset type's telemetry: the workspace's last, or else the shipped one; None without."""
    return _find_telemetry_contract(folder, () if folder is None else _file_names(folder), asset_type)


def recorded_type(folder: Path | None, asset_type: str) -> str:
    """Return the asset type that records of assets name: of derived telemetry the one that it is computed from."""
    contract = find_telemetry_contract(folder, asset_type)
    return asset_type if contract is None or contract.derived_from is None else contract.derived_from


def find_revision(folder: Path, digest: str) -> Contract | None:
    """Find a contract by its digest, as models record it, among the workspace's and the shipped ones."""
    own = (entry.contract for entry in registered(folder) if entry.contract.digest == digest)
    of_forewarn = (contract for contract in map(load_contract, contract_names()) if contract.digest == digest)
    return next(own, None) or next(of_forewarn, None)


def empty_table(folder: Path, table: str) -> pd.DataFrame:
    """Return an empty frame with a table's columns and dtypes, as the contract that counts has them."""
    current = _current(folder)
    kind, _, asset_type = table.partition("/")
    own = _of_asset_type(current, asset_type) if kind == "telemetry" else None
    if own is None and table in current and current[table].contract.kind == table:
        own = current[table].contract
    return shipped.empty_table(table) if own is None else own.empty()


def _self_contained(contract: Contract) -> Contract:
    """Take a list of tags out of its file into the contract; one that cannot be read is left for reading to name."""
    layout = contract.file_layout
    if layout is None or not isinstance(layout.tags, str) or "{" in layout.tags:
        return contract
    try:
        with Path(layout.tags).open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.DictReader(file))
        tags = {row["tag"]: f"{row['asset']}.{row['channel']}" if row.get("asset") else row["channel"] for row in rows}
    except (OSError, UnicodeDecodeError, csv.Error, KeyError):
        return contract
    return replace(contract, file_layout=replace(layout, tags=tags))


def _current(folder: Path) -> dict[str, Registered]:
    """Return the last revision of each name, the one registered last at the end."""
    latest: dict[str, Registered] = {}
    for entry in registered(folder):
        latest.pop(entry.contract.name, None)
        latest[entry.contract.name] = entry
    return latest


def _of_asset_type(current: dict[str, Registered], asset_type: str) -> Contract | None:
    own = [entry.contract for entry in current.values() if entry.contract.asset_type == asset_type]
    return own[-1] if own else None


def _file_names(folder: Path) -> tuple[str, ...]:
    try:
        names = os.listdir(folder)  # noqa: PTH208 - at every request to the endpoint
    except FileNotFoundError:
        return ()
    return tuple(sorted(name for name in names if name.endswith(_SUFFIX)))


@functools.lru_cache(maxsize=64)
def _find_telemetry_contract(folder: Path | None, _names: tuple[str, ...], asset_type: str) -> Contract | None:
    own = None if folder is None else _of_asset_type(_current(folder), asset_type)
    if own is not None:
        return own
    name = f"telemetry_{asset_type}"
    return load_contract(name) if name in contract_names() else None


@functools.lru_cache(maxsize=8)
def _read_all(folder: Path, names: tuple[str, ...]) -> tuple[Registered, ...]:
    # A file is never changed once it has its name, so the names alone say whether something is new.
    return tuple(_read(folder / name) for name in names)


def _read(file: Path) -> Registered:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        return Registered(from_plain(content["contract"]), _revision(file.name), pd.Timestamp(content["registered_at"]))
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise StorageError(
            f"{file} cannot be read ({error})",
            "a contract that forewarn registered, of this version or an earlier one",
            "Restore it from a backup, or remove it and name the contract's own file once",
        ) from error


def _write(folder: Path, contract: Contract, now: pd.Timestamp) -> None:
    content = {"registered_at": now.isoformat(), "contract": to_plain(contract)}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", encoding="utf-8", dir=folder, suffix=".tmp", delete=False) as file:
            file.write(json.dumps(content, indent=2) + "\n")
            file.flush()
            os.fsync(file.fileno())
        # Two processes may take the same number: both files stay, and their names say which counts.
        number = max((entry.revision for entry in registered(folder)), default=0) + 1
        Path(file.name).chmod(0o644)
        Path(file.name).replace(folder / _file_name(number, contract))
    except OSError as error:
        raise StorageError(
            f"the contract {contract.name} cannot be kept in {folder} ({error.strerror or error})",
            "a writable folder, and a name that a file can have",
            "Make it writable, free disk space, or shorten the contract's name; nothing was stored",
        ) from error


def _file_name(number: int, contract: Contract) -> str:
    parts: Iterator[str] = (quote(part, safe="") for part in (contract.name, contract.version, contract.digest))
    return f"{number:06}-{'-'.join(parts)}{_SUFFIX}"


def _revision(file_name: str) -> int:
    return int(file_name.partition("-")[0])
