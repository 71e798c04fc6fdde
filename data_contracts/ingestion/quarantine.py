"""Quarantine: refused rows with their reasons, until they are repaired.

It is one Delta table that is only appended to. What releases an entry is in other tables: a row of a batch refused as a
whole is released once its table has that batch, and a repaired row once its table has the replay. So a process may be
killed between any two writes, and a row is still in exactly one place.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from data_contracts.contract.contract import Contract
from data_contracts.errors import NotFoundError, UsageError
from data_contracts.ingestion.quarantine_entries import (
    HELD,
    REFUSED,
    REPAIRED,
    TABLE,
    entries_of_batch,
    read_entries,
    store_entries,
    subjects,
)
from data_contracts.ingestion.repaired_files import write_rows
from data_contracts.ingestion.replay_shape import split_by_shape
from data_contracts.ingestion.reused_ids import refuse_reused, reused_ids
from data_contracts.ingestion.row_serialization import fingerprint, from_texts, to_texts
from data_contracts.ingestion.stored_neighbours import stored_neighbours
from data_contracts.tables import service_records, tables
from data_contracts.validation.checks import Examination, examine
from data_contracts.validation.quality_flags import stored_names
from data_contracts.workspace import Workspace

_LISTED = ["entry", "batch_id", "contract", "contract_version", "reasons", "row", "known_time"]
_BESIDE_ROW = ("entry", "reasons")


@dataclass(frozen=True)
class QuarantineReplay:
    """The result of replaying quarantined rows."""

    contract: str  # the contract's name
    rows: int  # rows tried
    accepted: int  # rows stored by this replay
    refused: int  # rows still in quarantine
    already: int  # rows that had been released before
    reasons: Mapping[str, tuple[str, ...]]  # by entry, why a row is still in quarantine

    @property
    def exit_status(self) -> int:
        """Return 1 if rows were tried and all of them are still refused, else 0."""
        return 1 if self.refused and not self.accepted else 0

    def to_dict(self) -> dict[str, Any]:
        """Return the fields by name, as JSON values."""
        reasons = {entry: list(why) for entry, why in self.reasons.items()}
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
    """Put refused rows of a batch, of any shape, into quarantine, once; return False if they are there already.

    `reasons` has the reasons of each row. With `whole_batch` the rows are released if the batch is accepted later.
    `mark` identifies the batch's content: refused batches of one id and different content are all kept.
    """
    entries = held_entries(contract, batch_id, rows, reasons, whole_batch=whole_batch, mark=mark, now=now)
    return store_entries(workspace, entries, commit_of(contract, batch_id, whole_batch, mark), now, mark=mark)


def commit_of(contract: Contract, batch_id: str, whole_batch: bool, mark: int) -> str:
    """Return the id of the commit that puts refused rows of a batch into quarantine."""
    return f"{contract.table}:{batch_id}:{_action(whole_batch, mark)}"


def held_entries(
    contract: Contract,
    batch_id: str,
    rows: pd.DataFrame,
    reasons: Sequence[Sequence[str]],
    *,
    whole_batch: bool,
    mark: int,
    now: pd.Timestamp,
    first: int = 0,
) -> pd.DataFrame:
    """Return the entries of refused rows of a batch, of which `first` have entries already; see `hold`."""
    action = _action(whole_batch, mark)
    return entries_of(
        contract,
        [batch_id] * len(rows),
        [f"{batch_id}:{action}:{number}" for number in range(first, first + len(rows))],
        rows,
        reasons,
        action=REFUSED if whole_batch else HELD,
        now=now,
    )


def _action(whole_batch: bool, mark: int) -> str:
    return f"{REFUSED}:{mark:x}" if whole_batch else HELD


def entries_of(
    contract: Contract,
    batch_ids: Sequence[str],
    names: Sequence[str],
    rows: pd.DataFrame,
    reasons: Sequence[Sequence[str]],
    *,
    action: str,
    now: pd.Timestamp,
) -> pd.DataFrame:
    """Return the entries of refused rows under their names, each with the id of its batch."""
    units, texts = rows.attrs.get("units"), to_texts(rows)
    about = subjects(texts, now, whole_batch=action == REFUSED)
    return pd.DataFrame(
        {
            "entry": list(names),
            "action": action,
            "batch_id": list(batch_ids),
            "replay_id": None,
            "contract": contract.name,
            "contract_version": contract.version,
            "table": contract.table,
            "reasons": [json.dumps(list(row_reasons)) for row_reasons in reasons],
            "row": texts,
            "units": json.dumps(dict(units), sort_keys=True) if units else None,
            "asset": about["asset"],
            "event_time": about["event_time"],
        }
    )


def held_since(workspace: Workspace, contract: Contract, batch_id: str) -> tuple[int, pd.Timestamp] | None:
    """Return the mark and the time of a batch's rows that were quarantined one by one; None if there are none."""
    mark = tables.batch_mark(workspace, TABLE, f"{contract.table}:{batch_id}:{HELD}")
    if mark is None:
        return None
    known = entries_of_batch(workspace, contract.table, batch_id, HELD)["known_time"]
    return None if known.empty else (mark, pd.Timestamp(known.min()))


