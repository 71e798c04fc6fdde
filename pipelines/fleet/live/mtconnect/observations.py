"""The agent's buffer: the last observations, numbered, and the state before the oldest of them."""

import time
from collections import deque
from collections.abc import Container, Sequence
from dataclasses import dataclass, field
from itertools import islice

import numpy as np

from pipelines.fleet.live.mtconnect.data_items import UNAVAILABLE, DataItem
from pipelines.fleet.plant.arrays import Floats

BUFFER_SIZE = 131_072
Value = str | float | Floats


@dataclass(frozen=True, slots=True)
class Observation:
    """A value of a device's data item; a series' time is that of its last value."""

    sequence: int
    device: int
    item: int
    time: int  # microseconds since 1970
    value: Value


@dataclass
class Observations:
    """A bounded buffer of observations; number 1 is the first since the agent started."""

    devices: Sequence[str]
    items: tuple[DataItem, ...]
    size: int = BUFFER_SIZE
    instance: int = field(default_factory=lambda: time.time_ns() // 1000)  # when it was started
    next_sequence: int = 1
    _kept: deque[Observation] = field(default_factory=deque)
    _before: dict[tuple[int, int], Observation] = field(default_factory=dict)
    _latest: dict[tuple[int, int], str | float | None] = field(default_factory=dict)

    @property
    def first_sequence(self) -> int:
        """Return the number of the oldest observation that is kept."""
        return self.next_sequence - len(self._kept)

    @property
    def last_sequence(self) -> int:
        """Return the number of the newest observation."""
        return self.next_sequence - 1

    def start(self, now: int) -> None:
        """Say of every data item that nothing is known of it yet."""
        for device in range(len(self.devices)):
            for item in range(len(self.items)):
                self.add(device, item, now, UNAVAILABLE)

    def add(self, device: int, item: int, now: int, value: Value) -> None:
        """Append an observation. A value that stays the same is none, unless it is a series."""
        key = device, item
        latest = None if isinstance(value, np.ndarray) else value
        if latest is not None and self._latest.get(key) == latest:
            return
        self._latest[key] = latest
        self._kept.append(Observation(self.next_sequence, device, item, now, value))
        self.next_sequence += 1
        if len(self._kept) > self.size:
            oldest = self._kept.popleft()
            self._before[oldest.device, oldest.item] = oldest

    def read(self, first: int, count: int, devices: Container[int]) -> tuple[list[Observation], int]:
        """Return up to `count` observations of devices from the number `first` on, and the number to go on with.

        `first` must be kept, or the next.
        """
        chosen, following = list[Observation](), first
        for observation in islice(self._kept, first - self.first_sequence, None):
            if len(chosen) == count:
                break
            following = observation.sequence + 1
            if observation.device in devices:
                chosen.append(observation)
        return chosen, following

    def state(self, at: int | None = None) -> list[Observation]:
        """Return the latest observation of every data item, as of the number `at`."""
        state = dict(self._before)
        for observation in self._kept:
            if at is not None and observation.sequence > at:
                break
            state[observation.device, observation.item] = observation
        return [state[key] for key in sorted(state)]
