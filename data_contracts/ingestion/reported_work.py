"""Work orders that are reported one by one, as mechanics finish: checked by their contract and stored once.

The same report again changes nothing. Another report about the same work order is a correction, known later. Whoever
reports at once with others, from whatever process, neither loses a report nor stores one twice: a report that meets a
newer one looks again.
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
    """A value that breaks the contract.

    Parameters
    ----------
    row
        Its row, from 0.
    column
        Its column; of time order ``event_time``, of the key its first column.
    expected
        What the contract demands.
    """

    row: int
    column: str
    expected: str


@dataclass(frozen=True)
class Stored:
    """What became of a report.

    Parameters
    ----------
    state
        Whether it was stored, as a new work order or a correction, or was there already.
    known_time
        Since when it is known.
    """

    state: State
    known_time: pd.Timestamp


def breaches(frame: pd.DataFrame, *, now: pd.Timestamp) -> list[Breach]:
    """Find what breaks the contract of work orders.

    The rules are those of `data_contracts.validation.checks`, which needs Great Expectations and a second; this is for
    a few rows in a request.

    Parameters
    ----------
    frame
        Reported work orders, known times too.
    now
        The time.

    Returns
    -------
    list of Breach
        Ordered by row.

    Raises
    ------
    ContractError
        If a column is unknown, missing or of another type.
    """
    contract = load_contract(TABLE)
    shaped = _shaped(frame, contract)
    found = []
    for column in contract.columns:
        values = shaped[column.name]
        if column.required:
            found += [Breach(row, column.name, "a value") for row in np.flatnonzero(values.isna()).tolist()]
        if column.allowed is not None:
            strange = values.notna() & ~values.isin(column.allowed)
            allowed = "one of " + ", ".join(column.allowed)
            found += [Breach(row, column.name, allowed) for row in np.flatnonzero(strange).tolist()]
    measured = measure(shaped, contract, now)
    early = np.flatnonzero(measured[EARLY] > 0).tolist()
    found += [Breach(row, "event_time", "no time after the known time, nor after now") for row in early]
    again = np.flatnonzero(measured[REPEATED] > 0).tolist()
    found += [Breach(row, contract.key[0], "each work order once") for row in again]
    return sorted(found, key=lambda breach: (breach.row, [c.name for c in contract.columns].index(breach.column)))


def report_work_orders(workspace: Workspace, frame: pd.DataFrame, *, now: pd.Timestamp) -> list[Stored]:
    """Store reported work orders, all or none of those that are new.

    Parameters
    ----------
    workspace
        Where the tables are.
    frame
        Work orders without a breach, each once; a known time that is missing is now.
    now
        The time.

    Returns
    -------
    list of Stored
        What became of each, in their order.

    Raises
    ------
    StorageError
        If the table is corrupt or cannot be written, or changed under every attempt.
    """
    reports = _shaped(frame, load_contract(TABLE))
    for _ in range(_ATTEMPTS):
        held = tables.read(workspace, TABLE, assets=sorted(set(reports["asset"])))
        before = dict(iter(held.groupby(_KEY)))
        found = [
            _judge(report, before.get((report["asset"], report["work_order_id"])), now) for report in _rows(reports)
        ]
        new = [row for row, stored in enumerate(found) if stored.state != "already_there"]
        if not new:
            return found
        rows = reports.iloc[new].assign(known_time=[found[row].known_time for row in new])
        names = [_name(report, before) for report in _rows(rows)]
        if tables.append(workspace, TABLE, rows.astype({"known_time": "datetime64[us, UTC]"}), names):
            return found
    raise StorageError(
        "the work orders changed each time a report was to be stored", "few who report at once", "Report again"
    )


def _shaped(frame: pd.DataFrame, contract: Contract) -> pd.DataFrame:
    shaped, results = conform(frame, contract)
    wrong = [f"{result.column}: {result.detail}" for result in results if not result.passed]
    if wrong:
        raise ContractError(f"work orders that are none ({'; '.join(wrong)})", "the contract's columns", "Correct them")
    return shaped


def _rows(frame: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(name): value for name, value in row.items()} for row in frame.to_dict("records")]


def _judge(report: dict[str, Any], held: pd.DataFrame | None, now: pd.Timestamp) -> Stored:
    """Tell what is to become of a report, given the reports of its work order so far."""
    told = report["known_time"]
    # A clock that is a little ahead of ours is no lie; but nothing is known before it happens.
    now = max(now, report["event_time"])
    if held is None:
        return Stored("stored", now if pd.isna(told) else told)
    latest = held["known_time"].max()
    # A report that says when it was made is told from others by that; one that does not is new if it says new things.
    same = held[held["known_time"] == (latest if pd.isna(told) else told)]
    if any(_content(row) == _content(report) for row in _rows(same)):
        return Stored("already_there", same["known_time"].iloc[0])
    return Stored("corrected", max(now, latest + _MICROSECOND) if pd.isna(told) else told)


def _content(row: dict[str, Any]) -> tuple[Any, ...]:
    names = [column.name for column in load_contract(TABLE).columns if column.name != "known_time"]
    return tuple(None if pd.isna(row.get(name)) else row[name] for name in names)


def _name(report: dict[str, Any], before: dict[Any, pd.DataFrame]) -> str:
    """Name a report by its work order and how many there were of it: who reports the same at once collides here."""
    key = (report["asset"], report["work_order_id"])
    told = "\n".join((*key, str(len(before.get(key, ())))))
    return f"report/{hashlib.sha256(told.encode()).hexdigest()}"


def latest_work(orders: pd.DataFrame, keys: Sequence[str] = _KEY) -> pd.DataFrame:
    """Keep of each work order what was reported last.

    Parameters
    ----------
    orders
        Rows of the table.
    keys
        What tells work orders apart.

    Returns
    -------
    pandas.DataFrame
        One row a work order, the newest first.
    """
    last = orders.sort_values([*keys, "known_time"], kind="stable").drop_duplicates(list(keys), keep="last")
    return last.sort_values(["event_time", *keys], ascending=[False, *(True for _ in keys)], ignore_index=True)
