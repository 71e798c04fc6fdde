"""The entries of the quarantine: what is written down of a row that is refused, and of one that is mended."""

import json
from collections.abc import Sequence
from typing import Final

import pandas as pd

from data_contracts.tables import tables
from data_contracts.workspace import Workspace

TABLE: Final = "quarantine"
HELD: Final = "held"
REFUSED: Final = "refused"
MENDED: Final = "mended"
"""What an entry says: a row of a good batch is held, or one of a batch refused as a whole, or a row was mended."""

_TEXT_COLUMNS = (
    *("entry", "action", "batch_id", "replay_id", "contract", "contract_version", "table"),
    *("reasons", "row", "units", "asset"),
)
_TIMES = ("event_time", "known_time")
# The contracts allow for clocks that differ by so much; a reading from further ahead has no time that can be believed.
_CLOCKS_DIFFER = pd.Timedelta(hours=1)


def subjects(texts: Sequence[str], refused_at: pd.Timestamp, *, whole_batch: bool) -> pd.DataFrame:
    """Read of whom, and of when, refused rows are, as far as that can be believed.

    Parameters
    ----------
    texts
        The rows, each a JSON object.
    refused_at
        When they were refused.
    whole_batch
        Whether all the batch was refused, so that a row without any time counts from then on.

    Returns
    -------
    pandas.DataFrame
        A row each: asset, None where none is named; event_time (UTC), in its place the time it was known if it is none
        or lies ahead, and NaT if there is neither.
    """
    rows = [json.loads(text) for text in texts]
    nothing = refused_at if whole_batch else pd.NaT
    found = pd.Series(nothing, index=range(len(rows)), dtype="datetime64[us, UTC]")
    for name in reversed(_TIMES):
        told = pd.Series([_text(row.get(name)) for row in rows], dtype=object)
        times = pd.to_datetime(told, utc=True, errors="coerce", format="ISO8601").dt.as_unit("us")
        found = times.where(times <= refused_at + _CLOCKS_DIFFER, found)
    return pd.DataFrame({"asset": [_text(row.get("asset")) for row in rows], "event_time": found})


def read_entries(workspace: Workspace) -> pd.DataFrame:
    """Read all entries there ever were.

    Parameters
    ----------
    workspace
        Where the tables are.

    Returns
    -------
    pandas.DataFrame
        One row an entry, in no order.

    Raises
    ------
    StorageError
        If the table is corrupt.
    """
    entries, version = tables.read_versioned(workspace, TABLE)
    if version is not None:
        return entries
    empty = {name: pd.Series(dtype="str") for name in _TEXT_COLUMNS}
    return pd.DataFrame({**empty, **{name: pd.Series(dtype="datetime64[us, UTC]") for name in _TIMES}})


def store_entries(
    workspace: Workspace, entries: pd.DataFrame, commit_id: str, now: pd.Timestamp, *, mark: int = 1
) -> bool:
    """Write entries down, once.

    Parameters
    ----------
    workspace
        Where the tables are.
    entries
        The entries, with all columns but the time.
    commit_id
        What tells them from all others.
    now
        The time.
    mark
        A number to keep with them.

    Returns
    -------
    bool
        False if they are there already.

    Raises
    ------
    StorageError
        If the table is corrupt or cannot be written.
    """
    texts = entries.astype(dict.fromkeys(_TEXT_COLUMNS, "str"))
    known = now.tz_convert("UTC").as_unit("us")
    return tables.append(workspace, TABLE, texts.assign(known_time=known), commit_id, mark=mark)


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
