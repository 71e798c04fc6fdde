"""How many predictions a second are stored with their answers, in SQLite and in PostgreSQL.

    python -m benchmarks.stored_predictions [--seconds 5] [--postgres URL] [--threads 4] [--processes 2]

Every process has threads that store one prediction a transaction, as a request for one asset does, and wait until it is
on disk; the commits of one process are shared. Without --postgres a server of its own is started in a temporary folder,
which flushes to disk as a plant's does. Prints a line of JSON for each.
"""

import argparse
import json
import multiprocessing
import sys
import tempfile
import time
import uuid
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pandas as pd

from data_contracts.records.answer_records import Answer, store_answers
from data_contracts.records.group_commit import GroupCommit
from data_contracts.records.records import Prediction, open_records

NOW = pd.Timestamp("2026-01-01", tz="UTC").as_unit("us")
CONTENT = json.dumps({"drivers": [{"feature": f"spindle__mean_{n}", "words": "high"} for n in range(8)]})


def store(url: str, threads: int, seconds: float, batch: int) -> tuple[int, list[float]]:
    """Store from several threads for a while; return how many predictions, and the seconds of each transaction."""
    commit, taken = GroupCommit(url), list[float]()
    commit.engine()
    ends = time.monotonic() + seconds

    def run(_: int) -> None:
        while (begun := time.monotonic()) < ends:
            names = [str(uuid.uuid4()) for _ in range(batch)]
            predictions = [
                Prediction(name, f"m-{n}", NOW, NOW, 3600.0, 0.0, 0.2, None, 0.5, False, "m", 1, "endpoint")
                for n, name in enumerate(names)
            ]
            answers = [
                Answer(name, f"m-{n}", NOW, NOW, "ok", None, "m", 1, "d" * 64, CONTENT) for n, name in enumerate(names)
            ]
            store_answers(commit, predictions, answers, valid_for=pd.Timedelta("1D"))
            taken.append(time.monotonic() - begun)

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(run, range(threads)))
    return len(taken) * batch, taken


def measure(name: str, url: str, given: argparse.Namespace, batch: int) -> None:
    """Print how many are stored a second by some processes."""
    open_records(url).dispose()
    count = given.processes
    with ProcessPoolExecutor(count, mp_context=multiprocessing.get_context("spawn")) as pool:
        results = list(
            pool.map(store, [url] * count, [given.threads] * count, [given.seconds] * count, [batch] * count)
        )
    taken = np.concatenate([each for _, each in results])
    line = {
        "records": name,
        "processes": count,
        "threads": given.threads,
        "a transaction": batch,
        "stored_per_second": round(sum(stored for stored, _ in results) / given.seconds),
        "median_ms": round(1000 * float(np.median(taken)), 2),
        "p99_ms": round(1000 * float(np.quantile(taken, 0.99)), 2),
    }
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--threads", type=int, default=4)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--postgres")
    given = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        postgres = given.postgres
        if postgres is None:
            from tests.postgres_server import postgres_server

            postgres = stack.enter_context(postgres_server(durable=True)).make_database("bench")
        for batch in (1, 100):
            measure("sqlite", f"sqlite:///{folder / 'records.db'}", given, batch)
            measure("postgresql", postgres, given, batch)


if __name__ == "__main__":
    main()
