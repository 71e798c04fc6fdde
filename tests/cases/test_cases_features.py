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
    # Later cut-offs of the old pump are no samples: whether it would have failed within 12 hours nobody will know.
    before, after = at - pd.Timedelta("12h"), at + pd.Timedelta("2h")
    assert pump.index[pump.index < at].max() == before
    assert pump.loc[before, "asset__age_hours"] == 96
    assert pump.loc[[at, after], "asset__age_hours"].tolist() == [0, 2]
    assert pump.loc[before, "temperature__maximum"] > 55
    assert pump.loc[after, "temperature__maximum"] == telemetry[at:after].max()
    assert pump.loc[after, "temperature__length"] == 3
    assert pump.loc[at + pd.Timedelta("12h"), "temperature__length"] == 12
    assert pump.loc[at:, "temperature__maximum"].max() < 40


COUNTER = "- {name: starts, logicalType: number}"
DECLARED = """- name: starts
        logicalType: number
        customProperties:
          - {property: counter, value: true}
          - {property: rollover, value: 65536}"""


@pytest.mark.slow
def test_a_counter_that_rolls_over_is_seen_by_its_increments(case: Callable[[str], Case]) -> None:
    """Declared in the contract, it gives neither a fall of 65,499 at the wrap nor a level that grows."""
    counting = case("26")
    contract = counting.folder / "pump.odcs.yaml"
    contract.write_text(contract.read_text().replace(COUNTER, DECLARED))
    files = ["--telemetry", "telemetry.csv", "--failures", "failures.csv", "-w", "w"]
    imported = counting.forewarn("import", "files", "--contract", "pump.odcs.yaml", *files)
    assert imported.status == 0, imported.err
    trained = counting.forewarn("train", "pump.toml", "-w", "w", "--json")
    assert trained.status == 0, trained.err
    written = counting.forewarn("features", "pump.toml", "--out", "x", "-w", "w")
    assert written.status == 0, written.err
    features = pd.read_parquet(counting.folder / "x")
    telemetry = pd.read_csv(counting.folder / "telemetry.csv", parse_dates=["event_time"])
    rises = telemetry.groupby("asset")["starts"].diff() % 65_536
    assert telemetry["starts"].diff().min() < -65_000
    assert features["starts__maximum"].max() == rises.max()
    assert features["starts__minimum"].min() == rises.min()
    one = features[features["asset"] == "pump-1"].set_index("as_of").loc["2026-03-02T00:00Z"]
    own = telemetry[telemetry["asset"] == "pump-1"].set_index("event_time")["starts"]
    inside = own["2026-03-01T12:30Z":"2026-03-02T00:00Z"]
    assert one["starts__length"] == len(inside) - 1
    assert one["starts__sum_values"] == (inside.iloc[-1] - inside.iloc[0]) % 65_536
