"""The plant's seconds as messages: one a machine and second, numbered by edge session, with the faults of the plan."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from pipelines.fleet.live.faults import CLOCK_ERROR, Fault, FaultKind, FaultPlan
from pipelines.fleet.live.machines.live_plant import ASSET_TYPE, CHANNELS, RATE, LivePlant
from pipelines.fleet.live.machines.plant_second import PlantSecond
from pipelines.fleet.live.machines.random_keys import random_key
from pipelines.fleet.plant.arrays import Floats
from pipelines.live.payloads.message import EVENT_TIME, TIME_TYPE, TelemetryMessage

COLUMNS = pa.schema([(EVENT_TIME, TIME_TYPE), *((name, pa.float32()) for name in CHANNELS)])
_MICROSECONDS = 1_000_000
_OFFSETS = np.arange(RATE) * _MICROSECONDS // RATE


@dataclass(frozen=True)
class OutgoingMessage:
    """A message to send, and what is to go wrong with it."""

    plant: str
    message: TelemetryMessage
    fault: FaultKind | None


@dataclass
class MessageStream:
    """Numbers the messages of each machine; a machine's edge session begins with its first message."""

    plant: LivePlant
    faults: FaultPlan
    over: str  # the protocol, as faults name it
    possible: Sequence[FaultKind]
    epoch: int  # of the first sessions, in microseconds since 1970
    numbered: bool = True  # whether readers see the epoch and sequence; Sparkplug has its own
    _sessions: dict[int, tuple[int, int]] = field(default_factory=dict)  # epoch and next number, by machine

    def messages(self, second: PlantSecond) -> Iterator[OutgoingMessage]:
        """Return the messages of a second, also those that are to be lost; they are sent when it is over."""
        for machine, readings in zip(second.machines.tolist(), second.readings, strict=True):
            asset = self.plant.assets[machine]
            kind, where = self.faults.draw(asset, second.second, self.possible)
            sent = second.begins + _MICROSECONDS
            epoch, sequence = self._sessions.get(machine, (self.epoch, 0))
            if kind == "restarted":
                epoch, sequence = sent, 0
            self._sessions[machine] = epoch, sequence + 1
            channel = CHANNELS[int(where * len(CHANNELS))] if kind == "nan" else None
            ahead = CLOCK_ERROR if kind == "clock_ahead" else 0
            rows = record_batch(second.begins + ahead, readings, not_a_number=channel)
            if kind is not None:
                number = (epoch, sequence) if self.numbered else (None, None)
                self.faults.note(Fault(self.over, asset, kind, second.second, channel, *number))
            message = TelemetryMessage(asset, epoch, sequence, sent + ahead, ASSET_TYPE, rows)
            yield OutgoingMessage(self.plant.plants[machine], message, kind)


def first_epoch(plant: LivePlant, began: int) -> int:
    """Return the epoch of a plant that began to send in a second.

    The same plant that begins anew with the same second sends the same messages, which are duplicates; another plant
    has other epochs.
    """
    return began * _MICROSECONDS + random_key(plant.seed, "epoch") % _MICROSECONDS


def record_batch(begins: int, readings: Floats, *, not_a_number: str | None = None) -> pa.RecordBatch:
    """Return a machine's second as rows; one channel's first reading may be made NaN."""
    single = readings.astype(np.float32)
    if not_a_number is not None:
        single[CHANNELS.index(not_a_number), 0] = np.nan
    times = pa.array(begins + _OFFSETS).view(TIME_TYPE)
    return pa.RecordBatch.from_arrays([times, *map(pa.array, single)], schema=COLUMNS)
