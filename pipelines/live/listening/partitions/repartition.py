"""A change of the number of partitions: what waits at the broker by the earlier number is stored, then the new counts.

In this order nothing is lost, and each asset's messages are stored in the order they came: the sessions of the new
partitions are opened, so that the broker keeps for them what comes from now on; those of the earlier ones get nothing
new; what waits in these is stored, and they end; then the new number is noted, and its partitions can be taken. Leases
on all earlier partitions keep their listeners out meanwhile. Killed anywhere, it begins again, and what is stored
already is a duplicate.
"""

import threading
from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any, Final

from data_contracts.errors import StorageError
from data_contracts.records.leases import is_held, release_if_dead, try_lease
from data_contracts.records.leases.listen_leases import read_layout, write_layout
from data_contracts.workspace import Workspace
from pipelines.live.broker.connection import connect, disconnect
from pipelines.live.listening.broker_of_settings import broker_settings, patterns_of, subscriptions
from pipelines.live.listening.intake import Subscription, subscribe
from pipelines.live.listening.listen_summary import Ending, Stop
from pipelines.live.listening.listener import Listener, Report
from pipelines.live.listening.listener_metrics import ListenerMetrics
from pipelines.live.listening.partitions.partition import Partition, TopicFilter, partitions
from pipelines.live.listening.partitions.take_partition import LEASE_LIFE
from pipelines.settings.sections import LiveSettings

LEASE: Final = "listen/layout"
_PATIENCE_S = 60.0  # for the broker's answers, and without a message while a session is emptied


class Repartition:
    """Changes the number of partitions of a workspace to that of the settings."""

    def __init__(
        self,
        workspace: Workspace,
        settings: LiveSettings,
        environ: Mapping[str, str],
        records: Any,
        metrics: ListenerMetrics,
        stopping: Stop,
        report: Report,
    ) -> None:
        self._workspace, self._settings, self._environ, self._records = workspace, settings, environ, records
        self._metrics, self._stopping, self._report = metrics, stopping, report
        self.moved = 0  # messages that waited, and are stored

    def __call__(self, earlier: int) -> bool:
        """Change it from an earlier number; False while a listener holds one of the earlier partitions."""
        old = partitions(earlier)
        names = {LEASE: "change of the listeners' partitions", **{each.lease: str(each) for each in old}}
        with ExitStack() as held:
            leases = []
            for name, what in names.items():
                release_if_dead(self._records, name)
                if is_held(self._records, name):
                    return False
                lease = held.enter_context(try_lease(self._records, name, what, ttl=LEASE_LIFE))
                if lease is None:
                    return False
                leases.append(lease)
            if read_layout(self._records) != earlier:
                return True
            for each in partitions(self._settings.partitions):
                self._open(each)
            for each, lease in zip(old, leases[1:], strict=True):
                if not self._empty(each, lease):
                    return False
            write_layout(leases[0].records, self._settings.partitions)
        return True

    def _open(self, partition: Partition) -> None:
        """Let the broker keep messages for a partition that nobody has listened to yet."""
        answered = threading.Event()
        topics = subscriptions(patterns_of(self._settings))

        def begin(client: Any) -> None:
            client.on_subscribe = lambda *_: answered.set()
            subscribe(client, topics)

        client = connect(
            broker_settings(self._settings, self._environ),
            partition.client_id(self._settings.client_id),
            on_connect=begin,
            session_s=int(self._settings.session.total_seconds()),
            receive_maximum=1,
            manual_ack=True,  # none is acknowledged: all come again
        )
        try:
            if not answered.wait(_PATIENCE_S):
                raise StorageError(
                    f"the broker at {self._settings.broker_host} does not answer a subscription",
                    "an answer within a minute",
                    "See its log",
                )
        finally:
            disconnect(client)

    def _empty(self, partition: Partition, lease: Any) -> bool:
        """Store what waits for an earlier partition, and end its session; False if it is to stop before."""
        client_id = partition.client_id(self._settings.client_id)
        takes = TopicFilter(partition, patterns_of(self._settings))
        subscription = Subscription(client_id, takes, ending=True)
        arguments = (self._workspace, self._settings, self._environ, lease, subscription, self._metrics)
        listener = Listener(*arguments)
        try:
            summary = listener.run(Ending(idle_s=_PATIENCE_S), self._stopping, self._report)
        finally:
            listener.close()
        self.moved += summary.messages
        if summary.ended == "idle":
            raise _not_emptied(client_id)
        if summary.ended == "emptied" and not summary.error:
            disconnect(connect(broker_settings(self._settings, self._environ), client_id))  # without a session
        return summary.ended == "emptied"


def _not_emptied(client_id: str) -> StorageError:
    topic = f"forewarn/listeners/{client_id}"
    return StorageError(
        f"the broker does not pass on what {client_id} publishes on {topic}: nobody knows when its session is empty",
        "a listener that may write and read this topic",
        "Allow it in the broker's list of rights",
    )
