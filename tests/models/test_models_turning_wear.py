"""Flank wear of real turning tools: as good as a random forest on the same channels, tool by tool."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from sklearn.ensemble import RandomForestRegressor

from data_contracts.configuration.places import Source
from data_contracts.configuration.values import build
from data_contracts.tables.history import History
from models.experiment.experiment import Experiment
from models.training.training import train

START = pd.Timestamp("2026-01-01T00:00Z").as_unit("us")
SEGMENT = pd.Timedelta("1h").as_unit("us")
WORN = 300.0
EXPERIMENT: dict[str, Any] = {
    "name": "wear",
    "data": {"asset_type": "tool"},
    "windows": {"window": "1h", "stride": "1h"},
    "features": {"tsfresh": ["mean"], "ages": False, "events": False},
    "estimator": {"kind": "random_forest"},
    "split": {"kind": "cross", "test_folds": 13},
}


@pytest.fixture(scope="module")
def segments(datasets: Path) -> pd.DataFrame:
    rows = pd.read_csv(datasets / "turning_wear" / "Dataset_Machine_tool_wear.csv").rename(columns={"Vb": "wear"})
    rows.columns = rows.columns.str.replace(".", "_")
    number = rows.groupby("tool").cumcount()
    times = dict.fromkeys(("event_time", "known_time"), START + number * SEGMENT)
    return rows.assign(asset="tool-" + rows["tool"].astype(str), source="physical", **times).drop(columns="tool")


def history(segments: pd.DataFrame) -> History:
    keys = ("asset", "event_time", "known_time", "source")
    channels = tuple(column for column in segments.columns if column not in keys)
    assets = pd.DataFrame({"asset": segments["asset"].unique(), "event_time": START, "known_time": START})
    none = {
        name: pd.DataFrame({column: pd.Series(dtype=kind) for column, kind in columns.items()})
        for name, columns in _EMPTY.items()
    }
    return History(
        asset_type="tool",
        channels=channels,
        telemetry=segments,
        assets=assets.assign(asset_type="tool", model="m", plant="p", line="l"),
        versions={},
        **none,
    )


_TIMES = {"asset": "str", "event_time": "datetime64[us, UTC]", "known_time": "datetime64[us, UTC]"}
_EMPTY = {
    "failures": {"failure_id": "str", **_TIMES, "mode": "str"},
    "work_orders": {"work_order_id": "str", **_TIMES, "kind": "str", "finding": "str", "prompted_by": "str"},
    "events": {"event_id": "str", **_TIMES, "code": "str"},
}


def forest_by_tool(segments: pd.DataFrame, target: npt.NDArray[np.float64]) -> float:
    """Leave one tool out with a plain forest on the raw channels: what a data scientist would do by hand."""
    x = segments.drop(columns=["asset", "event_time", "known_time", "source", "wear"]).to_numpy(np.float64)
    predicted, known = np.full(len(x), np.nan), ~np.isnan(target)
    for tool in segments["asset"].unique():
        own = (segments["asset"] == tool).to_numpy()
        forest = RandomForestRegressor(200, min_samples_leaf=5, random_state=0)
        forest.fit(x[~own & known], target[~own & known])
        predicted[own] = forest.predict(x[own])
    return float(np.sqrt(np.nanmean((predicted - target)[known] ** 2)))


@pytest.mark.slow
def test_wear_itself(segments: pd.DataFrame) -> None:
    """The error in micrometres, leaving one tool out, is that of a forest by hand."""
    experiment = build(Experiment, EXPERIMENT | {"target": "condition", "label": {"condition": "wear"}}, Source("wear"))
    metrics = train(experiment, history(segments)).evaluation.metrics
    assert metrics["samples_scored"] == len(segments)
    assert metrics["rmse"] == pytest.approx(forest_by_tool(segments, segments["wear"].to_numpy()), rel=0.05)
    assert metrics["rmse"] < 0.6 * metrics["rmse_mean"]


@pytest.mark.slow
def test_remaining_segments(segments: pd.DataFrame) -> None:
    """Until the wear passes 300, capped at 100 segments: as good as a forest by hand, and below 15.7."""
    label = {"condition": "wear", "threshold": WORN, "cap": "100h"}
    experiment = build(Experiment, EXPERIMENT | {"target": "remaining_life", "label": label}, Source("wear"))
    metrics = train(experiment, history(segments)).evaluation.metrics
    assert metrics["rmse_capped"] < 15.7
    assert metrics["rmse_capped"] < 0.5 * metrics["rmse_mean"]
