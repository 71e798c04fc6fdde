"""Histories with all the dirt there is, by seed."""

import itertools
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from data_contracts.tables.history import History

START = pd.Timestamp("2024-01-01T00:00Z").as_unit("us")
HOUR = pd.Timedelta("1h")
CHANNELS = ("speed", "power", "heat")


def _hours(rng: np.random.Generator, low: int, high: int, n: int) -> pd.TimedeltaIndex:
    return pd.to_timedelta(rng.integers(low, high, n), unit="h").as_unit("us")


def _known(rng: np.random.Generator, frame: pd.DataFrame) -> pd.DataFrame:
    """Let half of the rows become known at once and half up to a day late."""
    n = len(frame)
    late = np.where(rng.random(n) < 0.5, 0, rng.integers(0, 24, n))
    frame["known_time"] = frame["event_time"] + pd.to_timedelta(late, unit="h")
    return frame


def _telemetry(rng: np.random.Generator, assets: list[str], rows: int) -> pd.DataFrame:
    """Make rows with competing sources, corrections, exact ties, nulls, and few different values."""
    frame = pd.DataFrame(
        {
            "asset": rng.choice(assets, rows),
            "event_time": START + _hours(rng, 0, 48, rows),
            "source": rng.choice(["physical", "simulation", "manual_override"], rows, p=[0.7, 0.2, 0.1]),
        }
    )
    frame = _known(rng, frame)
    for channel in CHANNELS:
        values = np.round(rng.normal(size=rows), 1)
        frame[channel] = np.where(rng.random(rows) < 0.2, np.nan, values)
    return frame


def _records(rng: np.random.Generator, assets: list[str], rows: int, identifier: str) -> pd.DataFrame:
    frame = pd.DataFrame(
        {
            identifier: [f"{identifier}-{number}" for number in rng.integers(0, max(rows // 2, 1), rows)],
            "asset": rng.choice(assets, rows),
            "event_time": START + _hours(rng, 0, 48, rows),
        }
    )
    return _known(rng, frame)


def build_history(seed: int, *, rows: int = 120, n_assets: int = 3) -> History:
    """Make a history in which nothing comes as it should.

    Parameters
    ----------
    seed
        Decides everything.
    rows
        Telemetry rows.
    n_assets
        Assets.

    Returns
    -------
    History
    """
    rng = np.random.default_rng(seed)
    names = [f"m{number}" for number in range(n_assets)]
    orders = _records(rng, names, 20, "work_order_id")
    orders["kind"] = rng.choice(["routine", "inspection", "corrective"], 20)
    orders["component"] = pd.Series(rng.choice(["spindle", "axis", "none"], 20)).replace("none", None)
    orders["finding"] = rng.choice(["defect_confirmed", "no_fault_found"], 20)
    orders["prompted_by"] = "schedule"
    failures = _records(rng, names, 10, "failure_id")
    failures["mode"] = rng.choice(["spindle", "axis"], 10)
    events = _records(rng, names, 30, "event_id")
    events["code"] = rng.choice(["error1", "error2"], 30)
    assets = _records(rng, names, 6, "line").assign(asset_type="cnc", plant="p1")
    assets["model"] = rng.choice(["model1", "model2"], 6)
    return History("cnc", CHANNELS, _telemetry(rng, names, rows), assets, failures, orders, events, {})


def naive_begin(history: History, asset: str, as_of: pd.Timestamp) -> pd.Timestamp:
    """Return when a machine of another model took an asset's place, known at the cut-off; long ago if none did."""
    records = history.assets[history.assets["asset"] == asset].sort_values(["event_time", "known_time", "model"])
    records = records[(records["known_time"] <= as_of) & (records["event_time"] <= as_of)]
    begin = pd.Timestamp(0, tz="UTC")
    models = records.drop_duplicates("event_time", keep="last").set_index("event_time")["model"]
    for (_, before), (time, after) in itertools.pairwise(models.items()):
        begin = begin if before == after else time
    return begin


@pytest.fixture(scope="session")
def machine_begin() -> Callable[[History, str, pd.Timestamp], pd.Timestamp]:
    """Return the slow and obvious way to find when an asset's machine took another's place."""
    return naive_begin


@pytest.fixture(scope="session")
def history_of() -> Callable[..., History]:
    """Return the maker of dirty histories."""
    return build_history
