"""Whether a condition was beyond its threshold by the readings known at a cut-off."""

from typing import Literal

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_contracts.contract.contract import STORED_VERSION
from data_contracts.contract.twins import SOURCE_PRIORITY
from models.labels.condition import Threshold
from models.labels.known_condition import beyond_as_known

START, HOUR = pd.Timestamp("2026-01-01", tz="UTC"), pd.Timedelta("1h")
SOURCES = ["physical", "simulation", "manual_override"]


def readings(seed: int, *, latest: int) -> pd.DataFrame:
    """Make readings of two assets, of several sources, some known late, some corrected, some empty."""
    rng = np.random.default_rng(seed)
    count = int(rng.integers(1, 40))
    hours = rng.integers(0, 24, count)
    late = rng.choice([0, 0, 1, 5, latest], count)
    return pd.DataFrame(
        {
            "asset": rng.choice(["t1", "t2"], count),
            "event_time": START + hours * HOUR,
            # A clock that is ahead knows a reading before its time.
            "known_time": START + (hours + late - rng.choice([0, 0, 0, 2], count)) * HOUR,
            "source": rng.choice(SOURCES, count, p=[0.6, 0.3, 0.1]),
            "wear": np.where(rng.random(count) < 0.15, np.nan, rng.integers(0, 10, count).astype(float)),
            STORED_VERSION: rng.integers(0, 3, count),
        }
    )


CUT_OFFS = pd.DataFrame([(a, START + h * HOUR) for h in range(-1, 40, 2) for a in ("t1", "t3", "t2")])
CUT_OFFS.columns = pd.Index(["asset", "as_of"])


def is_beyond(frame: pd.DataFrame, asset: str, as_of: pd.Timestamp, threshold: Threshold) -> bool:
    """Reconcile what was known by a cut-off, row by row, and look at the last reading."""
    rows = frame[(frame["asset"] == asset) & (frame["known_time"] <= as_of) & (frame["event_time"] <= as_of)]
    order = {source: rank for rank, source in enumerate(SOURCE_PRIORITY)}
    by_instant: dict[pd.Timestamp, dict[int, tuple[pd.Timestamp, int, float]]] = {}
    for row in rows.to_dict("records"):
        value = np.inf if np.isnan(row["wear"]) else row["wear"]  # among equals, the larger counts, and none most
        by_source = by_instant.setdefault(row["event_time"], {})
        rank, new = order[row["source"]], (row["known_time"], row[STORED_VERSION], value)
        by_source[rank] = max(by_source.get(rank, new), new)
    for instant in sorted(by_instant, reverse=True):
        for _, (_, _, value) in sorted(by_instant[instant].items()):
            if value < np.inf:
                return value > threshold.value if threshold.direction == "above" else value < threshold.value
    return False


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 100_000), st.sampled_from(["above", "below"]), st.integers(0, 9))
def test_a_cut_off_sees_the_readings_known_then(seed: int, direction: Literal["above", "below"], value: int) -> None:
    """It is what an obvious loop says of the rows known by each cut-off; nothing known later changes it."""
    frame, threshold = readings(seed, latest=15), Threshold("wear", float(value), direction)
    beyond = beyond_as_known(CUT_OFFS, frame, threshold)
    expected = [is_beyond(frame, asset, as_of, threshold) for asset, as_of in CUT_OFFS.itertuples(index=False)]
    assert beyond.tolist() == expected


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 100_000))
def test_without_late_readings_it_is_what_all_telemetry_says(seed: int) -> None:
    """Readings that were known at their own time and never corrected give the same, known or in hindsight."""
    frame, threshold = readings(seed, latest=0), Threshold("wear", 5.0)
    frame = frame.assign(known_time=frame["event_time"]).drop_duplicates(["asset", "event_time"])
    assert beyond_as_known(CUT_OFFS, frame, threshold).tolist() == threshold.already_beyond(CUT_OFFS, frame).tolist()


@pytest.mark.parametrize("rows", [0, 1])
def test_hardly_any_readings(rows: int) -> None:
    """No reading is beyond nothing; neither is an asset without any."""
    frame = readings(1, latest=3).head(rows)
    assert beyond_as_known(CUT_OFFS, frame, Threshold("wear", -1.0)).sum() <= 21
    assert not beyond_as_known(CUT_OFFS.head(0), frame, Threshold("wear", -1.0)).size
