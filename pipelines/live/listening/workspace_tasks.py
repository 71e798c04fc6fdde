"""What is done once for a workspace beside storing: hourly reports, compaction, commands, and what follows."""

import time
from collections.abc import Callable, Mapping, Sequence, Set
from contextlib import ExitStack

from data_contracts.records.leases import HeldLease
from data_contracts.workspace import Workspace
from pipelines.live.listening.commanding import commanding
from pipelines.live.listening.compactions import Compactions
from pipelines.live.listening.hourly_report import HourlyReports
from pipelines.live.listening.listen_summary import ListenSummary
from pipelines.settings.sections import LiveSettings

Stored = Callable[[Set[str]], None]


class WorkspaceTasks:
    """Does them until it is closed; `stored` is called with the asset types of which something was stored."""

    def __init__(
        self,
        workspace: Workspace,
        settings: LiveSettings,
        environ: Mapping[str, str],
        lease: HeldLease,
        summary: ListenSummary,
        *,
        count_command: Callable[[str], None],
        stored: Stored,
    ) -> None:
        self._stored = stored
        self._reports = HourlyReports(workspace, enabled=settings.hourly_report)
        self._compactions = Compactions(workspace, every=settings.compact_every)
        with ExitStack() as opened:
            opened.callback(self._reports.close)
            opened.callback(self._compactions.close)
            published = commanding(workspace, settings, environ, count_command, may_publish=lease.check)
            summary.commands = opened.enter_context(published)
            summary.commands_withheld = settings.commands and summary.commands is None
            self._opened = opened.pop_all()

    def note(self, asset_types: Set[str], tables: Sequence[str]) -> None:
        """Know of what telemetry was stored, and in which tables."""
        self._reports.note(set(asset_types))
        self._compactions.note(tables)
        if asset_types:
            self._stored(asset_types)

    def run(self) -> None:
        """Start what is due."""
        self._reports.run(time.time())
        self._compactions.run(time.monotonic())

    def close(self) -> None:
        """End what is under way."""
        self._opened.close()