def held_texts(workspace: Workspace, contract: Contract, batch_id: str) -> list[str]:
    """Return the rows of a batch that were quarantined one by one, as `to_texts` wrote them."""
    return [str(row) for row in entries_of_batch(workspace, contract.table, batch_id, HELD)["row"]]


def list_rows(workspace: Workspace, contract: str | None = None, batch: str | None = None) -> pd.DataFrame:
    """Return the rows in quarantine, optionally of one contract or batch.

    Columns: entry, batch_id, contract, contract_version, reasons (list of str), row (a JSON object) and known_time,
    when it was refused.
    """
    held = _held(workspace)
    if contract is not None:
        held = held[held["contract"] == contract]
    if batch is not None:
        held = held[held["batch_id"] == batch]
    return held[_LISTED].reset_index(drop=True)


def export(workspace: Workspace, contract: Contract, path: Path, *, batch: str | None = None) -> int:
    """Write a contract's rows in quarantine to a ``.csv`` or ``.parquet`` file to be repaired; return their number.

    The file has the columns of the rows, and `entry` and `reasons`.
    """
    held = list_rows(workspace, contract.name, batch)
    rows = from_texts(held["row"], contract)
    rows.insert(0, "entry", held["entry"])
    rows.insert(1, "reasons", held["reasons"].map("; ".join).astype("str"))
    write_rows(rows, path)
    return len(rows)


def replay(
    workspace: Workspace, contract: Contract, *, now: pd.Timestamp, repaired: pd.DataFrame | None = None
) -> QuarantineReplay:
    """Check rows in quarantine again, and store those that are good now, once.

    `repaired` are the rows as `export` wrote them, repaired, with their `entry`; if None, all rows of the contract are
    tried unchanged. Each row is checked together with the stored rows of its assets about its time, so that a copy of a
    stored row, or a spike between stored rows, stays in quarantine. Batch checks (size, share of nulls, freshness) do
    not apply.
    """
    _finish_replays(workspace, contract)
    held = _held(workspace)
    held = held[held["contract"] == contract.name]
    rows = _held_rows(held, contract) if repaired is None else _repaired_rows(workspace, held, contract, repaired)
    is_held = rows["entry"].isin(held["entry"])
    split = split_by_shape(rows[is_held], contract)
    if is_held.all():
        split.raise_if_none_fits()
    fitting, reasons = split.fitting, dict(split.reasons)
    if len(fitting):
        checked = _examine_with_stored(workspace, fitting, contract, now)
        good = checked.frame[~fitting.index.isin(list(checked.reasons))]
        checked = refuse_reused(checked, reused_ids(workspace, good, contract), contract)
        bad = fitting.index.isin(list(checked.reasons))
        reasons |= {str(fitting["entry"][row]): why for row, why in sorted(checked.reasons.items())}
        good = checked.frame[~bad]
        good = good[stored_names(good, contract)]
        _release(workspace, contract, fitting["entry"][~bad], good, now)
    accepted = int(is_held.sum()) - len(reasons)
    return QuarantineReplay(contract.name, len(rows), accepted, len(reasons), int((~is_held).sum()), reasons)


def _held(workspace: Workspace) -> pd.DataFrame:
    """Read the entries that have not been released, with reasons as lists."""
    entries = read_entries(workspace)
    is_repair = entries["action"] == REPAIRED
    repairs, refusals = entries[is_repair], entries[~is_repair]
    released = set(repairs["entry"][_committed(workspace, repairs, "replay_id")])
    whole_batches = refusals[refusals["action"] == REFUSED]
    released |= set(whole_batches["entry"][_committed(workspace, whole_batches, "batch_id")])
    held = refusals[~refusals["entry"].isin(released)].sort_values(["known_time", "entry"], ignore_index=True)
    held["reasons"] = held["reasons"].map(json.loads).astype(object)
    return held


