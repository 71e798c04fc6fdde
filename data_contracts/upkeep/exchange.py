"""One commit that replaces files of a table by others, beside whoever appends to it."""

from collections.abc import Mapping, Sequence

from deltalake import CommitProperties, DeltaTable, Transaction
from deltalake.exceptions import DeltaError
from deltalake.transaction import AddAction, RemoveAction

from data_contracts.tables.table_access import location
from data_contracts.tables.table_handles import open_table
from data_contracts.upkeep.table_files import TableFile, file_system, table_files
from data_contracts.workspace import Workspace

_ATTEMPTS = 100


def exchange(
    workspace: Workspace,
    table: str,
    old: Sequence[TableFile],
    new: Sequence[AddAction],
    marks: Mapping[str, int | None],
    *,
    data_change: bool,
) -> int | None:
    """Replace files in one commit, which keeps `marks`; None for the version that it makes.

    Return that version, or None if another process has replaced one of the old files: then nothing is changed, and the
    new ones are deleted.
    """
    where = location(workspace, table)
    for attempt in range(_ATTEMPTS):
        delta = open_table(where)
        paths = set() if delta is None else {file.path for file in table_files(delta)}
        if delta is None or not paths.issuperset(file.path for file in old):
            break
        version = int(delta.version()) + 1
        try:
            numbers = {name: version if mark is None else mark for name, mark in marks.items()}
            _commit(delta, old, new, numbers, data_change)
        except DeltaError:
            latest = open_table(where)
            if attempt == _ATTEMPTS - 1 or latest is None or int(latest.version()) < version:
                raise
            continue
        return version
    if delta is not None:
        for action in new:
            file_system(delta).delete_file(action.path)
    return None


def _commit(
    delta: DeltaTable,
    old: Sequence[TableFile],
    new: Sequence[AddAction],
    marks: Mapping[str, int],
    data_change: bool,
) -> None:
    # Against the version just seen, or not at all: a mark may name the version.
    properties = CommitProperties(
        max_commit_retries=0, app_transactions=[Transaction(name, mark) for name, mark in marks.items()]
    )
    actions: list[AddAction | RemoveAction] = [*new, *(file.removal(data_change=data_change) for file in old)]
    delta.create_write_transaction(actions, "append", delta.schema(), commit_properties=properties)
