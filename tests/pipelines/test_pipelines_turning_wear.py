"""The commands of docs/how-to/own-data.md on real tools: no times, and the failure is a measured wear."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from models.experiment.experiment_file import load_experiment
from pipelines.cli import main

pytestmark = pytest.mark.slow

Run = Callable[..., Any]
HOUR = pd.Timedelta("1h")
CSV = Path("turning_wear") / "Dataset_Machine_tool_wear.csv"
WORN = ("--condition", "Vb", "--threshold", "300")
# Five tools at random, as one fold in place of all thirteen, and fewer trees: for the test's time alone.
QUICK = ("--set", "split={kind='asset', test_share=0.385}", "--set", "estimator.params.n_estimators=20")


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    monkeypatch.chdir(tmp_path)

    def ran(*arguments: str, status: int = 0) -> Any:
        capsys.readouterr()
        try:
            code = main([*arguments, "--workspace", "w", "--json"])
        except SystemExit as ended:
            code = ended.code
        printed = capsys.readouterr()
        assert (code or 0) == status, printed.err
        return json.loads(printed.out)

    return ran


@pytest.fixture
def csv(datasets: Path) -> str:
    if not (datasets / CSV).exists():
        pytest.skip(f"{CSV} is not in {datasets}")
    return str(datasets / CSV)


def test_four_commands_from_the_csv_to_a_model(run: Run, csv: str, tmp_path: Path) -> None:
    """The contract, the import, the experiment and the model: nothing is written by hand, not even the failures."""
    inferred = run("contract", "infer", csv, "--asset-type", "tool", "--out", "tool.odcs.yaml")
    assert (inferred["rows"], inferred["refused"]) == (2054, 0)
    imported = run("import", "files", "--contract", "tool.odcs.yaml", "--telemetry", csv)
    assert imported["tables"]["telemetry/tool"]["quarantined"] == 0
    life = ("--target", "remaining_life", "--experiment", "tool-life.toml")
    (report,) = run("data", "report", *WORN, *life)["reports"]
    assert (report["assets"], report["failures"]["assets"], report["failures"]["breakdowns"]) == (13, 8, 8)
    experiment = load_experiment(tmp_path / "tool-life.toml")
    assert (experiment.split.kind, experiment.split.test_folds, experiment.windows.cut_offs) == ("cross", 13, "rows")
    assert (experiment.windows.window, experiment.label.cap) == ((HOUR,), 100 * HOUR)
    trained = run("train", "tool-life.toml", *QUICK)
    assert trained["clock"] == "cycle"
    assert trained["champion"]
    assert trained["rmse_capped"] < 0.7 * trained["rmse_mean"]
    run("data", "report", "--target", "condition", "--condition", "Vb", "--experiment", "wear.toml")
    worn = run("train", "wear.toml", *QUICK)
    assert worn["rmse"] < 0.7 * worn["rmse_mean"]
