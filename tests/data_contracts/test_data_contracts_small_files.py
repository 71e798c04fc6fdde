"""Merging small files: few are left, and none is rewritten over and over."""

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from data_contracts.tables import tables
from data_contracts.tables.files.small_files import worth_merging
from data_contracts.tables.files.verification import DataFile, data_files
from data_contracts.tables.table_access import open_to_read
from data_contracts.workspace import Workspace

TABLE = "telemetry/pump"
TARGET = 16 * 2**20
START = pd.Timestamp("2026-01-01", tz="UTC").as_unit("us")


def readings(first: int, count: int) -> pd.DataFrame:
    times = START + (first + np.arange(count)) * pd.Timedelta(seconds=1)
    flow = np.random.default_rng(first).normal(size=count)
    return pd.DataFrame({"asset": "p1", "event_time": times, "known_time": times, "source": "physical", "flow": flow})


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(8_000, 60_000), min_size=1, max_size=30))
def test_a_growing_table_is_rewritten_seldom(sizes: list[int]) -> None:
    """By 16 files at a time up to 16 MiB: each byte up to ten times; to rewrite all each time would be up to 65."""
    files, rewritten, stored = list[int](), 0, 0
    for number in range(2 * TARGET // max(sizes)):
        files.append(sizes[number % len(sizes)])
        stored += files[-1]
        if number % 16:
            continue
        small = [
            DataFile(str(place), size, None, None, None, None) for place, size in enumerate(files) if size < TARGET
        ]
        chosen = worth_merging(small)
        left = [file.size for file in small if file not in chosen]
        merged = sum(file.size for file in chosen)
        assert all(size > 4 * merged for size in left[:1])
        files = [size for size in files if size >= TARGET] + left + [merged]
        rewritten += merged
        assert len(left) <= 5
    assert rewritten <= 12 * stored


def test_what_is_merged_stays_while_little_is_added(workspace: Workspace) -> None:
    """A big file is the same after many small ones, which are merged without it; no row is lost."""

    def paths() -> dict[str, int]:
        delta = open_to_read(workspace, TABLE)
        assert delta is not None
        return {file.path: file.size for file in data_files(delta)}

    tables.append(workspace, TABLE, readings(0, 150_000), "big")
    [(big, size)] = paths().items()
    assert 2**20 < size < TARGET
    for number in range(15):
        tables.append(workspace, TABLE, readings(150_000 + number, 1), f"small {number}")
    assert big in paths()
    assert len(paths()) <= 3
    stored = tables.read(workspace, TABLE)
    assert stored["event_time"].tolist() == readings(0, 150_015)["event_time"].tolist()
    tables.append(workspace, TABLE, readings(200_000, 150_000), "as much again")
    for number in range(16):
        tables.append(workspace, TABLE, readings(400_000 + number, 1), f"smaller {number}")
    assert big not in paths()
