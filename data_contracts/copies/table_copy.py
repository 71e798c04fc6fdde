"""Which files a copy of a Delta table at one version is made of."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import DeltaTable

from data_contracts.tables.table_access import EVERY, location, storage, table_names
from data_contracts.tables.tables import latest_version
from data_contracts.workspace import Workspace

_LOG: Final = "_delta_log"
_NUMBERED: Final = re.compile(r"(\d{20})(\.json|\.checkpoint.*\.parquet)")
_ATTEMPTS: Final = 50


def pinned_versions(workspace: Workspace, derived: Sequence[str]) -> dict[str, int]:
    """Return versions of all tables that they had at one moment; `derived` are those computed from others.

    Where the tables change so fast that no such moment is seen, what is derived is no newer than what it is from.
    """
    names = sorted(table_names(workspace, EVERY), key=lambda name: (name not in derived, name))
    before = _versions(workspace, names)
    for _ in range(_ATTEMPTS):
        after = _versions(workspace, names)
        if after == before:
            break
        before = after
    return before


def table_copy_files(workspace: Workspace, table: str, version: int) -> tuple[str, ...]:
    """Return the files of a table as of a version, relative to its folder: data first, then the log, oldest first.

    Data files that only earlier versions have are among them as far as they are there, so that these stay readable.
    """
    folder = Path(location(workspace, table))
    with storage(workspace, table):
        actions = pa.table(DeltaTable(str(folder), version=version).get_add_actions(flatten=True))
        present = {unquote(path) for path in actions["path"].to_pylist()}
        log = sorted(_log_files(folder, version))
        earlier = {path for file in log for path in _added(folder / file) if (folder / path).is_file()}
        # Not the file that names the last checkpoint: a writer replaces it meanwhile, and readers find one without it.
        return (*sorted(present | earlier), *log)


def _versions(workspace: Workspace, names: Sequence[str]) -> dict[str, int]:
    latest: Mapping[str, int | None] = {name: latest_version(workspace, name) for name in names}
    return {name: version for name, version in latest.items() if version is not None}


def _log_files(folder: Path, version: int) -> Iterator[str]:
    for path in (folder / _LOG).iterdir():
        match = _NUMBERED.fullmatch(path.name)
        if match and int(match[1]) <= version:
            yield f"{_LOG}/{path.name}"


def _added(file: Path) -> Iterator[str]:
    """Yield the data files that a commit adds, or that a checkpoint has."""
    if file.suffix == ".json":
        for line in file.read_text(encoding="utf-8").splitlines():
            added = json.loads(line).get("add")
            if added:
                yield unquote(added["path"])
        return
    with pq.ParquetFile(file) as checkpoint:
        adds = checkpoint.read(columns=["add.path"])["add"].to_pylist()
    for added in adds:
        if added and added["path"]:
            yield unquote(added["path"])
