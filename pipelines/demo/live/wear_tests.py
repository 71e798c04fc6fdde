"""The history that the demonstration learns from: tests in which bearings are worn out within minutes."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from data_contracts.contract.contract import load_contract
from data_contracts.ingestion.ingest import ingest
from data_contracts.progress import ProgressCallback
from data_contracts.streams.stream_writer import StreamWriter
from data_contracts.workspace import Workspace
from pipelines.fleet.live.faults import plan_faults
from pipelines.fleet.live.machines.live_plant import LivePlant, second_of, wear_out
from pipelines.fleet.live.machines.plant_second import plant_seconds
from pipelines.fleet.live.machines.random_keys import generator, random_key
from pipelines.fleet.live.machines.reports import known_reports
from pipelines.fleet.live.mqtt.messages import MessageStream, first_epoch
from pipelines.live.payloads.message import TelemetryMessage

TESTS = 5
LENGTH = 150  # seconds
EVERY = 40 * 60  # a machine that failed stands for half an hour
LIVES = (60, 145)  # seconds
WORN_OUT = 0.8  # share of the machines
_FLUSH = 10  # seconds


@dataclass(frozen=True)
class WearTests:
    """What was recorded."""

    begins: tuple[pd.Timestamp, ...]
    failures: int
    samples: int


def record_wear_tests(
    workspace: Workspace, plant: LivePlant, until: pd.Timestamp, progress: ProgressCallback
) -> WearTests:
    """Run the tests before `until` on the plant's clock, and store what they send and what is reported of them."""
    begins = [second_of(until) - (TESTS - number) * EVERY for number in range(TESTS)]
    writer, samples = StreamWriter(workspace), 0
    for number, begin in enumerate(begins):
        _shorten_lives(plant, begin, number)
        for messages, end in _sent(plant, begin):
            samples += writer.store(messages, now=_time(end)).samples
            progress("wear tests", number * LENGTH + end - begin, TESTS * LENGTH)
    failures = 0
    for name, rows in known_reports(plant, begins[0], second_of(until)).items():
        ingest(workspace, rows, load_contract(name), now=until)
        failures += len(rows) if name == "failures" else 0
    return WearTests(tuple(map(_time, begins)), failures, samples)


def _shorten_lives(plant: LivePlant, begin: int, number: int) -> None:
    draws = generator(random_key(plant.seed, "wear tests"), number).random((len(plant), 2))
    for asset, (chosen, length) in zip(plant.assets, draws.tolist(), strict=True):
        if chosen < WORN_OUT:
            seconds = int(np.interp(length, (0, 1), LIVES))
            wear_out(plant, asset, _time(begin), pd.Timedelta(seconds=seconds))


def _sent(plant: LivePlant, begin: int) -> Iterator[tuple[list[TelemetryMessage], int]]:
    """Yield what is sent between two flushes, with the second of the later one."""
    stream = MessageStream(plant, plan_faults(plant.seed, 0.0, ()), "arrow", (), first_epoch(plant, begin))
    for first in range(begin, begin + LENGTH, _FLUSH):
        last = min(first + _FLUSH, begin + LENGTH)
        seconds = plant_seconds(plant, first, last)
        yield [each.message for second in seconds for each in stream.messages(second)], last


def _time(second: int) -> pd.Timestamp:
    return pd.Timestamp(second, unit="s", tz="UTC")
