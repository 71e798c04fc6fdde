from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from data_contracts.tables import tables
from data_contracts.tables.history import read_history
from data_contracts.tables.telemetry import reconcile
from data_contracts.workspace import open_workspace
from features import extract, fit_recipe
from models.labels.labels import known_rows
from tests.cases.conftest import Case


@pytest.mark.slow
def test_a_mended_export_replaces_the_first(case: Callable[[str], Case]) -> None:
    """Smaller, larger, filled in, a failure moved earlier: what the second import says counts, nothing by its size."""
    export = case("01")
    options = ["import", "files", "--contract", "pump.odcs.yaml", "-w", "w", "--json"]
    for telemetry, failures in (
        ("telemetry_1.csv", "failures.csv"),
        ("telemetry_2_mended.csv", "failures_mended.csv"),
    ):
        imported = export.forewarn(*options, "--telemetry", telemetry, "--failures", failures)
        assert imported.status == 0, imported.err
        assert imported.json["tables"]["telemetry/pump"]["accepted"] == 72
    workspace = open_workspace(Path("w"), {})
    history = read_history(workspace, "pump")
    rows = reconcile(tables.read(workspace, "telemetry/pump", assets=["pump-1"]), history.channels)
    day = pd.Timestamp("2026-03-01T00:00Z")
    vibration = rows.set_index("event_time")["vibration"]
    hours = [day + pd.Timedelta(hours=hour) for hour in (3, 5, 8)]
    assert vibration[hours].tolist() == [2.1, 2.2, 2.3]
    latest = known_rows(history.failures, "failure_id", pd.Timestamp("2027-01-01", tz="UTC"))
    assert latest.set_index("failure_id").loc["F1", "event_time"] == pd.Timestamp("2026-03-01T20:00Z")
    recipe = fit_recipe(history, windows=[pd.Timedelta("1h")], feature_set=["mean"], events=False, ages=False)
    features = extract(history, pd.DataFrame({"asset": "pump-1", "as_of": hours}), recipe)
    assert features["vibration__mean"].tolist() == [2.1, 2.2, 2.3]
