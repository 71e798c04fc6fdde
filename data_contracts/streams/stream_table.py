"""Appending to a table again and again from one process, each time with the application transactions of what is new.

The table is opened once: its handle knows the version that it made, and that nothing else was appended unless a commit
conflicts. What another process appends to other streams in the meantime is no conflict.
"""

import fcntl
import json
import logging
import os
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError

from data_contracts.tables.arrow_frames import with_stored_version
from data_contracts.tables.table_access import location, storage
from data_contracts.tables.table_handles import STREAM_CHECKPOINT_EVERY, open_table
from data_contracts.tables.tables import commit_rows, create_table
from data_contracts.workspace import Workspace

_LOGGER = logging.getLogger("forewarn.streams")
_REOPEN_EVERY = 32  # commits; a handle's commits take longer and longer, half as long again after 240
_REOPEN_AFTER_S = 300.0  # without a commit; upkeep keeps the log of the last hour

_ATTEMPTS = 100
_LONGEST_TURN_S = 2.0
_STALE = -1  # no value of `foreign`
_MOST_COMMITS = 32  # that are read to know of what streams they are; beyond, all streams are looked up
_OTHER_ACTIONS = tuple(f'{{"{name}"'.encode() for name in ("add", "remove", "commitInfo", "domainMetadata"))
_MOST_NUMBERS = 200_000  # streams that are remembered


class TransactionConflictError(Exception):
    """Another process has stored something of the same streams since; what is new has to be found out again."""


