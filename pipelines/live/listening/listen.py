"""Listening: what arrives at the broker is stored, by one process or by several that divide the assets."""

import threading
import time
from collections.abc import Mapping
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from typing import Any

from data_contracts.records.leases import HeldLease
from data_contracts.records.records import open_records
from data_contracts.twin_state.current_readings import CurrentReadings
from data_contracts.workspace import Workspace
from pipelines.live.listening.broker_of_settings import patterns_of
from pipelines.live.listening.intake import Subscription
from pipelines.live.listening.listen_summary import Ending, ListenSummary, Stop
from pipelines.live.listening.listener import Listener, Report
from pipelines.live.listening.listener_metrics import ListenerMetrics, served
from pipelines.live.listening.partitions.partition import TopicFilter
from pipelines.live.listening.partitions.repartition import Repartition
from pipelines.live.listening.partitions.shared_tasks import SharedTasks
from pipelines.live.listening.partitions.take_partition import (
    LEASE_LIFE,
    HeldPartition,
    free_partition,
    only_partition,
)
from pipelines.live.listening.workspace_tasks import Stored, WorkspaceTasks
from pipelines.settings.sections import LiveSettings


def listen(
    workspace: Workspace,
    settings: LiveSettings,
    *,
    environ: Mapping[str, str],
    ending: Ending | None = None,
    stopping: Stop | None = None,
    report: Report | None = None,
    stored: Stored = lambda _: None,
) -> ListenSummary:
    """Store what arrives until `stopping` is set or `ending` says so; what is in hand is stored first.

    With several partitions it takes one that no other listener holds, and waits as long as there is none.

    `report` is called after each flush, `stored` with the asset types of which one has stored something.
    `StorageError` if the broker is out of reach at the start, `ModelError` if another listener is at work on this
    workspace that has one partition, `LeaseLostError` if another has taken over while this one was stopped.
    """
    run = _Run(
        workspace,
        settings,
        environ,
        ending or Ending(),
        stopping or threading.Event(),
        report or (lambda _: None),
        stored,
        open_records(workspace.records_url),
        ListenerMetrics(),
    )
    ports = 1 if settings.partitions == 1 else 2 * settings.partitions
    with served(run.metrics, settings.metrics_host, settings.metrics_port, ports=ports) as port:
        return run.listen(port)


@dataclass
class _Run:
    """One call of `listen`."""

    workspace: Workspace
    settings: LiveSettings
    environ: Mapping[str, str]
    ending: Ending
    stopping: Stop
    report: Report
    stored: Stored
    records: Any
    metrics: ListenerMetrics

    def listen(self, port: int) -> ListenSummary:
        """Take a partition and store what it gets."""
        self._began = time.monotonic()
        self._waiting = ListenSummary(
            partition=None, partitions=self.settings.partitions, metrics_port=port, ended="signal"
        )
        self._change = Repartition(
            self.workspace, self.settings, self.environ, self.records, self.metrics, self.stopping, self.report
        )
        self.metrics.partition.set(-1)
        with self._partition() as held:
            self._waiting.standby_seconds = self._waiting.seconds = time.monotonic() - self._began
            return self._waiting if held is None else self._store(held, port)

    def _partition(self) -> "AbstractContextManager[HeldPartition | None]":
        if self.settings.partitions == 1:
            return only_partition(self.records, self._change, stopping=self.stopping)
        return free_partition(
            self.records, self.settings.partitions, self._change, wait=self._may_wait, stopping=self.stopping
        )

    def _may_wait(self) -> bool:
        """Return whether to go on waiting for a partition; nothing arrives meanwhile."""
        waited = self._waiting.seconds = self._waiting.standby_seconds = time.monotonic() - self._began
        self.report(self._waiting)
        if self.ending.idle_s is not None and waited >= self.ending.idle_s:
            self._waiting.ended = "idle"
        elif self.ending.after_s is not None and waited >= self.ending.after_s:
            self._waiting.ended = "time"
        return self._waiting.ended == "signal"

    def _store(self, held: HeldPartition, port: int) -> ListenSummary:
        partition, lease, alone = held.partition, held.lease, held.partition.of == 1
        self.metrics.partition.set(partition.number)
        takes = TopicFilter(partition, patterns_of(self.settings))
        subscription = Subscription(partition.client_id(self.settings.client_id), takes)
        arguments = (self.workspace, self.settings, self.environ, lease, subscription, self.metrics)
        with ExitStack() as opened:
            # A copy of all the latest readings needs one who stores all: others ask the tables.
            twins = CurrentReadings(self.workspace, lease.records) if alone else None
            listener = Listener(*arguments, twins=twins)
            opened.callback(listener.close)
            summary = listener.summary
            summary.metrics_port, summary.partition, summary.partitions = port, partition.number, partition.of
            summary.standby_seconds, summary.moved = self._waiting.standby_seconds, self._change.moved
            listener.tasks = tasks = self._tasks(lease, summary, alone=alone)
            opened.callback(tasks.close)
            return listener.run(self.ending, self.stopping, self.report)

    def _tasks(self, lease: HeldLease, summary: ListenSummary, *, alone: bool) -> WorkspaceTasks | SharedTasks:
        def start(held: HeldLease) -> WorkspaceTasks:
            arguments = (self.workspace, self.settings, self.environ, held, summary)
            return WorkspaceTasks(*arguments, count_command=self.metrics.count_command, stored=self.stored)

        return start(lease) if alone else SharedTasks(self.workspace, self.records, LEASE_LIFE, self.metrics, start)
