"""Features by threads and by worker processes of Dask, of the same stored telemetry: seconds, and that no bit differs.

    python benchmarks/dask_engine.py --folder /tmp/scale

The fleet is that of `scale_read.py`. Each way is timed `--times` times, in turn, and the shortest counts; the cluster's
start is apart. Threads use as many cores as there are.
"""

import argparse
import os
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pandas as pd
from scale_read import DAYS, START, write_fleet

from data_contracts.tables.history import open_history
from data_contracts.workspace import open_workspace
from features import Recipe, extract, parse_feature_set
from pipelines.compute.dask_engine import local_engine

FEATURES = {"few features": ["mean", "maximum"], "efficient": "efficient"}


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the arguments, measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--assets", type=int, default=200)
    parser.add_argument("--millions", type=float, default=2, help="rows of telemetry")
    parser.add_argument("--workers", type=int, nargs="+", default=[2, 4])
    parser.add_argument("--times", type=int, default=3)
    parser.add_argument("--folder", type=Path, help="where to keep the workspace; a temporary folder by default")
    chosen = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as temporary, ExitStack() as started:
        folder = (chosen.folder or Path(temporary)).resolve() / f"{chosen.assets}_{chosen.millions:g}"
        if not folder.exists():
            folder.mkdir(parents=True)
            write_fleet(folder, chosen.assets, chosen.millions)
        workspace = open_workspace(folder / "w", os.environ)
        engines = {"threads": None}
        for workers in chosen.workers:
            begin = time.perf_counter()
            engine = started.enter_context(local_engine(workers))
            engine.check_workers(workspace)
            print(f"{workers} workers have started after {time.perf_counter() - begin:.1f} s", flush=True)
            engines[f"{workers} workers"] = engine
        assets = [f"pump-{number:06d}" for number in range(chosen.assets)]
        times = START + pd.to_timedelta(np.arange(1, 2 * DAYS) * 12, unit="h")
        cut_offs = pd.DataFrame({"asset": np.repeat(assets, len(times)), "as_of": np.tile(times, len(assets))})
        cut_offs["as_of"] = pd.DatetimeIndex(cut_offs["as_of"]).as_unit("us").tz_convert("UTC")
        for name, described in FEATURES.items():
            channels = ("vibration", "temperature")
            recipe = Recipe("pump", channels, (pd.Timedelta("12h"),), parse_feature_set(described))
            seconds, first = dict.fromkeys(engines, np.inf), None
            for _ in range(chosen.times):
                for way, engine in engines.items():
                    history = open_history(workspace, "pump", engine=engine)
                    begin = time.perf_counter()
                    found = extract(history, cut_offs, recipe).to_numpy()
                    seconds[way] = min(seconds[way], time.perf_counter() - begin)
                    first = found if first is None else first
                    assert found.tobytes() == first.tobytes(), f"{way} gives other bits"
            for way, taken in seconds.items():
                ratio = taken / seconds["threads"]
                print(f"{name}, {len(cut_offs):,} cut-offs, {way}: {taken:.1f} s, {ratio:.2f} of threads", flush=True)


if __name__ == "__main__":
    main()
