"""Comparing the data files of a table with their checksums: before a model learns of them, and when all is checked."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

import pandas as pd
import pyarrow as pa
from deltalake import DeltaTable

from data_contracts.errors import StorageError
from data_contracts.progress import ProgressCallback, silent
from data_contracts.tables.files.checksums import named_checksum, read_checksum
from data_contracts.tables.files.data_files import table_folder


@dataclass(frozen=True)
class DataFile:
    """A data file as the log describes it; what its statistics do not say is None."""

    path: str  # within the table
    size: int
    rows: int | None
    first: pd.Timestamp | None  # event times
    last: pd.Timestamp | None
    assets: tuple[str, str] | None  # the first and the last by name

    @property
    def content(self) -> str:
        """Say what rows it has."""
        rows = "rows" if self.rows is None else f"{self.rows:,} rows"
        span = "" if self.first is None or self.last is None else f" from {self.first:%Y-%m-%d} to {self.last:%Y-%m-%d}"
        if self.assets is None:
            return f"{rows}{span}"
        first, last = self.assets
        return f"{rows}{span} of {first}" + ("" if first == last else f" to {last}")


@dataclass(frozen=True)
class CheckedFile:
    """A data file, and what is wrong with it."""

    file: DataFile
    has_checksum: bool
    fault: str  # empty where nothing is


def data_files(delta: DeltaTable) -> tuple[DataFile, ...]:
    """Return the data files of an open table, in order of their names."""
    actions = pa.table(delta.get_add_actions(flatten=True)).to_pylist()
    return tuple(sorted(map(_data_file, actions), key=lambda file: file.path))


def check_files(
    delta: DeltaTable, files: Collection[DataFile], *, progress: ProgressCallback = silent, what: str = ""
) -> Iterator[CheckedFile]:
    """Compare files with the sizes in the log and, where their names have them, with their checksums."""
    folder = table_folder(delta)
    for number, file in enumerate(files):
        progress(what, number, len(files))
        expected = named_checksum(file.path)
        try:
            found, size = read_checksum(folder, file.path)
        except OSError as error:
            yield CheckedFile(file, expected is not None, _unread(error))
            continue
        if size != file.size:
            fault = f"it has {size:,} bytes instead of {file.size:,}"
        elif expected is not None and found != expected:
            fault = f"its CRC-32 is {found:08x} instead of {expected:08x}"
        else:
            fault = ""
        yield CheckedFile(file, expected is not None, fault)
    progress(what, len(files), len(files))


def refuse_damaged(
    delta: DeltaTable, table: str, *, paths: Collection[str] | None = None, start: pd.Timestamp | None = None
) -> None:
    """Raise a `StorageError` if a file of an open table is damaged, of all or of some, with rows after a time."""
    files = [
        file
        for file in data_files(delta)
        if (paths is None or file.path in paths) and (start is None or file.last is None or file.last > start)
    ]
    for checked in check_files(delta, files):
        if checked.fault:
            raise damaged(delta.table_uri, table, checked)


def damaged(uri: str, table: str, checked: CheckedFile) -> StorageError:
    """Return what to say of a damaged file."""
    return StorageError(
        f"the file {checked.file.path} of table {table} at {uri} is damaged: {checked.fault}; it holds "
        f"{checked.file.content}",
        "the bytes that were stored",
        "Copy that file back from a backup, which has it under the same name; "
        "`forewarn doctor --deep --backups FOLDER` finds every damaged file, and the backups that have it whole",
    )


def _data_file(action: dict[str, Any]) -> DataFile:
    names = action.get("min.asset"), action.get("max.asset")
    return DataFile(
        path=action["path"],
        size=action["size_bytes"],
        rows=action.get("num_records"),
        first=_time(action.get("min.event_time")),
        last=_time(action.get("max.event_time")),
        assets=None if names[0] is None or names[1] is None else (str(names[0]), str(names[1])),
    )


def _time(value: Any) -> pd.Timestamp | None:
    if value is None:
        return None
    time = pd.Timestamp(value)
    return time.tz_localize("UTC") if time.tz is None else time.tz_convert("UTC")


def _unread(error: OSError) -> str:
    return "it is missing" if isinstance(error, FileNotFoundError) else f"it cannot be read ({error})"
