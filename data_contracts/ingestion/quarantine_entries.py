"""The entries of the quarantine table: one for each refused row, and one for each repaired row."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import pandas as pd

from data_contracts.tables import tables
from data_contracts.tables.arrow_frames import to_pandas
from data_contracts.tables.row_conditions import text
from data_contracts.tables.table_access import open_to_read, query, storage
from data_contracts.validation.row_measures import CLOCK_SKEW
from data_contracts.workspace import Workspace

TABLE: Final = "quarantine"
# The values of the column `action`, as stored.
HELD: Final = "held"  # a bad row of a batch that was accepted
REFUSED: Final = "refused"  # a row of a batch that was refused as a whole
REPAIRED: Final = "mended"  # as in older workspaces; a repaired row is released once its table has the replay

_TEXT_COLUMNS = (
    *("entry", "action", "batch_id", "replay_id", "contract", "contract_version", "table"),
    *("reasons", "row", "units", "asset"),
)
_TIMES = ("event_time", "known_time")
_SHOWN = ("entry", "contract", "reasons", "row", "known_time")
_COUNTED = ("contract", "reasons", "rows", "last")
_COUNTS = "contract, reasons, count(*) AS rows, max(known_time) AS last"
_BATCHES = f"SELECT DISTINCT action, \"table\", batch_id, replay_id FROM t WHERE action <> '{HELD}'"  # noqa: S608 - ours


def subjects(texts: Sequence[str], refused_at: pd.Timestamp, *, whole_batch: bool) -> pd.DataFrame:
    """Read the asset and event time of refused rows, JSON objects, as far as they are plausible.

    The asset is None if the row has none. An event time (UTC) that is missing, invalid or in the future is replaced by
    the known time; without that either, by `refused_at` if the whole batch was refused, and else by NaT.
    """
    rows = [json.loads(text) for text in texts]
    fallback = refused_at if whole_batch else pd.NaT
    event_times = pd.Series(fallback, index=range(len(rows)), dtype="datetime64[us, UTC]")
    for name in reversed(_TIMES):
        values = pd.Series([_text(row.get(name)) for row in rows], dtype=object)
        times = pd.to_datetime(values, utc=True, errors="coerce", format="ISO8601").dt.as_unit("us")
        event_times = times.where(times <= refused_at + CLOCK_SKEW, event_times)
    return pd.DataFrame({"asset": [_text(row.get("asset")) for row in rows], "event_time": event_times})


def read_entries(workspace: Workspace) -> pd.DataFrame:
    """Read all entries ever written, in no order."""
    entries, version = tables.read_versioned(workspace, TABLE)
    if version is not None:
        return entries
    empty = {name: pd.Series(dtype="str") for name in _TEXT_COLUMNS}
    return pd.DataFrame({**empty, **{name: pd.Series(dtype="datetime64[us, UTC]") for name in _TIMES}})


def entries_of_batch(workspace: Workspace, table: str, batch_id: str, action: str) -> pd.DataFrame:
    """Read the rows and known times of a batch's entries of one kind."""
    with storage(workspace, TABLE):
        delta = open_to_read(workspace, TABLE)
        if delta is None:
            return pd.DataFrame({"row": pd.Series(dtype="str"), "known_time": pd.Series(dtype="datetime64[us, UTC]")})
        own = f'"table" = {text(table)} AND batch_id = {text(batch_id)} AND action = {text(action)}'
        return to_pandas(query(delta, f"SELECT row, known_time FROM t WHERE {own}"))  # noqa: S608


@dataclass(frozen=True)
class HeldPage:
    """Rows in quarantine as a page shows them, and how many there are of each kind."""

    counts: pd.DataFrame  # contract, reasons (a JSON list), rows and last (known time)
    rows: pd.DataFrame  # entry, contract, reasons, row and known_time, the latest first


def held_page(workspace: Workspace, contract: str | None, *, limit: int, offset: int = 0) -> HeldPage:
    """Count the rows in quarantine in the table itself, and read only those of a page, of one contract or all."""
    with storage(workspace, TABLE):
        delta = open_to_read(workspace, TABLE)
        if delta is None:
            return HeldPage(*(pd.DataFrame({name: [] for name in names}) for names in (_COUNTED, _SHOWN)))
        batches = to_pandas(query(delta, _BATCHES))
        held = _held_condition(workspace, batches)
        counted = query(delta, f"SELECT {_COUNTS} FROM t WHERE {held} GROUP BY contract, reasons")  # noqa: S608 - ours
        own = held if contract is None else f"{held} AND contract = {text(contract)}"
        page = f"ORDER BY known_time DESC, entry DESC LIMIT {limit:d} OFFSET {offset:d}"
        rows = to_pandas(query(delta, f"SELECT {', '.join(_SHOWN)} FROM t WHERE {own} {page}"))  # noqa: S608 - ours
    return HeldPage(to_pandas(counted), rows.sort_values(["known_time", "entry"], ascending=False, ignore_index=True))


def _held_condition(workspace: Workspace, batches: pd.DataFrame) -> str:
    """Return the condition of entries that nothing has released: neither a replay nor their batch is in its table."""
    released = ["action = " + text(REPAIRED)]
    for action, column in ((REPAIRED, "replay_id"), (REFUSED, "batch_id")):
        own = batches[(batches["action"] == action) & batches[column].notna()]
        for table, rows in own.groupby("table"):
            stored = [batch for batch in rows[column].unique() if tables.has_batch(workspace, str(table), batch)]
            if not stored:
                continue
            chosen = f'action = {text(action)} AND "table" = {text(str(table))} AND {column} IN ({_listed(stored)})'
            released.append(f"entry IN (SELECT entry FROM t WHERE {chosen})")  # noqa: S608 - quoted
    return " AND ".join(f"NOT ({each})" for each in released)


def _listed(values: Iterable[str]) -> str:
    return ", ".join(text(value) for value in values)


def store_entries(
    workspace: Workspace, entries: pd.DataFrame, commit_id: str, now: pd.Timestamp, *, mark: int = 1
) -> bool:
    """Append entries, complete but for their known time, once; return False if `commit_id` is there already."""
    return tables.append(workspace, TABLE, complete(entries, now), commit_id, mark=mark)


def complete(entries: pd.DataFrame, now: pd.Timestamp) -> pd.DataFrame:
    """Return entries as they are stored, known now."""
    texts = entries.astype(dict.fromkeys(_TEXT_COLUMNS, "str"))
    return texts.assign(known_time=now.tz_convert("UTC").as_unit("us"))


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
