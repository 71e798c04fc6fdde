"""The layout that the command line gives, kept with the contract in the workspace, to be given once."""

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

from data_contracts.contract.contract import Contract, contract_names, load_contract
from data_contracts.contract.file_layout import PLAIN, FileLayout


def with_layout(contract: Contract, layout: FileLayout | None) -> Contract:
    """Return a contract with a layout as its own, but for what is about single files.

    A shipped contract stays as it is: once kept in a workspace it would no longer follow newer versions of forewarn.
    """
    before = contract.file_layout or PLAIN
    if layout is None or _is_shipped(contract):
        return contract
    # Left out for one file, columns that nobody knows would be left out unseen ever after.
    of_one_file: dict[str, Any] = {"constants": before.constants, "ignore_extra": before.ignore_extra}
    if layout.asset is not None:
        of_one_file |= {"asset": before.asset, "asset_from": before.asset_from}
    kept = replace(layout, **of_one_file)
    return contract if kept == before else replace(contract, file_layout=kept)


def layout_changes(before: FileLayout | None, after: FileLayout | None) -> Mapping[str, Any]:
    """Return what a layout says otherwise than another one, by field."""
    pairs = {
        field.name: (getattr(before or PLAIN, field.name), getattr(after or PLAIN, field.name))
        for field in fields(FileLayout)
    }
    return {name: new for name, (old, new) in pairs.items() if new != old}


def remembered(contract: Contract, kept: Contract) -> str:
    """Say what of a layout is kept with a contract from now on; empty if nothing is."""
    changes = layout_changes(contract.file_layout, kept.file_layout)
    if not changes:
        return ""
    words = ", ".join(f"{name.replace('_', ' ')} {_text(value)}" for name, value in changes.items())
    return f"kept with the contract {contract.name} for files to come: {words}; another option replaces it"


def _text(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{theirs}={ours}" for theirs, ours in value.items())
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _is_shipped(contract: Contract) -> bool:
    return contract.name in contract_names() and load_contract(contract.name).digest == contract.digest
