"""Merging the small files that batches make: each costs every read a millisecond."""

from collections.abc import Iterator, Sequence

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import CommitProperties, DeltaTable
from deltalake.transaction import AddAction, RemoveAction

from data_contracts.tables.files.data_files import table_folder, write_file
from data_contracts.tables.files.verification import DataFile, data_files, refuse_damaged

_LITTLE = 2**20  # so many bytes are always rewritten together
_SHARE = 4  # beyond, a file is left out that has more than so many times the bytes of all smaller ones


def merge_small(delta: DeltaTable, table: str, target: int, **options: int) -> None:
    """Rewrite files of fewer than `target` bytes into some of about so many, in one commit; rows keep their order.

    What was merged before is merged again once enough has been added: otherwise a table with a commit a second would be
    rewritten four times a minute, in memory that grows with it. A `StorageError` if one of them is damaged: what is
    written anew has a checksum of its own.
    """
    actions, folder = list[AddAction | RemoveAction](), table_folder(delta)
    now = int(pd.Timestamp.now("UTC").timestamp() * 1000)
    small = sorted(
        worth_merging([file for file in data_files(delta) if file.size < target]),
        key=lambda file: (file.first or pd.Timestamp.max.tz_localize("UTC"), file.path),
    )
    for group in _groups(small, target):
        refuse_damaged(delta, table, paths={file.path for file in group})
        parts = []
        for file in group:
            with folder.open_input_file(file.path) as opened:
                parts.append(pq.read_table(opened))
        rows = pa.concat_tables(parts, promote_options="default")
        actions.append(write_file(folder, rows, "part", data_change=False, **options))
        actions += [RemoveAction(file.path, False, now, size=file.size) for file in group]
    if actions:
        properties = CommitProperties(max_commit_retries=0)
        delta.create_write_transaction(actions, "append", delta.schema(), commit_properties=properties)


def worth_merging(files: Sequence[DataFile]) -> list[DataFile]:
    """Leave out the biggest files as long as all smaller ones together are few bytes beside them."""
    chosen = sorted(files, key=lambda file: file.size)
    total = sum(file.size for file in chosen)
    while chosen and total > _LITTLE and chosen[-1].size > _SHARE * (total - chosen[-1].size):
        total -= chosen.pop().size
    return chosen


def _groups(files: Sequence[DataFile], target: int) -> Iterator[list[DataFile]]:
    """Yield files in order, so many as make one of about the target; none alone."""
    group, size = list[DataFile](), 0
    for file in files:
        if group and size + file.size > target:
            if len(group) > 1:
                yield group
            group, size = [], 0
        group.append(file)
        size += file.size
    if len(group) > 1:
        yield group
