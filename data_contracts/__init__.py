"""What our data is, whether it is so, and the only door to disk.

Contracts (Open Data Contract Standard) say what a batch has to be, and the channels of telemetry follow from digital
twins (DTDL); Great Expectations runs the checks. What passes goes into Delta tables, once; what does not goes into
quarantine with its reasons. Predictions and the ledger are records in SQL. Names load their module when first used, so
that importing this package costs nothing.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from data_contracts.contract.contract import Column, Contract, contract_names, load_contract, telemetry_contract
    from data_contracts.contract.twins import SOURCE_PRIORITY, Channel, Twin, load_twin
    from data_contracts.errors import (
        ForewarnError,
        ModelError,
        NotFoundError,
        StorageError,
        UsageError,
        did_you_mean,
    )
    from data_contracts.ingestion.ingest import IngestResult, ingest
    from data_contracts.tables.history import History, read_history
    from data_contracts.tables.telemetry import reconcile
    from data_contracts.validation.checks import check
    from data_contracts.validation.report import CheckResult, ContractError, Report
    from data_contracts.workspace import Workspace, init_workspace, open_workspace

__all__ = [
    "SOURCE_PRIORITY",
    "Channel",
    "CheckResult",
    "Column",
    "Contract",
    "ContractError",
    "ForewarnError",
    "History",
    "IngestResult",
    "ModelError",
    "NotFoundError",
    "Report",
    "StorageError",
    "Twin",
    "UsageError",
    "Workspace",
    "check",
    "contract_names",
    "did_you_mean",
    "ingest",
    "init_workspace",
    "load_contract",
    "load_twin",
    "open_workspace",
    "read_history",
    "reconcile",
    "telemetry_contract",
]
_MODULES = {
    "validation.checks": ("check",),
    "contract.contract": ("Column", "Contract", "contract_names", "load_contract", "telemetry_contract"),
    "errors": (
        "ForewarnError",
        "ModelError",
        "NotFoundError",
        "StorageError",
        "UsageError",
        "did_you_mean",
    ),
    "tables.history": ("History", "read_history"),
    "ingestion.ingest": ("IngestResult", "ingest"),
    "validation.report": ("CheckResult", "ContractError", "Report"),
    "tables.telemetry": ("reconcile",),
    "contract.twins": ("SOURCE_PRIORITY", "Channel", "Twin", "load_twin"),
    "workspace": ("Workspace", "init_workspace", "open_workspace"),
}
_HOMES = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> Any:
    """Load a name's module when the name is first used."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
