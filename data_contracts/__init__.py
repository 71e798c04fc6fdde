"""Contracts, validation and storage: the only package that reads or writes data on disk.

Contracts (Open Data Contract Standard) state what a batch must look like; the channels of telemetry come from digital
twins (DTDL). Great Expectations runs the checks. Rows that pass are stored in Delta tables, once; rows that fail go to
quarantine with their reasons. Predictions and the promotion ledger are SQL records. Names are imported on first use, so
importing this package is cheap.
"""

from typing import TYPE_CHECKING

from data_contracts.lazy_exports import lazy_exports

if TYPE_CHECKING:
    from data_contracts.contract.contract import Column, Contract, contract_names, load_contract, telemetry_contract
    from data_contracts.contract.twins import SOURCE_PRIORITY, Channel, Twin, load_twin
    from data_contracts.errors import ForewarnError, ModelError, NotFoundError, StorageError, UsageError, did_you_mean
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

__getattr__ = lazy_exports(
    __name__,
    {
        "contract.contract": ("Column", "Contract", "contract_names", "load_contract", "telemetry_contract"),
        "contract.twins": ("SOURCE_PRIORITY", "Channel", "Twin", "load_twin"),
        "errors": ("ForewarnError", "ModelError", "NotFoundError", "StorageError", "UsageError", "did_you_mean"),
        "ingestion.ingest": ("IngestResult", "ingest"),
        "tables.history": ("History", "read_history"),
        "tables.telemetry": ("reconcile",),
        "validation.checks": ("check",),
        "validation.report": ("CheckResult", "ContractError", "Report"),
        "workspace": ("Workspace", "init_workspace", "open_workspace"),
    },
)
