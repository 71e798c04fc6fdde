"""The table of gaps: which messages of a stream never came, when an edge began anew, and what came late."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Final

import pandas as pd

from data_contracts.streams.sessions import StreamGap
from data_contracts.tables import tables
from data_contracts.workspace import Workspace

TABLE: Final = "stream_gaps"
_NUMBERS: Final = ("from_sequence", "to_sequence")
_TIMES: Final = ("first_event_time", "last_event_time")
_COLUMNS: Final = ("asset", "epoch", "kind", *_NUMBERS, *_TIMES, "detail")


def store_gaps(workspace: Workspace, gaps: Sequence[StreamGap], noticed: pd.Timestamp, batch_id: str) -> None:
    """Append rows, once for each `batch_id`."""
    if gaps:
        tables.append(workspace, TABLE, _frame(gaps, noticed), batch_id)


def read_gaps(
    workspace: Workspace, *, assets: Sequence[str] | None = None, since: pd.Timestamp | None = None
) -> pd.DataFrame:
    """Read the gaps that were noticed after `since`, each once, in the order they were noticed.

    Columns asset, epoch, kind, from_sequence, to_sequence (null where nothing was numbered), first_event_time,
    last_event_time, detail, known_time (when it was noticed) and event_time (the reading before, else the known time).
    """
    rows = tables.read(workspace, TABLE, assets=assets)
    if rows.empty:
        return _frame([], pd.Timestamp.now("UTC"))
    if since is not None:
        rows = rows[rows["known_time"] > since]
    rows = rows.assign(**{name: rows[name].astype("Int64") for name in _NUMBERS})
    ordered = rows.sort_values(["known_time", "asset", "epoch", "from_sequence"], kind="stable")
    numbered = ["asset", "epoch", "kind", *_NUMBERS]
    # A row may have been written again after a kill; what was never numbered differs in its times.
    again = ordered.duplicated(numbered) & ordered["from_sequence"].notna()
    again |= ordered.duplicated([*numbered, *_TIMES, "detail"])
    return ordered[~again].drop(columns="stored_version", errors="ignore").reset_index(drop=True)


def rows_of(gaps: pd.DataFrame) -> Mapping[StreamGap, pd.Timestamp]:
    """Return the rows of the table with when they were noticed."""
    names = ("asset", "epoch", "kind", "from_sequence", "to_sequence", "known_time")
    columns = [gaps[name].astype(object).where(gaps[name].notna(), None).tolist() for name in names]
    return {StreamGap(*fields): noticed for *fields, noticed in zip(*columns, strict=True)}


def _frame(gaps: Iterable[StreamGap], noticed: pd.Timestamp) -> pd.DataFrame:
    frame = pd.DataFrame([asdict(gap) for gap in gaps], columns=list(_COLUMNS), dtype=object)
    times = {name: pd.to_datetime(frame[name], unit="us", utc=True).astype("datetime64[us, UTC]") for name in _TIMES}
    known = pd.Series(noticed.tz_convert("UTC"), index=frame.index, dtype="datetime64[us, UTC]")
    frame = frame.astype({"asset": "str", "kind": "str", "detail": "str", "epoch": "int64"})
    frame = frame.astype(dict.fromkeys(_NUMBERS, "Int64")).assign(**times, known_time=known)
    first = frame["first_event_time"]
    return frame.assign(event_time=first.where(first.notna(), known))
