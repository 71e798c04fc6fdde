"""Contracts: what a batch of data must look like, read from an Open Data Contract Standard (ODCS) file.

Standard: https://bitol-io.github.io/open-data-contract-standard/ (3.x). Every rule of the standard is enforced, or the
file is refused; `standard_keys` lists what is read and what is documentation. What the standard has no word for is in
`customProperties`.
"""

import functools
from pathlib import Path

import pandas as pd

from data_contracts.contract.contract_types import (
    DTYPES,
    EARLIEST,
    KEY_COLUMNS,
    STORED_VERSION,
    TELEMETRY,
    Column,
    ColumnType,
    Contract,
    QualityRule,
)
from data_contracts.contract.odcs.contract_file import read_contract
from data_contracts.errors import NotFoundError, did_you_mean

__all__ = [
    "CONTRACTS",
    "DTYPES",
    "EARLIEST",
    "STORED_VERSION",
    "Column",
    "ColumnType",
    "Contract",
    "QualityRule",
    "contract_names",
    "empty_table",
    "load_contract",
    "telemetry_contract",
]

CONTRACTS = Path(__file__).parents[1] / "contracts"


def contract_names() -> tuple[str, ...]:
    """List the shipped contracts.

    Returns
    -------
    tuple of str
        Their names, sorted.
    """
    return tuple(sorted(path.name.removesuffix(".odcs.yaml") for path in CONTRACTS.glob("*.odcs.yaml")))


def telemetry_contract(asset_type: str) -> Contract:
    """Load the shipped contract for the telemetry of an asset type.

    Parameters
    ----------
    asset_type
        The asset type, such as ``"cnc_machine"``.

    Returns
    -------
    Contract
        The contract.

    Raises
    ------
    NotFoundError
        If no contract for that asset type is shipped.
    """
    return load_contract(f"telemetry_{asset_type}")


def load_contract(name_or_path: str | Path) -> Contract:
    """Load a contract.

    Parameters
    ----------
    name_or_path
        The name of a shipped contract, such as ``"failures"``, or the path of an ODCS file (``.yaml``).

    Returns
    -------
    Contract
        The contract.

    Raises
    ------
    NotFoundError
        If there is no such contract.
    UsageError
        If the file violates the standard, or has a rule that is not supported.

    Examples
    --------
    >>> load_contract("failures").key
    ('failure_id', 'known_time')
    """
    text = str(name_or_path)
    path = Path(text) if text.endswith((".yaml", ".yml")) else CONTRACTS / f"{text}.odcs.yaml"
    if not path.is_file():
        hint = did_you_mean(text, contract_names()) or "Name a shipped contract, or give the path of an ODCS file"
        expected = f"an Open Data Contract Standard file (.yaml), or one of {', '.join(contract_names())}"
        raise NotFoundError(f"no contract {text!r}", expected, hint)
    return _read(path, path.stat().st_mtime_ns)


def empty_table(table: str) -> pd.DataFrame:
    """Return an empty frame with a table's columns and dtypes.

    A table without a shipped contract gets the columns that every table has.
    """
    name = table.replace("/", "_")
    if name in contract_names():
        return load_contract(name).empty()
    names = KEY_COLUMNS if table.startswith(f"{TELEMETRY}/") else KEY_COLUMNS[:3]
    types = {"event_time": "timestamp", "known_time": "timestamp"}
    return pd.DataFrame({name: pd.Series(dtype=DTYPES[types.get(name, "string")]) for name in names})


@functools.lru_cache(maxsize=64)
def _read(path: Path, _modified_ns: int) -> Contract:
    return read_contract(path)
