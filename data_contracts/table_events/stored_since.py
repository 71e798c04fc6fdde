"""What versions of a table after one stored."""

from dataclasses import dataclass

import pandas as pd

from data_contracts.contract.contract_types import STORED_VERSION
from data_contracts.tables.arrow_frames import to_pandas
from data_contracts.tables.table_access import open_to_read, query, storage
from data_contracts.workspace import Workspace

NO_VERSION = -1
"""Before the first version of a table."""


@dataclass(frozen=True)
class StoredSince:
    """Rows, and the version up to which they were read."""

    rows: pd.DataFrame
    upto: int


def stored_since(
    workspace: Workspace, table: str, after: int, column: str, condition: str, columns: str = "*", grouped: str = ""
) -> StoredSince:
    """Read what versions after one stored, as far as a condition on a column holds; nothing where it has no such.

    Rows without a version are from before forewarn noted it, and so from before anybody could follow the table.
    """
    with storage(workspace, table):
        delta = open_to_read(workspace, table)
        if delta is None:
            return StoredSince(pd.DataFrame(), NO_VERSION)
        upto = int(delta.version())
        names = {field.name for field in delta.schema().fields}
        if upto <= after or not names >= {STORED_VERSION, column}:
            return StoredSince(pd.DataFrame(), upto)
        later = f"{STORED_VERSION} > {after} AND {STORED_VERSION} <= {upto}"
        statement = f"SELECT {columns} FROM t WHERE {later} AND {column} {condition} {grouped}"  # noqa: S608
        return StoredSince(to_pandas(query(delta, statement)), upto)
