"""A workspace, and batches to put into it."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from data_contracts.contract.contract import Contract, telemetry_contract
from data_contracts.workspace import Workspace, init_workspace

NOW = pd.Timestamp("2024-06-01T00:00Z")
MakeTelemetry = Callable[..., pd.DataFrame]


@pytest.fixture
def now() -> pd.Timestamp:
    """Return the time of the tests."""
    return NOW


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """Return a fresh workspace."""
    return init_workspace(tmp_path / "ws")


@pytest.fixture(scope="session")
def cnc() -> Contract:
    """Return the telemetry contract of CNC machines."""
    return telemetry_contract("cnc_machine")


@pytest.fixture(scope="session")
def make_telemetry(cnc: Contract) -> MakeTelemetry:
    """Return a function that makes good telemetry of a day."""

    def make(day: int = 0, assets: int = 3, hours: int = 24) -> pd.DataFrame:
        start = pd.Timestamp("2024-05-01T01:00Z") + pd.Timedelta(days=day)
        times = pd.date_range(start, periods=hours, freq="h").as_unit("us")
        names = [f"cnc-{number:02d}" for number in range(assets)]
        frame = pd.DataFrame({"asset": np.repeat(names, hours), "event_time": np.tile(times, assets)})
        frame["event_time"] = frame["event_time"].astype("datetime64[us, UTC]")
        frame["known_time"] = frame["event_time"] + pd.Timedelta(minutes=5)
        frame["source"] = "physical"
        rng = np.random.default_rng(day)
        for channel in cnc.channels:
            frame[channel] = rng.uniform(1.0, 20.0, len(frame)).round(6)
        return frame

    return make
