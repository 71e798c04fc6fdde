"""How often readings come, and the latest by a cut-off, against a slow twin."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_contracts.tables import tables
from data_contracts.tables.readings import ReadingRhythm, last_readings, reading_rhythm
from data_contracts.workspace import Workspace, init_workspace

TABLE, BEGIN = "telemetry/press", pd.Timestamp("2026-03-01T00:00Z").as_unit("us")
HOUR, MINUTE = pd.Timedelta("1h"), pd.Timedelta("1min")
ASSETS = ("p1", "p2", "p'3")


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return init_workspace(tmp_path)


def store(workspace: Workspace, rows: pd.DataFrame, name: str = "b") -> Workspace:
    tables.append(workspace, TABLE, rows.assign(source="physical"), name)
    return workspace


def every(interval: pd.Timedelta, count: int, asset: str = "p1", delay: pd.Timedelta = 0 * HOUR) -> pd.DataFrame:
    times = BEGIN + interval * np.arange(count)
    return pd.DataFrame({"asset": asset, "event_time": times, "known_time": times + delay, "force n": 1.0})


def test_no_telemetry_has_no_rhythm(workspace: Workspace) -> None:
    """Neither a table that is not there nor a single reading says how long the next one takes."""
    assert reading_rhythm(workspace, TABLE) is None
    assert reading_rhythm(store(workspace, every(HOUR, 1)), TABLE) is None


def test_a_rhythm_is_that_of_nearly_all_readings(workspace: Workspace) -> None:
    """A month of silence is not how long one usually waits, nor are the ten readings of one minute."""
    resumed = every(HOUR, 300).assign(event_time=lambda rows: rows["event_time"] + pd.Timedelta("40D"))
    resumed["known_time"] = resumed["event_time"]
    burst = every(HOUR, 300, "p2", delay=3 * MINUTE)
    seconds = pd.concat([burst.assign(event_time=burst["event_time"] + n * pd.Timedelta("1s")) for n in range(10)])
    store(workspace, pd.concat([every(HOUR, 300), resumed, seconds]))
    rhythm = reading_rhythm(workspace, TABLE)
    assert rhythm is not None
    assert rhythm.interval == HOUR
    assert 2 * MINUTE < rhythm.delay <= 3 * MINUTE


def test_readings_that_come_in_one_file_a_day_are_known_hours_later(workspace: Workspace) -> None:
    """The delay says how old the latest reading gets where nothing is wrong."""
    rows = every(HOUR, 24 * 20)
    store(workspace, rows.assign(known_time=rows["event_time"].dt.ceil("D") + HOUR))
    assert reading_rhythm(workspace, TABLE) == ReadingRhythm(HOUR, 23 * HOUR)


def test_history_that_is_imported_late_is_no_delay(workspace: Workspace) -> None:
    """Years known in one hour say nothing of the line; their readings' times still do."""
    store(workspace, every(2 * HOUR, 500).assign(known_time=BEGIN + pd.Timedelta("900D")))
    assert reading_rhythm(workspace, TABLE) == ReadingRhythm(2 * HOUR, 0 * HOUR)


def test_rows_without_a_value_are_no_readings(workspace: Workspace) -> None:
    """A sensor that sends nulls every hour and a value a day has a reading a day."""
    rows = every(HOUR, 24 * 30)
    rows["force n"] = rows["force n"].where(rows["event_time"].dt.hour == 6)
    store(workspace, rows)
    assert reading_rhythm(workspace, TABLE) == ReadingRhythm(24 * HOUR, 0 * HOUR)


@given(seed=st.integers(0, 10_000), until=st.integers(0, 200), start=st.none() | st.integers(0, 200))
@settings(max_examples=25, deadline=None)
def test_the_last_reading_known_by_a_cut_off(
    tmp_path_factory: pytest.TempPathFactory, seed: int, until: int, start: int | None
) -> None:
    """Late rows, nulls and the future change nothing: as row by row."""
    rng, n = np.random.default_rng(seed), 40
    happened = BEGIN + pd.to_timedelta(rng.integers(0, 200, n), unit="min")
    rows = pd.DataFrame(
        {
            "asset": rng.choice(ASSETS, n),
            "event_time": happened,
            "known_time": happened + pd.to_timedelta(rng.integers(0, 60, n), unit="min"),
            "force n": rng.choice([1.0, np.nan], n),
            'say "x"': rng.choice([1.0, np.nan], n),
        }
    )
    workspace = store(init_workspace(tmp_path_factory.mktemp("last")), rows)
    as_of, since = BEGIN + until * MINUTE, None if start is None else BEGIN + start * MINUTE
    found = last_readings(workspace, TABLE, as_of=as_of, assets=list(ASSETS), start=since)
    expected: dict[str, pd.Timestamp] = {}
    for row in rows.to_dict("records"):
        valued = not (np.isnan(row["force n"]) and np.isnan(row['say "x"']))
        if valued and row["known_time"] <= as_of and (since is None or row["event_time"] > since):
            expected[row["asset"]] = max(row["event_time"], expected.get(row["asset"], row["event_time"]))
    assert found == expected
