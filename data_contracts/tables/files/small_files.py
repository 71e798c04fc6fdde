"""Merging the small files that batches make: each costs every read a millisecond."""

from collections.abc import Iterator, Sequence

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import CommitProperties, DeltaTable
from deltalake.transaction import AddAction, RemoveAction

from data_contracts.tables.files.data_files import table_folder, write_file
from data_contracts.tables.files.verification import DataFile, data_files, refuse_damaged


def merge_small(delta: DeltaTable, table: str, target: int, **options: int) -> None:
    """Rewrite files of fewer than `target` bytes into some of about so many, in one commit; rows keep their order.

    A `StorageError` if one of them is damaged: what is written anew has a checksum of its own.
    """
    actions, folder = list[AddAction | RemoveAction](), table_folder(delta)
    now = int(pd.Timestamp.now("UTC").timestamp() * 1000)
    small = sorted(
        (file for file in data_files(delta) if file.size < target),
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
