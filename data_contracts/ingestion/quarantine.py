"""Quarantine: rows that were refused, with the reasons, until they are mended.

It is one Delta table that is only ever appended to. An entry leaves it by what other tables hold: a row of a batch that
was refused as a whole is released once the table holds that batch, and a mended row once the table holds its replay.
So a process may be killed between any two writes, and a row is still in exactly one place.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from data_contracts.contract.contract import Contract
from data_contracts.errors import NotFoundError, UsageError
from data_contracts.ingestion.quarantine_entries import (
    HELD,
    MENDED,
    REFUSED,
    TABLE,
    read_entries,
    store_entries,
    subjects,
)
from data_contracts.ingestion.repaired_files import write_rows
from data_contracts.ingestion.replay_shape import part
from data_contracts.ingestion.row_serialization import fingerprint, from_texts, to_texts
from data_contracts.tables import tables
from data_contracts.validation.checks import Examination, examine
from data_contracts.workspace import Workspace

_LISTED = ["entry", "batch_id", "contract", "contract_version", "reasons", "row", "known_time"]
_BESIDE_ROW = ("entry", "reasons")


@dataclass(frozen=True)
class QuarantineReplay:
    """What came of rows that were taken out of quarantine.

    Parameters
    ----------
    contract
        The contract's name.
    rows
        How many rows were tried.
    accepted
        How many went into the table now.
    refused
        How many are still held.
    already
        How many had been released before.
    reasons
        For every row that is still held, by its entry, why.
    """

    contract: str
    rows: int
    accepted: int
    refused: int
    already: int
    reasons: Mapping[str, tuple[str, ...]]

    @property
    def exit_status(self) -> int:
        """Return 1 when the answer is no: rows were tried, and every one of them is still refused."""
        return 1 if self.refused and not self.accepted else 0

    def to_dict(self) -> dict[str, Any]:
        """Make JSON values of it.

        Returns
        -------
        dict
            The fields by their names.
        """
        reasons = {entry: list(found) for entry, found in self.reasons.items()}
        return {**vars(self), "reasons": reasons}


def hold(
    workspace: Workspace,
    contract: Contract,
    batch_id: str,
    rows: pd.DataFrame,
    reasons: Sequence[Sequence[str]],
    *,
    whole_batch: bool,
    mark: int,
    now: pd.Timestamp,
) -> bool:
    """Put refused rows of a batch into quarantine, once.

    Parameters
    ----------
    workspace
        Where the tables are.
    contract
        The contract they break.
    batch_id
        The batch they came in.
    rows
        The rows, of any shape.
    reasons
        For each row why it is refused.
    whole_batch
        Whether the whole batch is refused: then the entries are released when the batch is accepted after all.
    mark
        A number that tells the batch's content: refused batches of one id and different content are all held.
    now
        The time.

    Returns
    -------
    bool
        False if they are there already.
    """
    action = f"{REFUSED}:{mark:x}" if whole_batch else HELD
    units, texts = rows.attrs.get("units"), to_texts(rows)
    of = subjects(texts, now, whole_batch=whole_batch)
    entries = pd.DataFrame(
        {
            "entry": [f"{batch_id}:{action}:{number}" for number in range(len(rows))],
            "action": REFUSED if whole_batch else HELD,
            "batch_id": batch_id,
            "replay_id": None,
            "contract": contract.name,
            "contract_version": contract.version,
            "table": contract.table,
            "reasons": [json.dumps(list(found)) for found in reasons],
            "row": texts,
            "units": json.dumps(dict(units), sort_keys=True) if units else None,
            "asset": of["asset"],
            "event_time": of["event_time"],
        }
    )
    return store_entries(workspace, entries, f"{contract.table}:{batch_id}:{action}", now, mark=mark)


def held_since(workspace: Workspace, contract: Contract, batch_id: str) -> tuple[int, pd.Timestamp] | None:
    """Tell when single rows of a batch were put into quarantine, the rest of it having been found good.

    Parameters
    ----------
    workspace
        Where the tables are.
    contract
        The contract they break.
    batch_id
        The batch.

    Returns
    -------
    mark : int
        What tells the batch's content.
    time : Timestamp
        The time that the batch was judged at. None in place of both if no row of it is held by itself.
    """
    mark = tables.batch_mark(workspace, TABLE, f"{contract.table}:{batch_id}:{HELD}")
    if mark is None:
        return None
    entries = read_entries(workspace)
    mine = (entries["table"] == contract.table) & (entries["batch_id"] == batch_id) & (entries["action"] == HELD)
    return mark, pd.Timestamp(entries.loc[mine, "known_time"].min())


def listed(workspace: Workspace, contract: str | None = None, batch: str | None = None) -> pd.DataFrame:
    """List the rows that are in quarantine now.

    Parameters
    ----------
    workspace
        Where the tables are.
    contract
        Only rows refused by this contract.
    batch
        Only rows of this batch.

    Returns
    -------
    pandas.DataFrame
        One row an entry: entry, batch_id, contract, contract_version, reasons (list of str), row (a JSON object),
        known_time (when it was refused).

    Raises
    ------
    StorageError
        If a table is corrupt.
    """
    held = _held(workspace)
    if contract is not None:
        held = held[held["contract"] == contract]
    if batch is not None:
        held = held[held["batch_id"] == batch]
    return held[_LISTED].reset_index(drop=True)


def export(workspace: Workspace, contract: Contract, path: Path, *, batch: str | None = None) -> int:
    """Write the rows in quarantine to a file, to be mended there and replayed.

    Parameters
    ----------
    workspace
        Where the tables are.
    contract
        The contract that refused them.
    path
        A ``.csv`` or ``.parquet`` file. It has the columns of the rows, and `entry` and `reasons` beside them.
    batch
        Only rows of this batch.

    Returns
    -------
    int
        How many rows were written.

    Raises
    ------
    UsageError
        If the file cannot be written, or is of another kind.
    """
    held = listed(workspace, contract.name, batch)
    rows = from_texts(held["row"], contract)
    rows.insert(0, "entry", held["entry"])
    rows.insert(1, "reasons", held["reasons"].map("; ".join).astype("str"))
    write_rows(rows, path)
    return len(rows)


def replay(
    workspace: Workspace, contract: Contract, *, now: pd.Timestamp, mended: pd.DataFrame | None = None
) -> QuarantineReplay:
    """Try rows in quarantine again; those that are good now go into their table, once.

    Each row is judged beside what the table holds of its assets, so that a copy of a stored row, or a spike between
    stored rows, stays out. What is judged of a whole batch (its size, its share of nulls, freshness) is not asked of
    rows that come one by one.

    Parameters
    ----------
    workspace
        Where the tables are.
    contract
        The contract they have to meet.
    now
        The time.
    mended
        The rows as `export` wrote them, mended, with their `entry`; all rows of the contract as they are if None.

    Returns
    -------
    QuarantineReplay
        What came of them.

    Raises
    ------
    ContractError
        If none of the rows has the contract's columns, units and types.
    NotFoundError
        If a row's entry is not known.
    StorageError
        If a table is corrupt.
    """
    _finish_replays(workspace, contract)
    held = _held(workspace)
    held = held[held["contract"] == contract.name]
    rows = _mended(workspace, held, contract, mended) if mended is not None else _as_held(held, contract)
    is_held = rows["entry"].isin(held["entry"])
    parted = part(rows[is_held], contract)
    if is_held.all():
        parted.raise_if_none_fits()
    tried, reasons = parted.fit, dict(parted.reasons)
    if len(tried):
        found = _examine_beside_stored(workspace, tried, contract, now)
        bad = tried.index.isin(list(found.reasons))
        reasons |= {str(tried["entry"][row]): why for row, why in sorted(found.reasons.items())}
        _release(workspace, contract, tried["entry"][~bad], found.frame[~bad], now)
    accepted = int(is_held.sum()) - len(reasons)
    return QuarantineReplay(contract.name, len(rows), accepted, len(reasons), int((~is_held).sum()), reasons)


def _held(workspace: Workspace) -> pd.DataFrame:
    """Read the entries that have not been released, reasons as lists."""
    entries = read_entries(workspace)
    mended, waiting = entries[entries["action"] == MENDED], entries[entries["action"] != MENDED]
    done = _committed(workspace, mended, "replay_id")
    released = set(mended["entry"][done])
    whole = waiting[waiting["action"] == REFUSED]
    released |= set(whole["entry"][_committed(workspace, whole, "batch_id")])
    held = waiting[~waiting["entry"].isin(released)].sort_values(["known_time", "entry"], ignore_index=True)
    held["reasons"] = held["reasons"].map(json.loads).astype(object)
    return held


def _committed(workspace: Workspace, entries: pd.DataFrame, column: str) -> "pd.Series[bool]":
    """Say of each entry whether its table holds the batch that a column names."""
    pairs = entries[["table", column]].drop_duplicates().itertuples(index=False, name=None)
    there = {(table, batch) for table, batch in pairs if tables.has_batch(workspace, table, batch)}
    found = [pair in there for pair in entries[["table", column]].itertuples(index=False, name=None)]
    return pd.Series(found, index=entries.index, dtype=bool)


def _as_held(held: pd.DataFrame, contract: Contract) -> pd.DataFrame:
    rows = from_texts(held["row"], contract)
    rows.insert(0, "entry", held["entry"].to_numpy())
    rows.attrs["units"] = {name: unit for text in held["units"].dropna() for name, unit in json.loads(text).items()}
    return rows


def _mended(workspace: Workspace, held: pd.DataFrame, contract: Contract, mended: pd.DataFrame) -> pd.DataFrame:
    if "entry" not in mended.columns:
        raise UsageError(
            "the mended rows have no column entry",
            "the column entry as export wrote it",
            "Export them again, and keep it",
        )
    entries = read_entries(workspace)
    unknown = sorted(set(mended["entry"]) - set(entries["entry"][entries["contract"] == contract.name]))
    if unknown:
        raise NotFoundError(
            f"{len(unknown)} mended rows have unknown entries, such as {unknown[0]!r}",
            f"entries that were in the quarantine of {contract.name}, of which {len(held)} are held",
            "Keep the column entry as export wrote it",
        )
    if mended["entry"].duplicated().any():
        raise UsageError("the mended rows name an entry twice", "each entry once", "Remove the rows too many")
    # A CSV file has lost the types; texts are the form that both kinds of file share.
    rows = mended.drop(columns=[name for name in _BESIDE_ROW if name in mended.columns])
    shaped = from_texts(to_texts(rows), contract)
    shaped.insert(0, "entry", mended["entry"].to_numpy())
    shaped.attrs = dict(mended.attrs)
    return shaped


def _examine_beside_stored(
    workspace: Workspace, tried: pd.DataFrame, contract: Contract, now: pd.Timestamp
) -> Examination:
    """Examine rows together with those the table holds of their assets; keep what concerns the former."""
    rows = tried.drop(columns=list(_BESIDE_ROW), errors="ignore")
    alone = examine(rows, contract, now=now)
    stored = tables.read(workspace, contract.table, assets=sorted(set(alone.frame["asset"].dropna())))
    stored = stored[[column.name for column in contract.columns if column.name in stored.columns]]
    beside = examine(pd.concat([stored, alone.frame], ignore_index=True), contract, now=now) if len(stored) else alone
    offset = len(stored)
    reasons = {row - offset: why for row, why in beside.reasons.items() if row >= offset}
    return Examination(alone.report, alone.frame, reasons)


def _release(
    workspace: Workspace, contract: Contract, entries: "pd.Series[str]", rows: pd.DataFrame, now: pd.Timestamp
) -> None:
    """Write down what is to be released before releasing it, so that a kill in between can be made good."""
    if entries.empty:
        return
    replay_id = f"replay:{fingerprint(rows.assign(entry=entries.to_numpy()))}"
    intents = pd.DataFrame(
        {
            "entry": entries.to_numpy(),
            "action": MENDED,
            "batch_id": None,
            "replay_id": replay_id,
            "contract": contract.name,
            "contract_version": contract.version,
            "table": contract.table,
            "reasons": "[]",
            "row": to_texts(rows),
            "units": None,
            "asset": None,
            "event_time": pd.Series(pd.NaT, index=range(len(rows)), dtype="datetime64[us, UTC]"),
        }
    )
    store_entries(workspace, intents, replay_id, now)
    tables.append(workspace, contract.table, rows, replay_id)


def _finish_replays(workspace: Workspace, contract: Contract) -> None:
    """Do what an earlier replay had written down and was killed before doing."""
    entries = read_entries(workspace)
    mended = entries[(entries["action"] == MENDED) & (entries["table"] == contract.table)]
    for replay_id, group in mended[~_committed(workspace, mended, "replay_id")].groupby("replay_id"):
        tables.append(workspace, contract.table, from_texts(group["row"], contract), str(replay_id))
