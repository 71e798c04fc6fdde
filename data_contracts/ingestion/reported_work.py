"""Work orders that mechanics report one by one: checked by their contract and stored once.

The same report again changes nothing. Another report of the same work order is a correction with a later known time.
Processes that report at once neither lose a report nor store one twice: one that meets a newer report tries again.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd

from data_contracts.contract.contract import Contract, load_contract
from data_contracts.errors import StorageError
from data_contracts.tables import tables
from data_contracts.tables.corrections import last_corrections
from data_contracts.validation.conform import conform
from data_contracts.validation.report import ContractError
from data_contracts.validation.row_measures import EARLY, REPEATED, measure
from data_contracts.workspace import Workspace

TABLE = "work_orders"
State = Literal["stored", "corrected", "already_there"]
_KEY = ["asset", "work_order_id"]
_ATTEMPTS = 20
_MICROSECOND = pd.Timedelta(microseconds=1)


@dataclass(frozen=True)
class Breach:
    """A value that breaks the contract of work orders."""

    row: int  # from 0
    column: str  # event_time for the time order, the first key column for the key
    expected: str  # what the contract demands


@dataclass(frozen=True)
class StoredReport:
    """The result of storing a report."""

    state: State
    known_time: pd.Timestamp  # of the stored report


def breaches(frame: pd.DataFrame, *, now: pd.Timestamp) -> list[Breach]:
    """Return the breaches of the contract of work orders, ordered by row; a wrong column is a `ContractError`.

    The rules are those of `data_contracts.validation.checks`, which needs Great Expectations and a second; this is for
    a few rows in a request.
    """
    contract = load_contract(TABLE)
    shaped = _shaped(frame, contract)
    result = []
    for column in contract.columns:
        values = shaped[column.name]
        if column.required:
            result += [Breach(row, column.name, "a value") for row in np.flatnonzero(values.isna()).tolist()]
        if column.allowed is not None:
            unknown = values.notna() & ~values.isin(column.allowed)
            allowed = "one of " + ", ".join(column.allowed)
            result += [Breach(row, column.name, allowed) for row in np.flatnonzero(unknown).tolist()]
    measured = measure(shaped, contract, now)
    early = np.flatnonzero(measured[EARLY] > 0).tolist()
    result += [Breach(row, "event_time", "no time after the known time, nor after now") for row in early]
    repeated = np.flatnonzero(measured[REPEATED] > 0).tolist()
    result += [Breach(row, contract.key[0], "each work order once") for row in repeated]
    order = [column.name for column in contract.columns]
    return sorted(result, key=lambda breach: (breach.row, order.index(breach.column)))


def report_work_orders(workspace: Workspace, frame: pd.DataFrame, *, now: pd.Timestamp) -> list[StoredReport]:
    """Store those work orders that are new, all or none, and return the result of each in their order.

    They have no breach and each occurs once; a missing known time is now.
    """
    reports = _shaped(frame, load_contract(TABLE))
    for _ in range(_ATTEMPTS):
        stored = tables.read(workspace, TABLE, assets=sorted(set(reports["asset"])))
        before = dict(iter(stored.groupby(_KEY)))
        results = [
            _compare(report, before.get((report["asset"], report["work_order_id"])), now) for report in _rows(reports)
        ]
        new = [row for row, result in enumerate(results) if result.state != "already_there"]
        if not new:
            return results
        rows = reports.iloc[new].assign(known_time=[results[row].known_time for row in new])
        batch_ids = [_batch_id(report, before) for report in _rows(rows)]
        if tables.append(workspace, TABLE, rows.astype({"known_time": "datetime64[us, UTC]"}), batch_ids):
            return results
    raise StorageError(
        f"the work orders changed during each of {_ATTEMPTS} attempts to store a report",
        "fewer reports at once",
        "Report again",
    )


def _shaped(frame: pd.DataFrame, contract: Contract) -> pd.DataFrame:
    batch = conform(frame, contract)
    wrong = [f"{result.column}: {result.detail}" for result in batch.results if not result.passed]
    if wrong:
        raise ContractError(f"invalid work orders ({'; '.join(wrong)})", "the contract's columns", "Correct them")
    return batch.frame


def _rows(frame: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(name): value for name, value in row.items()} for row in frame.to_dict("records")]


def _compare(report: dict[str, Any], earlier: pd.DataFrame | None, now: pd.Timestamp) -> StoredReport:
    """Compare a report with the earlier reports of its work order, to see whether and since when it is known."""
    known_time = report["known_time"]
    # A clock that is a little ahead of ours is allowed; but nothing is known before it happens.
    now = max(now, report["event_time"])
    if earlier is None:
        return StoredReport("stored", now if pd.isna(known_time) else known_time)
    latest = earlier["known_time"].max()
    # A report with a known time is identified by it; one without is new if its content differs from the latest.
    same = earlier[earlier["known_time"] == (latest if pd.isna(known_time) else known_time)]
    if any(_content(row) == _content(report) for row in _rows(same)):
        return StoredReport("already_there", same["known_time"].iloc[0])
    return StoredReport("corrected", max(now, latest + _MICROSECOND) if pd.isna(known_time) else known_time)


def _content(row: dict[str, Any]) -> tuple[Any, ...]:
    names = [column.name for column in load_contract(TABLE).columns if column.name != "known_time"]
    return tuple(None if pd.isna(row.get(name)) else row[name] for name in names)


def _batch_id(report: dict[str, Any], before: dict[Any, pd.DataFrame]) -> str:
    """Identify a report by its work order and the number of earlier ones, so that concurrent reports of it collide."""
    key = (report["asset"], report["work_order_id"])
    content = "\n".join((*key, str(len(before.get(key, ())))))
    return f"report/{hashlib.sha256(content.encode()).hexdigest()}"


def latest_work(orders: pd.DataFrame, keys: Sequence[str] = _KEY) -> pd.DataFrame:
    """Return the last report of each work order, which `keys` identify, as last corrected, the newest event first."""
    last = last_corrections(orders, keys)
    return last.sort_values(["event_time", *keys], ascending=[False, *(True for _ in keys)], ignore_index=True)
