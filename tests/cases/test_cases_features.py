from collections.abc import Callable

import pandas as pd
import pytest

from tests.cases.conftest import Case


@pytest.mark.slow
def test_a_replaced_machine_is_another_one(case: Callable[[str], Case]) -> None:
    """From the replacement on the age starts anew, and windows hold the new pump's readings alone."""
    replaced = case("29")
    files = ["--telemetry", "telemetry.csv", "--failures", "failures.csv", "--assets", "assets.csv"]
    imported = replaced.forewarn("import", "files", "--contract", "pump.odcs.yaml", *files, "-w", "w")
    assert imported.status == 0, imported.err
    trained = replaced.forewarn("train", "pump.toml", "-w", "w", "--json")
    assert trained.status == 0, trained.err
    written = replaced.forewarn("features", "pump.toml", "--out", "x", "-w", "w")
    assert written.status == 0, written.err
    features = pd.read_parquet(replaced.folder / "x")
    pump = features[features["asset"] == "pump-2"].set_index("as_of").sort_index()
    telemetry = pd.read_csv(replaced.folder / "telemetry.csv", parse_dates=["event_time"])
    telemetry = telemetry[telemetry["asset"] == "pump-2"].set_index("event_time")["temperature"]
    at = pd.Timestamp("2026-03-05T12:00Z")
    before, after = at - pd.Timedelta("2h"), at + pd.Timedelta("2h")
    assert pump.loc[before, "asset__age_hours"] == 106
    assert pump.loc[[at, after], "asset__age_hours"].tolist() == [0, 2]
    assert pump.loc[before, "temperature__maximum"] > 55
    assert pump.loc[after, "temperature__maximum"] == telemetry[at:after].max()
    assert pump.loc[after, "temperature__length"] == 3
    assert pump.loc[at + pd.Timedelta("12h"), "temperature__length"] == 12
    assert pump.loc[at:, "temperature__maximum"].max() < 40
