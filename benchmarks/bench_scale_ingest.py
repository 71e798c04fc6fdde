"""CPU seconds and peak memory of the ingestion of large files: Parquet, CSV and long tables, by their number of rows.

    python benchmarks/bench_scale_ingest.py --rows 1000000 10000000 --assets 2000
    python benchmarks/bench_scale_ingest.py --rows 1000000 --assets 50000 --kinds csv
    python benchmarks/bench_scale_ingest.py --rows 5000000 --kinds long

Each file has seven channels, a reading a minute of every asset, and one bad cell in a million rows; a long table (in
Parquet) has as many lines, one for each value. It is written piece
by piece, and every ingestion is a process and a workspace of its own. The last column is the CPU time a row beside that
of the smallest file: x 1.00 is linear.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

CHANNELS = 7
START = np.datetime64("2020-01-01T00:00:00", "us")
PIECE_ROWS = 1_000_000
BAD_EVERY = 1_000_000
REPOSITORY = Path(__file__).parents[1]
STEP = """
import json, resource, sys, time
from dataclasses import replace
from pathlib import Path
import pandas as pd
from data_contracts.contract.contract import load_contract
from data_contracts.contract.file_layout import PLAIN
from data_contracts.workspace import init_workspace
from pipelines.jobs.ingest import ingest_files
contract = load_contract(Path(sys.argv[1]))
started = time.perf_counter()
workspace = init_workspace(Path(sys.argv[3]))
stages = {}
def progress(what, done, total):
    peak = resource.getrusage(resource.RUSAGE_SELF)
    stages[what] = [round(time.process_time(), 1), peak.ru_maxrss // 1024]
layout = replace(PLAIN, shape="long") if sys.argv[4] == "long" else PLAIN
done = ingest_files(workspace, [Path(sys.argv[2])], contract, layout, now=pd.Timestamp.now("UTC"), progress=progress)
used = resource.getrusage(resource.RUSAGE_SELF)
print(json.dumps({
    "accepted": done.result.accepted, "quarantined": done.result.quarantined,
    "cpu_s": used.ru_utime + used.ru_stime, "peak_mb": used.ru_maxrss / 1024,
    "wall_s": time.perf_counter() - started, "stages": stages,
}))
"""


def write_contract(path: Path) -> Path:
    """Write the contract of the files."""
    keys = ("asset", "event_time", "source", "known_time")
    columns = [
        f"      - {{name: {name}, logicalType: {'timestamp' if 'time' in name else 'string'}, required: true, "
        f"primaryKey: true, primaryKeyPosition: {place}}}"
        for place, name in enumerate(keys, start=1)
    ]
    limits = "logicalTypeOptions: {minimum: -1000, maximum: 1000}"
    columns += [f"      - {{name: channel_{number}, logicalType: number, {limits}}}" for number in range(CHANNELS)]
    head = """apiVersion: v3.1.0
kind: DataContract
id: bench.press
name: telemetry_press
version: 1.0.0
status: active
customProperties: [{property: assetType, value: press}]
schema:
  - name: telemetry
    logicalType: object
    properties:
"""
    path.write_text(head + "\n".join(columns) + "\n", encoding="utf-8")
    return path


def piece(first: int, rows: int, assets: int) -> pa.Table:
    """Return some rows of a file, the assets in turn, minute by minute."""
    numbers = np.arange(first, first + rows)
    rng = np.random.default_rng(first)
    names = pa.array([f"press-{number:06d}" for number in range(assets)])
    columns = {
        "asset": names.take(pa.array(numbers % assets)),
        "event_time": pa.array(START + (numbers // assets) * np.timedelta64(60, "s"), pa.timestamp("us", "UTC")),
    }
    for number in range(CHANNELS):
        values = np.round(rng.normal(50.0, 5.0, rows), 3)
        if number == 0:
            values[numbers % BAD_EVERY == BAD_EVERY - 1] = 5_000.0
        columns[f"channel_{number}"] = pa.array(values)
    return pa.table(columns)


def lines(first: int, rows: int, assets: int) -> pa.Table:
    """Return some lines of a long table, a value each, minute by minute."""
    numbers, each = np.arange(first, first + rows), assets * CHANNELS
    tags = pa.array([f"press-{n // CHANNELS:06d}.channel_{n % CHANNELS}" for n in range(each)])
    times = pa.array(START + (numbers // each) * np.timedelta64(60, "s"), pa.timestamp("us", "UTC"))
    values = np.round(np.random.default_rng(first).normal(50.0, 5.0, rows), 3)
    return pa.table({"time": times, "tag": tags.take(pa.array(numbers % each)), "value": values})


def write_file(path: Path, rows: int, assets: int, *, long: bool) -> Path:
    """Write a file of so many rows, as its name ends."""
    make = lines if long else piece
    starts = range(0, rows, PIECE_ROWS)
    pieces = (make(first, min(PIECE_ROWS, rows - first), assets) for first in starts)
    schema = make(0, 1, assets).schema
    writer = (
        pa.parquet.ParquetWriter(path, schema) if path.suffix == ".parquet" else pa.csv.CSVWriter(path, _texts(schema))
    )
    with writer:
        for table in pieces:
            writer.write_table(table if path.suffix == ".parquet" else _as_texts(table))
    return path


def _texts(schema: pa.Schema) -> pa.Schema:
    place = schema.get_field_index("event_time")
    return schema.set(place, pa.field("event_time", pa.string()))


def _as_texts(table: pa.Table) -> pa.Table:
    place = table.schema.get_field_index("event_time")
    encoded = table.column(place).combine_chunks().dictionary_encode()
    texts = pd.Series(encoded.dictionary.to_pandas()).dt.strftime("%Y-%m-%dT%H:%M:%SZ")
    return table.set_column(place, "event_time", pa.array(texts, pa.string()).take(encoded.indices))


def main() -> None:
    """Write and ingest the files, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=[1_000_000, 10_000_000])
    parser.add_argument("--assets", type=int, default=2_000)
    parser.add_argument("--kinds", nargs="+", default=["parquet", "csv"], choices=["parquet", "csv", "long"])
    parser.add_argument("--folder", type=Path, help="where files and workspaces are put for the time")
    arguments = parser.parse_args()
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), "GX_ANALYTICS_ENABLED": "false"}
    print(f"{'kind':8} {'rows':>12} {'stored':>12} {'refused':>8} {'CPU s':>8} {'s':>8} {'peak MB':>8} {'CPU/row':>8}")
    for kind in arguments.kinds:
        smallest = None
        for rows in arguments.rows:
            with tempfile.TemporaryDirectory(dir=arguments.folder) as name:
                folder = Path(name)
                contract = write_contract(folder / "press.odcs.yaml")
                suffix = "csv" if kind == "csv" else "parquet"
                path = write_file(folder / f"press.{suffix}", rows, arguments.assets, long=kind == "long")
                command = [sys.executable, "-c", STEP, str(contract), str(path), str(folder / "workspace"), kind]
                done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
                if done.returncode:
                    sys.exit(done.stderr)
                found = json.loads(done.stdout.splitlines()[-1])
            smallest = smallest or found["cpu_s"] / rows
            counts = f"{found['accepted']:12,} {found['quarantined']:8,}"
            used = f"{found['cpu_s']:8.1f} {found['wall_s']:8.1f} {found['peak_mb']:8.0f}"
            print(f"{kind:8} {rows:12,} {counts} {used} x {found['cpu_s'] / rows / smallest:6.2f}", flush=True)
            print(f"         {found['stages']}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
