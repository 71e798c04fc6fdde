"""Taking a partition that no listener holds, and waiting as a standby as long as there is none."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, Final

import pandas as pd

from data_contracts.errors import ModelError
from data_contracts.records.leases import HeldLease, hold_lease, is_held, release_if_dead, try_lease
from data_contracts.records.leases.listen_leases import read_layout
from pipelines.live.listening.listen_summary import Stop
from pipelines.live.listening.partitions.partition import Partition, partitions

LEASE_LIFE: Final = pd.Timedelta(seconds=30)
_LOOK_EVERY_S = 1.0
ChangeLayout = Callable[[int], bool]
"""Moves what waits at the broker from so many partitions to those that are set; False while listeners hold these."""


@dataclass(frozen=True)
class HeldPartition:
    """A partition of this process."""

    partition: Partition
    lease: HeldLease


@contextmanager
def only_partition(engine: Any, change_layout: ChangeLayout, *, stopping: Stop) -> Iterator[HeldPartition | None]:
    """Hold the one partition there is; a `ModelError` says who holds it otherwise. None once `stopping` is set."""
    own, earlier = Partition(), read_layout(engine)
    if earlier != own.of and not change_layout(earlier):
        if stopping.is_set():
            yield None
            return
        raise ModelError(
            f"listeners of this workspace are at work that divide the assets into {earlier} partitions",
            "all of them to have the same partitions in the section [live]",
            f"Stop them first, or set partitions = {earlier}",
        )
    release_if_dead(engine, own.lease)
    with hold_lease(engine, own.lease, str(own), ttl=LEASE_LIFE) as lease:
        if (now := read_layout(engine)) != own.of:
            raise ModelError(f"the listeners have just changed to {now} partitions", "one", "Try again")
        yield HeldPartition(own, lease)


@contextmanager
def free_partition(
    engine: Any, of: int, change_layout: ChangeLayout, *, wait: Callable[[], bool], stopping: Stop
) -> Iterator[HeldPartition | None]:
    """Hold a partition of several as soon as one is free; None once `wait` says False, or `stopping` is set."""
    with ExitStack() as held:
        found = None
        while found is None and not stopping.is_set():
            earlier = read_layout(engine)
            if earlier == of or (change_layout(earlier) and read_layout(engine) == of):
                found = _take(engine, of, held)
            if found is None and (not wait() or stopping.wait(_LOOK_EVERY_S)):
                break
        yield found


def _take(engine: Any, of: int, held: ExitStack) -> HeldPartition | None:
    for partition in partitions(of):
        release_if_dead(engine, partition.lease)
        if is_held(engine, partition.lease):  # to read is cheaper than to try
            continue
        with ExitStack() as opened:
            lease = opened.enter_context(try_lease(engine, partition.lease, str(partition), ttl=LEASE_LIFE))
            # While a partition is held the number of partitions does not change.
            if lease is not None and read_layout(engine) == of:
                held.push(opened.pop_all())
                return HeldPartition(partition, lease)
    return None
