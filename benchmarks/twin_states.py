"""What the states of twins cost: folding a live stream, and the state at any time within a year's log.

    python benchmarks/twin_states.py [--machines 1250] [--seconds 30] [--year 200] [--entries 20]

Folds a flush a second of 8 channels at 100 Hz from that many machines, a property write for each machine and channel,
into the records (SQLite), without the storing itself, and prints the processor time a second. Then it makes a year of
200 machines, hourly telemetry and so many entries a machine and day, and prints the bytes and how long the state of a
machine takes at random times.
"""

import argparse
import json
import resource
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

from data_contracts.contract.contract import telemetry_contract
from data_contracts.records.records import insert_records, open_records
from data_contracts.records.twin_records import TwinEntry
from data_contracts.tables import tables
from data_contracts.twin_state.current_readings import CurrentReadings, StoredFlush
from data_contracts.twin_state.twins import find_twin, state_of
from data_contracts.workspace import Workspace, init_workspace

ROWS = 100
START = pd.Timestamp("2025-03-01T00:00Z").as_unit("us")
DAY = pd.Timedelta(days=1)


def processor_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def fold_stream(workspace: Workspace, machines: int, seconds: int) -> dict[str, float]:
    """Fold a stream, each second a flush with a hundred rows of every machine."""
    contract = telemetry_contract("cnc_signals")
    current = CurrentReadings(workspace, open_records(workspace.records_url))
    rng, assets = np.random.default_rng(7), [f"cnc-{number:04}" for number in range(machines)]
    codes = np.repeat(np.arange(machines), ROWS)
    values = {name: rng.normal(size=len(codes)) for name in contract.channels}
    spent, longest = 0.0, 0.0
    for second in range(seconds + 1):
        event = int(START.timestamp() * 1e6) + second * 1_000_000 + np.tile(np.arange(ROWS) * 10_000, machines)
        good = np.ones(len(codes), dtype=bool)
        flush = StoredFlush(contract, second, assets, codes, event, event + 1_000_000, good, values)
        began, wall = processor_seconds(), time.perf_counter()
        current.fold([flush], START)
        if second:  # the first one inserts every row
            spent += processor_seconds() - began
            longest = max(longest, time.perf_counter() - wall)
    return {
        "property_writes_per_second": machines * len(contract.channels),
        "samples_per_second": len(codes) * len(contract.channels),
        "cpu_share": round(spent / seconds, 4),
        "longest_fold_ms": round(1e3 * longest, 1),
    }


def make_year(workspace: Workspace, machines: int, per_day: int) -> None:
    """Store a year of hourly telemetry, month by month, and a log with as many entries a machine and day."""
    contract, rng = telemetry_contract("cnc_machine"), np.random.default_rng(3)
    names = [f"cnc-{number:03}" for number in range(machines)]
    known = {"event_time": START, "known_time": START, "asset_type": "cnc_machine", "plant": "p", "line": "l"}
    tables.append(workspace, "assets", pd.DataFrame({"asset": names} | known), "assets")
    for month in range(12):
        hours = pd.date_range(START + month * 30.42 * DAY, periods=730, freq="h").as_unit("us")
        frame = pd.DataFrame({"asset": np.tile(names, len(hours)), "event_time": np.repeat(hours, machines)})
        frame["known_time"], frame["source"] = frame["event_time"] + pd.Timedelta("5min"), "physical"
        for name in contract.channels:
            frame[name] = rng.uniform(1, 20, len(frame))
        tables.append(workspace, "telemetry/cnc_machine", frame, f"month {month}")
    engine = open_records(workspace.records_url)
    for name in names:
        entries = []
        for number in range(1, 365 * per_day + 1):
            at = START + number * DAY / per_day
            channel = contract.channels[number % len(contract.channels)]
            entry = TwinEntry(name, number, number, channel, "override", "manual_override", 10.0, at.as_unit("us"),
                              at.as_unit("us"), (at + DAY / 3).as_unit("us"), "ada", "a benchmark", None, None, None,
                              None)  # fmt: skip
            entries.append(entry)
        with engine.begin() as connection:
            insert_records(connection, entries)


def ask_year(workspace: Workspace, machines: int, times: int) -> dict[str, float]:
    """Time the states of random machines at random times of the year, and those of now."""
    engine, rng = open_records(workspace.records_url), np.random.default_rng(5)
    now, took, spent = START + 366 * DAY, [], processor_seconds()
    for _ in range(times):
        twin = find_twin(workspace, f"cnc-{rng.integers(machines):03}")
        at = (START + rng.uniform(1, 364) * DAY).as_unit("us")
        began = time.perf_counter()
        state = state_of(workspace, engine, twin, now=now, as_of=at)
        took.append(time.perf_counter() - began)
        assert all(each.current is not None for each in state.properties.values())
    return {
        "p50_ms": round(1e3 * float(np.quantile(took, 0.5)), 1),
        "p99_ms": round(1e3 * float(np.quantile(took, 0.99)), 1),
        "cpu_ms": round(1e3 * (processor_seconds() - spent) / times, 1),
    }


def size_of(folder: Path) -> float:
    return round(sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) / 1e6, 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--machines", type=int, default=1250)
    parser.add_argument("--seconds", type=int, default=30)
    parser.add_argument("--year", type=int, default=200)
    parser.add_argument("--entries", type=int, default=20)
    parser.add_argument("--times", type=int, default=200)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        workspace = init_workspace(Path(folder) / "stream")
        print(json.dumps({"fold": fold_stream(workspace, options.machines, options.seconds)}), flush=True)
        workspace = init_workspace(Path(folder) / "year")
        make_year(workspace, options.year, options.entries)
        log_mb = round((Path(folder) / "year" / "records.db").stat().st_size / 1e6, 1)
        sizes = {"telemetry_mb": size_of(Path(folder) / "year" / "tables"), "log_mb": log_mb}
        entries = options.year * options.entries * 365
        print(json.dumps({"year": ask_year(workspace, options.year, options.times) | sizes | {"entries": entries}}))


if __name__ == "__main__":
    main()
