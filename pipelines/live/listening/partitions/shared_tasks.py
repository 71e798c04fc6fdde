"""The tasks of a workspace where several listeners store: one of them does them, by lease, for all."""

import logging
import time
from collections.abc import Callable, Sequence, Set
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

import pandas as pd

from data_contracts.errors import StorageError
from data_contracts.records.leases import HeldLease, is_held, release_if_dead, try_lease
from data_contracts.records.leases.listen_leases import listen_partitions
from data_contracts.tables import tables
from data_contracts.tables.table_access import location, table_names
from data_contracts.workspace import Workspace
from pipelines.live.listening.listener_metrics import ListenerMetrics
from pipelines.live.listening.workspace_tasks import WorkspaceTasks

LEASE: Final = "listen/tasks"
_TELEMETRY: Final = "telemetry/"
_LOOK_EVERY_S = 5.0  # for the lease, and for partitions that nobody holds
_POLL_EVERY_S = 1.0  # for what others have stored
_LOGGER = logging.getLogger("forewarn.live")


class SharedTasks:
    """Tries for the lease as long as another listener has it; `start` begins the tasks, under the lease."""

    def __init__(
        self,
        workspace: Workspace,
        records: Any,
        ttl: pd.Timedelta,
        metrics: ListenerMetrics,
        start: Callable[[HeldLease], WorkspaceTasks],
    ) -> None:
        self._workspace, self._records, self._ttl, self._metrics, self._start = workspace, records, ttl, metrics, start
        self._held = ExitStack()
        self._lease: HeldLease | None = None
        self._tasks: WorkspaceTasks | None = None
        self._looked = self._polled = float("-inf")
        self._states: dict[str, int] = {}

    def note(self, asset_types: Set[str], tables: Sequence[str]) -> None:
        """Do nothing: the tables say what was stored, by whomever."""

    def run(self) -> None:
        """Try for the lease, or do what is due; what cannot be done now is tried again, and storing goes on."""
        try:
            self._run()
        except StorageError as error:
            _LOGGER.warning("the tasks of the workspace wait: %s", error.found)

    def _run(self) -> None:
        now = time.monotonic()
        if self._lease is not None and self._lease.lost.is_set():
            self.close()
        if now - self._looked >= _LOOK_EVERY_S:
            self._looked = now
            self._metrics.unheld.set(len(listen_partitions(self._records).unheld))
            if self._tasks is None:
                self._try()
        if self._tasks is not None:
            if now - self._polled >= _POLL_EVERY_S:
                self._polled = now
                changed = self._changed()
                self._tasks.note({name.removeprefix(_TELEMETRY) for name in changed}, changed)
            self._tasks.run()

    def close(self) -> None:
        """End what is under way, and give the lease back."""
        self._lease = self._tasks = None
        self._held.close()

    def _try(self) -> None:
        release_if_dead(self._records, LEASE)
        if is_held(self._records, LEASE):
            return
        with ExitStack() as held:
            what = "listener that does the tasks of this workspace"
            lease = held.enter_context(try_lease(self._records, LEASE, what, ttl=self._ttl))
            if lease is None:
                return
            tasks = self._start(lease)
            held.callback(tasks.close)
            self._lease, self._tasks, self._held = lease, tasks, held.pop_all()

    def _changed(self) -> list[str]:
        """Return the tables of telemetry that something was stored in since this was asked last."""
        states = {table: self._state(table) for table in table_names(self._workspace) if table.startswith(_TELEMETRY)}
        changed = [table for table, state in states.items() if self._states.get(table) != state]
        self._states = states
        return changed

    def _state(self, table: str) -> int:
        where = location(self._workspace, table)
        if "://" in where:
            return tables.latest_version(self._workspace, table) or 0
        return Path(where, "_delta_log").stat().st_mtime_ns
