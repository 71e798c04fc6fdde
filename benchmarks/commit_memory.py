"""What a process holds that stores a small commit again and again, as one that computes indicators does.

    python -m benchmarks.commit_memory [--commits 800] [--rows 9] [--features 80]

Prints for each hundred commits the median and the most of its own memory (USS), read four times a second, beside the
processor time so far and the bytes of all files written so far, also of those merged since.
"""

import argparse
import statistics
import tempfile
import threading
import time
from pathlib import Path

import psutil

from pipelines.cli.long_running import run_long

MIB = 2**20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--commits", type=int, default=800)
    parser.add_argument("--rows", type=int, default=9, help="of each commit")
    parser.add_argument("--features", type=int, default=80, help="of each row")
    given = parser.parse_args()
    run_long()
    held, over = list[float](), threading.Event()
    watching = threading.Thread(target=_watch, args=(held, over))
    watching.start()
    try:
        with tempfile.TemporaryDirectory() as folder:
            store(Path(folder), given.commits, given.rows, given.features, held)
    finally:
        over.set()
        watching.join()


def store(folder: Path, commits: int, rows: int, features: int, held: list[float]) -> None:
    """Store the commits, and print what was held meanwhile."""
    # Loaded after the allocators' settings are read.
    import numpy as np
    import pandas as pd

    from data_contracts.tables import tables
    from data_contracts.workspace import init_workspace

    workspace, draw = init_workspace(folder / "workspace"), np.random.default_rng(1)
    start = pd.Timestamp("2026-01-01", tz="UTC").as_unit("us")
    for number in range(commits):
        times = start + (number * rows + np.arange(rows)) * pd.Timedelta(seconds=1)
        key = {"asset": [f"m{row}" for row in range(rows)], "event_time": times, "known_time": times}
        values = {f"feature_{feature}": draw.standard_normal(rows) for feature in range(features)}
        frame = pd.DataFrame(key | {"source": "physical"} | values)
        since = number - 1 if number else None
        tables.append_consumed(workspace, "telemetry/indicators", frame, "consumer", since=since, upto=number)
        if number % 100 == 99:
            own, held[:] = list(held), []
            files = Path(workspace.tables_url, "telemetry", "indicators").glob("*.parquet")
            written = sum(file.stat().st_size for file in files) / MIB
            median, most = statistics.median(own), max(own)
            print(
                f"{number + 1:5} commits: {median:.1f} MiB, at most {most:.1f}; "
                f"{time.process_time():.0f} s of processor time, {written:.0f} MiB written",
                flush=True,
            )


def _watch(held: list[float], over: threading.Event) -> None:
    process = psutil.Process()
    while not over.wait(0.25):
        held.append(process.memory_full_info().uss / MIB)


if __name__ == "__main__":
    main()
