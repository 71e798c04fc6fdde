"""Compaction: settled stretches of event time, many small files, become few files sorted by asset.

A listener makes a file a second, with all assets in it. Delta's own compaction keeps the order of rows, so that a read
of one asset still reads everybody's; its Z-order sorts the whole table again each time. Where rows may be without an
event time, as in quarantine, a file is settled by when its rows became known.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal

import pandas as pd
from deltalake import DeltaTable

from data_contracts.progress import ProgressCallback, silent
from data_contracts.tables.files.verification import refuse_damaged
from data_contracts.tables.table_access import REWRITTEN, open_to_read, storage
from data_contracts.upkeep.exchange import exchange
from data_contracts.upkeep.sorted_files import write_sorted
from data_contracts.upkeep.table_files import TableFile, dataset, file_system, table_files
from data_contracts.workspace import Workspace

TARGET_BYTES: Final = 64 * 2**20
"""About how much is rewritten into one file."""
_FEWEST: Final = 8  # so many small files are worth a rewriting
_NOTHING: Final = ()
Time = Literal["event_time", "known_time"]


@dataclass(frozen=True)
class Compaction:
    """What was rewritten, or would be."""

    files: int = 0  # small ones
    size: int = 0  # their bytes
    made: int = 0  # files written instead; of a dry run, to be written
    made_size: int = 0  # their bytes; 0 of a dry run
    postponed: int = 0  # stretches that another process rewrote meanwhile


def stretches(
    delta: DeltaTable, *, settled_until: pd.Timestamp, by: Time = "event_time", target: int = TARGET_BYTES
) -> tuple[tuple[TableFile, ...], ...]:
    """Return which small files of settled time are to become one file each."""
    last = {file: file.last if by == "event_time" else file.last_known for file in table_files(delta)}
    small = [
        file for file, time in last.items() if time is not None and time <= settled_until and 2 * file.size < target
    ]
    return tuple(group for group in _groups(small, target) if len(group) >= _FEWEST)


def compact(
    workspace: Workspace,
    table: str,
    *,
    settled_until: pd.Timestamp,
    by: Time = "event_time",
    target: int = TARGET_BYTES,
    dry_run: bool = False,
    progress: ProgressCallback = silent,
) -> Compaction:
    """Rewrite the settled small files of a table; a stretch is one commit, and rows stay as they are."""
    with storage(workspace, table):
        delta = open_to_read(workspace, table)
        groups = _NOTHING if delta is None else stretches(delta, settled_until=settled_until, by=by, target=target)
        old = [file for group in groups for file in group]
        size = sum(file.size for file in old)
        if delta is None or dry_run or not groups:
            return Compaction(len(old), size, len(groups))
        made, made_size, postponed = 0, 0, 0
        for number, group in enumerate(groups):
            progress(f"rewriting {table}", number, len(groups))
            # What is written anew has a checksum of its own, which would vouch for the damage.
            refuse_damaged(delta, table, paths={file.path for file in group})
            new = write_sorted(file_system(delta), dataset(delta, group).to_table(), data_change=False)
            if exchange(workspace, table, group, (new,), {REWRITTEN: None}, data_change=False) is None:
                postponed += 1
                continue
            made, made_size = made + 1, made_size + new.size
        progress(f"rewriting {table}", len(groups), len(groups))
        return Compaction(len(old), size, made, made_size, postponed)


def _groups(files: Sequence[TableFile], target: int) -> Iterator[tuple[TableFile, ...]]:
    group, size = list[TableFile](), 0
    for file in files:
        group.append(file)
        size += file.size
        if size >= target:
            yield tuple(group)
            group, size = [], 0
    if group:
        yield tuple(group)
