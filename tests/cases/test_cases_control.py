from collections.abc import Callable

import pytest

from tests.cases.conftest import Case


@pytest.mark.slow
def test_the_control_imports_and_trains(case: Callable[[str], Case]) -> None:
    """Clean files are taken whole, and the model learns from as many samples as there are."""
    control = case("00")
    files = ["--telemetry", "telemetry.csv", "--failures", "failures.csv", "-w", "w"]
    imported = control.forewarn("import", "files", "--contract", "pump.odcs.yaml", *files, "--json")
    assert imported.status == 0, imported.err
    assert imported.json["tables"]["telemetry/pump"]["accepted"] == 720
    trained = control.forewarn("train", "pump.toml", "-w", "w", "--json")
    assert trained.status == 0, trained.err
    assert (trained.json["n_train"], trained.json["failures_caught"], trained.json["failures_total"]) == (208, 5, 5)
