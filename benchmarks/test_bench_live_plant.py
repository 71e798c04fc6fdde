"""The live plant: seconds of 200 machines computed and encoded, and an hour of 20 machines written to files."""

import itertools
from pathlib import Path

from pytest_benchmark.fixture import BenchmarkFixture

from pipelines.fleet.live.faults import MESSAGE_KINDS, plan_faults
from pipelines.fleet.live.file_writer import FileWriter
from pipelines.fleet.live.machines.live_plant import make_live_plant
from pipelines.fleet.live.machines.plant_second import plant_second, plant_seconds
from pipelines.fleet.live.mqtt.messages import MessageStream, first_epoch
from pipelines.fleet.live.mqtt.mqtt_publisher import encode

SECOND = 1_795_000_000


def test_a_second_of_200_machines_as_arrow(benchmark: BenchmarkFixture) -> None:
    plant = make_live_plant(7, 200)
    stream = MessageStream(plant, plan_faults(7, 0.0), "arrow", MESSAGE_KINDS, first_epoch(plant, SECOND))
    seconds = itertools.count(SECOND)

    def send() -> int:
        messages = stream.messages(plant_second(plant, next(seconds)))
        return sum(len(encode(message, "arrow")) for message in messages)

    assert benchmark.pedantic(send, rounds=30, warmup_rounds=3) > 500_000


def test_write_ten_minutes_of_20_machines(benchmark: BenchmarkFixture, tmp_path: Path) -> None:
    folders = itertools.count()

    def write() -> int:
        plant = make_live_plant(7, 20)
        writer = FileWriter(plant, tmp_path / str(next(folders)), since=SECOND)
        for second in plant_seconds(plant, SECOND, SECOND + 600):
            writer.write(second)
        writer.finish()
        return writer.sent

    assert benchmark.pedantic(write, rounds=3, warmup_rounds=1) == 600
