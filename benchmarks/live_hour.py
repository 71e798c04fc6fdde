"""What an hour of live telemetry costs on disk and to read, before and after upkeep; a day by arithmetic.

    python benchmarks/live_hour.py --machines 20 --minutes 60 --out /tmp/live_hour.jsonl

Stores the simulated machines' readings (8 channels at 100 Hz) as a listener does: a commit a second, with a transaction
a machine. Then does what upkeep does, as hours later, when nobody reads the old files any more. Prints a JSON object a
line: files, bytes of data and log, how long commits take, how long a read of ten minutes of one machine takes.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from data_contracts.streams.stream_table import StreamTable
from data_contracts.tables import tables
from data_contracts.tables.table_handles import open_table
from data_contracts.upkeep.compaction import compact
from data_contracts.upkeep.unused_files import remove_unused
from data_contracts.workspace import Workspace, init_workspace
from pipelines.fleet.live.machines.live_plant import CHANNELS, RATE, make_live_plant, second_of
from pipelines.fleet.live.machines.plant_second import PlantSecond, plant_seconds

TABLE = "telemetry/cnc_signals"
BEGIN = pd.Timestamp("2026-05-01T00:00Z").as_unit("us")
LATER = pd.Timestamp("2100-01-01T00:00Z")
NONE = pd.Timedelta(0)
DAY = 86_400
_MS, _MB = 1e3, 1e6


def rows_of(names: np.ndarray, part: PlantSecond) -> pa.Table:
    """Return a second as a listener stores it: by event time and asset, known a second later."""
    times = np.repeat(part.begins + np.arange(RATE) * (1_000_000 // RATE), len(part.machines))
    instants = pa.timestamp("us", tz="UTC")
    columns = {
        "asset": pa.array(np.tile(names[part.machines], RATE), pa.string()),
        "event_time": pa.array(times).cast(instants),
        "known_time": pa.array(np.full(len(times), part.begins + 2_000_000)).cast(instants),
        "source": pa.repeat("physical", len(times)).cast(pa.string()),
    }
    values = {name: part.readings[:, place].T.ravel() for place, name in enumerate(CHANNELS)}
    return pa.table(columns | values)


def measured(action: Callable[[], object], repeats: int = 5) -> float:
    """Return the median milliseconds of an action, after a first time."""
    action()
    seconds = []
    for _ in range(repeats):
        began = time.perf_counter()
        action()
        seconds.append(time.perf_counter() - began)
    return round(float(np.median(seconds)) * _MS, 1)


def state(workspace: Workspace, asset: str, end: pd.Timestamp) -> dict[str, float]:
    """Measure what the table takes on disk, and what reads of it take."""
    folder = Path(workspace.tables_url, TABLE)
    data, log = list(folder.glob("*.parquet")), list((folder / "_delta_log").iterdir())
    ten_minutes = pd.Timedelta(minutes=10)

    def read() -> None:
        assert len(tables.read(workspace, TABLE, assets=[asset], start=end - ten_minutes, end=end)) == 600 * RATE

    return {
        "files": len(data),
        "data_mb": round(sum(path.stat().st_size for path in data) / _MB, 1),
        "log_files": len(log),
        "log_mb": round(sum(path.stat().st_size for path in log) / _MB, 1),
        "open_ms": measured(lambda: open_table(str(folder))),
        "read_10_min_of_one_ms": measured(read),
    }


def main() -> None:
    """Store, measure, keep up, and measure again."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--machines", type=int, default=20)
    parser.add_argument("--minutes", type=int, default=60)
    parser.add_argument("--every", type=int, default=0, help="upkeep also after every so many minutes")
    parser.add_argument("--out", default="")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        workspace = init_workspace(Path(folder, "ws"))
        plant = make_live_plant(1, given.machines)
        names = np.array(plant.names, dtype=object)
        stream, commits, taken = StreamTable(workspace, TABLE), list[float](), 0.0
        since, n_rows = second_of(BEGIN), 0
        for number, part in enumerate(plant_seconds(plant, since, since + 60 * given.minutes)):
            rows = rows_of(names, part)
            n_rows += len(rows)
            began = time.perf_counter()
            stream.append(rows, {f"{names[machine]}/1": number for machine in part.machines})
            commits.append(time.perf_counter() - began)
            if given.every and (number + 1) % (60 * given.every) == 0:
                taken += keep_up(workspace)
        end = BEGIN + pd.Timedelta(minutes=given.minutes // 2 + 5)
        lines = [{"machines": given.machines, "minutes": given.minutes, "rows": n_rows} | of_commits(commits)]
        lines.append({"when": "before"} | state(workspace, names[0], end))
        expected = tables.count_rows(workspace, TABLE, start=BEGIN - pd.Timedelta(1, "s"), end=LATER)
        taken += keep_up(workspace)
        after = state(workspace, names[0], end)
        assert tables.count_rows(workspace, TABLE, start=BEGIN - pd.Timedelta(1, "s"), end=LATER) == expected == n_rows
        lines.append({"when": "after", "upkeep_s": round(taken, 1)} | after)
        scale = DAY / (60 * given.minutes)
        by_day = {"data_gb": after["data_mb"] * scale / 1e3, "upkeep_min": taken * scale / 60}
        lines.append({"when": "a day, by arithmetic"} | {name: round(value, 2) for name, value in by_day.items()})
    text = "\n".join(map(json.dumps, lines))
    print(text)
    if given.out:
        Path(given.out).write_text(text + "\n", encoding="utf-8")


def of_commits(seconds: list[float]) -> dict[str, float]:
    """Return the medians of the first and of the last hundred commits, and the longest."""
    first, last = np.median(seconds[:100]), np.median(seconds[-100:])
    figures = {"first_commits_ms": first, "last_commits_ms": last, "longest_commit_ms": max(seconds)}
    return {name: round(float(value) * _MS, 1) for name, value in figures.items()}


def keep_up(workspace: Workspace) -> float:
    """Compact all, and remove what is unused; return the seconds."""
    began = time.perf_counter()
    compact(workspace, TABLE, settled_until=LATER)
    remove_unused(workspace, TABLE, now=LATER, grace=NONE, log_kept=NONE)
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