def _committed(workspace: Workspace, entries: pd.DataFrame, column: str) -> "pd.Series[bool]":
    """Return for each entry whether its table has the batch whose id is in a column."""
    pairs = entries[["table", column]].drop_duplicates().itertuples(index=False, name=None)
    stored = {(table, batch) for table, batch in pairs if tables.has_batch(workspace, table, batch)}
    is_stored = [pair in stored for pair in entries[["table", column]].itertuples(index=False, name=None)]
    return pd.Series(is_stored, index=entries.index, dtype=bool)


def _held_rows(held: pd.DataFrame, contract: Contract) -> pd.DataFrame:
    rows = from_texts(held["row"], contract)
    rows.insert(0, "entry", held["entry"].to_numpy())
    rows.attrs["units"] = {name: unit for text in held["units"].dropna() for name, unit in json.loads(text).items()}
    return rows


def _repaired_rows(
    workspace: Workspace, held: pd.DataFrame, contract: Contract, repaired: pd.DataFrame
) -> pd.DataFrame:
    if "entry" not in repaired.columns:
        raise UsageError(
            "the repaired rows have no column entry",
            "the column entry as export wrote it",
            "Export them again, and keep it",
        )
    entries = read_entries(workspace)
    unknown = sorted(set(repaired["entry"]) - set(entries["entry"][entries["contract"] == contract.name]))
    if unknown:
        raise NotFoundError(
            f"{len(unknown)} repaired rows have unknown entries, such as {unknown[0]!r}",
            f"entries of the contract {contract.name}, of which {len(held)} are in quarantine",
            "Keep the column entry as export wrote it",
        )
    if repaired["entry"].duplicated().any():
        raise UsageError("the repaired rows have an entry twice", "each entry once", "Remove the duplicates")
    # A CSV file has no types; JSON texts are the form that both kinds of file share.
    rows = repaired.drop(columns=[name for name in _BESIDE_ROW if name in repaired.columns])
    shaped = from_texts(to_texts(rows), contract, numerals=True)
    shaped.insert(0, "entry", repaired["entry"].to_numpy())
    shaped.attrs = dict(repaired.attrs)
    return shaped


def _examine_with_stored(
    workspace: Workspace, rows: pd.DataFrame, contract: Contract, now: pd.Timestamp
) -> Examination:
    """Examine rows together with the stored rows of their assets, and return what concerns the former."""
    alone = examine(rows.drop(columns=list(_BESIDE_ROW), errors="ignore"), contract, now=now, by_cell=True)
    stored = stored_neighbours(workspace, contract, alone.frame)
    stored = stored[[column.name for column in contract.columns if column.name in stored.columns]]
    if stored.empty:
        return alone
    together = examine(pd.concat([stored, alone.frame], ignore_index=True), contract, now=now, by_cell=True)
    offset = len(stored)
    reasons = {row - offset: why for row, why in together.reasons.items() if row >= offset}
    # What could not be read is null beside the stored rows.
    for row, why in alone.reasons.items():
        unread = tuple(reason for reason in why if reason.startswith(("type ", "quality ")))
        if unread:
            reasons[row] = (*unread, *reasons.get(row, ()))
    return replace(alone, reasons=reasons)


def _release(
    workspace: Workspace, contract: Contract, entries: "pd.Series[str]", rows: pd.DataFrame, now: pd.Timestamp
) -> None:
    """Record what is to be released before releasing it, so that the next replay can finish after a kill."""
    if entries.empty:
        return
    replay_id = f"replay:{fingerprint(rows.assign(entry=entries.to_numpy()))}"
    intents = pd.DataFrame(
        {
            "entry": entries.to_numpy(),
            "action": REPAIRED,
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
    service_records.before_storing(workspace, contract, rows)
    tables.append(workspace, contract.table, rows, replay_id)
    service_records.after_storing(workspace, contract)


def _finish_replays(workspace: Workspace, contract: Contract) -> None:
    """Finish what earlier replays recorded but were killed before storing."""
    entries = read_entries(workspace)
    repaired = entries[(entries["action"] == REPAIRED) & (entries["table"] == contract.table)]
    for replay_id, group in repaired[~_committed(workspace, repaired, "replay_id")].groupby("replay_id"):
        tables.append(workspace, contract.table, from_texts(group["row"], contract), str(replay_id))
