"""Writes the plant's seconds as Parquet files of telemetry, and what is reported of it as CSV files."""

from bisect import bisect_left
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from data_contracts.errors import StorageError, UsageError
from pipelines.fleet.live.machines.live_plant import CHANNELS, RATE, LivePlant
from pipelines.fleet.live.machines.plant_second import PlantSecond
from pipelines.fleet.live.machines.reports import known_reports, report_seconds
from pipelines.live.payloads.message import TIME_TYPE

ROWS_A_FILE = 1_000_000
TELEMETRY = "telemetry"
_OFFSETS = np.arange(RATE) * 1_000_000 // RATE
_ASSET = pa.dictionary(pa.int32(), pa.string())
_COLUMNS = pa.schema(
    [
        ("asset", _ASSET),
        ("event_time", TIME_TYPE),
        ("known_time", TIME_TYPE),
        *((name, pa.float32()) for name in CHANNELS),
    ]
)


class FileWriter:
    """Files of at most so many rows each; a row is known when its second is over."""

    def __init__(self, plant: LivePlant, folder: Path, *, since: int, rows_a_file: int = ROWS_A_FILE) -> None:
        self.over, self.sent = "files", 0
        self._plant, self._folder, self._since = plant, folder, since
        self._rows_a_file, self._waiting = rows_a_file, list[PlantSecond]()
        self._reported = report_seconds(plant, since)
        self._until = since
        telemetry = folder / TELEMETRY
        if telemetry.exists() and any(telemetry.iterdir()):
            raise UsageError(f"{telemetry} holds files", "an empty folder or a new one", "Name another with --write")
        telemetry.mkdir(parents=True, exist_ok=True)
        self._names = pa.array(plant.assets)
        self._write_reports()

    async def send(self, second: PlantSecond) -> None:
        """Write a second."""
        self.write(second)

    async def close(self) -> None:
        """Write what is left."""
        self.finish()

    def write(self, second: PlantSecond) -> None:
        """Keep a second until a file is full, and write what was reported in it."""
        self._waiting.append(second)
        if (sum(len(each.machines) for each in self._waiting) + len(self._plant)) * RATE > self._rows_a_file:
            self._flush()
        reported, self._until = bisect_left(self._reported, self._until), second.second + 1
        if bisect_left(self._reported, self._until) > reported:
            self._write_reports()

    def finish(self) -> None:
        """Write what is left."""
        self._flush()
        self._write_reports()

    def _flush(self) -> None:
        seconds, self._waiting = [each for each in self._waiting if len(each.machines)], []
        if not seconds:
            return
        machine = np.concatenate([each.machines for each in seconds])
        begins = np.repeat([each.begins for each in seconds], [len(each.machines) for each in seconds])
        readings = np.concatenate([each.readings for each in seconds]).astype(np.float32)
        asset = pa.DictionaryArray.from_arrays(pa.array(np.repeat(machine, RATE).astype(np.int32)), self._names)
        event = pa.array((begins[:, None] + _OFFSETS).ravel()).view(TIME_TYPE)
        known = pa.array(np.repeat(begins + 1_000_000, RATE)).view(TIME_TYPE)
        channels = [pa.array(np.ascontiguousarray(readings[:, number]).ravel()) for number in range(len(CHANNELS))]
        table = pa.Table.from_arrays([asset, event, known, *channels], schema=_COLUMNS)
        path = self._folder / TELEMETRY / f"{seconds[0].second}.parquet"
        try:
            pq.write_table(
                table, path, compression="zstd", use_byte_stream_split=list(CHANNELS), use_dictionary=["asset"]
            )
        except OSError as error:
            raise StorageError(
                f"{path} cannot be written ({error})", "a writable folder with room", "Name another with --write"
            ) from error
        self.sent += len(seconds)

    def _write_reports(self) -> None:
        for name, rows in known_reports(self._plant, self._since, self._until).items():
            path = self._folder / f"{name}.csv"
            if len(rows):
                rows.to_csv(path.with_suffix(".new"), index=False)
                path.with_suffix(".new").replace(path)