@dataclass
class StreamTable:
    """A table that streams are appended to."""

    workspace: Workspace
    table: str
    delta: DeltaTable | None = None  # opened on first use
    commits: int = 0  # since it was opened
    seen: float = 0.0  # when it was the latest version, by the monotonic clock
    version: int = -1  # the latest that is known here
    identity: str | None = None  # of the table that this version is of
    foreign: int = 0  # how often versions of another process were noticed
    # By stream, the last number as far as known here, and the value of `foreign` at which it was right.
    numbers: dict[str, tuple[int | None, int]] = field(default_factory=dict)

    def transaction(self, stream: str) -> int | None:
        """Return the last number of a stream that is stored; None without any."""
        with storage(self.workspace, self.table):
            delta = self._opened()
            number = None
            if delta is not None:
                self._notice(delta)
                number = number_of(delta, stream)
            self.numbers[stream] = number, self.foreign
            return number

    def append(self, rows: pa.Table, transactions: Mapping[str, int]) -> int:
        """Append rows and the last number of each of their streams in one commit; return the version it made.

        `TransactionConflictError` if another process has stored any of these streams since it was last asked for or
        appended to here; nothing is stored then.
        """
        with storage(self.workspace, self.table):
            for attempt in range(_ATTEMPTS):
                delta = self._opened()
                try:
                    with _turn(location(self.workspace, self.table)):
                        delta, version = self._append(delta, rows, transactions)
                except DeltaError:
                    # Another process has appended something else, or this one is out of luck.
                    self.delta = None
                    latest = self._opened()
                    before = -1 if delta is None else int(delta.version())
                    if attempt == _ATTEMPTS - 1 or latest is None or int(latest.version()) <= before:
                        raise
                    continue
                self._note(transactions, version)
                self._checkpoint(delta, version)
                return version
        raise AssertionError("unreachable")

    def _append(
        self, delta: DeltaTable | None, rows: pa.Table, transactions: Mapping[str, int]
    ) -> tuple[DeltaTable, int]:
        if delta is None:
            schema = with_stored_version(rows, 0).schema
            self.delta = delta = create_table(self.workspace, self.table, schema)
        if self._has_newer_version(delta):
            delta.update_incremental()
        self._notice(delta)
        self._refuse_conflict(delta, transactions)
        version = int(delta.version()) + 1
        commit_rows(delta, with_stored_version(rows, version), transactions, checkpoints=False)
        return delta, version

    def _checkpoint(self, delta: DeltaTable, version: int) -> None:
        if (version + 1) % STREAM_CHECKPOINT_EVERY:
            return
        try:
            delta.create_checkpoint()
        except DeltaError as error:
            # The rows are stored nevertheless; whoever opens the table reads more of its log.
            _LOGGER.warning("no checkpoint of %s at version %s: %s", self.table, version, error)

    def _note(self, transactions: Mapping[str, int], version: int) -> None:
        if len(self.numbers) > _MOST_NUMBERS:
            self.numbers.clear()
        self.version = version
        self.numbers.update({stream: (number, self.foreign) for stream, number in transactions.items()})
        self.seen = time.monotonic()
        self.commits += 1
        if self.commits >= _REOPEN_EVERY:
            self.delta = None

    def refresh(self) -> None:
        """Open the table again at the next use, and know of no stream."""
        self.delta = None
        self.numbers.clear()

    def _notice(self, delta: DeltaTable) -> None:
        """Know of versions that another process has made."""
        version = int(delta.version())
        if version == self.version:
            return
        streams = streams_between(location(self.workspace, self.table), self.version, version)
        self.version = version
        if streams is None:
            self.foreign += 1
            return
        # Another listener stores other streams, mostly; to look each of ours up would be most of what a commit costs.
        for stream in streams & self.numbers.keys():
            self.numbers[stream] = self.numbers[stream][0], _STALE

    def _refuse_conflict(self, delta: DeltaTable, streams: Iterable[str]) -> None:
        for stream in streams:
            number, foreign = self.numbers.get(stream, (None, self.foreign))
            # A look-up reads the log since its checkpoint: of hundreds of streams it is most of what a commit costs.
            if foreign != self.foreign:
                if number_of(delta, stream) != number:
                    raise TransactionConflictError(f"table {self.table} has newer rows of {stream}")
                self.numbers[stream] = number, self.foreign

    def _opened(self) -> DeltaTable | None:
        where = location(self.workspace, self.table)
        # A folder that was removed under a running process is no table any more.
        if self.delta is not None and "://" not in where and not os.path.isdir(f"{where}/_delta_log"):  # noqa: PTH112
            self.delta = None
        # The log after an older version may have been removed: its next version would look free.
        if self.delta is not None and time.monotonic() - self.seen > _REOPEN_AFTER_S:
            self.delta = None
        if self.delta is None:
            self.seen = time.monotonic()
            self.delta, self.commits = open_table(where), 0
            identity = None if self.delta is None else str(self.delta.metadata().id)
            if identity != self.identity:  # another table in its place
                self.identity, self.version = identity, -1
        return self.delta

    def _has_newer_version(self, delta: DeltaTable) -> bool:
        where = location(self.workspace, self.table)
        return "://" in where or os.path.exists(f"{where}/_delta_log/{int(delta.version()) + 1:020}.json")  # noqa: PTH110


@contextmanager
def _turn(where: str) -> Iterator[None]:
    """Wait for another process of this machine that appends: of two that collide one has to write its rows again.

    No longer than a moment, as that process may be stopped: what two must not do, the commit itself refuses.
    """
    folder = f"{where}/_delta_log"
    if "://" in where or not os.path.isdir(folder):  # noqa: PTH112
        yield
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        ends = time.monotonic() + _LONGEST_TURN_S
        while not _try_lock(descriptor) and time.monotonic() < ends:
            time.sleep(0.005)
        yield
    finally:
        os.close(descriptor)  # which unlocks it


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a file system without locks
        return True
    return True


def streams_between(where: str, before: int, version: int) -> set[str] | None:
    """Return the streams that the commits after one version and up to another have stored; None if that is unknown."""
    if "://" in where or before < 0 or not before < version <= before + _MOST_COMMITS:
        return None
    streams = set[str]()
    try:
        for number in range(before + 1, version + 1):
            for line in Path(where, "_delta_log", f"{number:020}.json").read_bytes().splitlines():
                if line.startswith(b'{"txn"'):
                    streams.add(str(json.loads(line)["txn"]["appId"]))
                elif not line.startswith(_OTHER_ACTIONS):
                    return None
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return streams


def number_of(delta: DeltaTable, stream: str) -> int | None:
    """Return the last number of a stream in a table."""
    number = delta.transaction_version(stream)
    return None if number is None else int(number)
