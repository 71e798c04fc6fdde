"""`forewarn doctor` about the feature engine: what is compiled, and which columns of a champion are slow."""

import dataclasses
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from features import kernels_compiled, register_calculator
from features.kernels import compilation
from models.experiment.experiment_file import load_experiment
from pipelines.cli import app
from pipelines.evidence.champion import load_champion
from pipelines.indicators import definitions
from pipelines.jobs.train import train_experiment

UNSUPPORTED = 'change_quantiles__f_agg_"max"__isabs_True__qh_0.8__ql_0.2'


def engine(capsys: pytest.CaptureFixture[str], plant: Any, *words: str) -> dict[str, str]:
    capsys.readouterr()
    with pytest.raises(SystemExit) as leaving:
        app.main(["doctor", "--workspace", str(plant.workspace.root), "--json", *words])
    assert not leaving.value.code
    entries = json.loads(capsys.readouterr().out)["feature_engine"]
    return {entry["what"]: entry["is"] for entry in entries}


def add_champion(plant: Any, experiment: Any, name: str, features: tuple[str, ...]) -> None:
    plan = dataclasses.replace(experiment.features, tsfresh=features)
    train_experiment(plant.workspace, dataclasses.replace(experiment, name=name, features=plan), now=plant.at(55))


def test_a_champion_of_kernels_is_fast(plant: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """Where every column has a kernel, nothing is named."""
    state = engine(capsys, plant)
    assert state["kernels"].startswith("compiled" if kernels_compiled() else "not compiled yet")
    assert state["champion of plant"] == "fast"


@pytest.mark.filterwarnings("ignore")
def test_a_champions_slow_columns_are_named(plant: Any, tmp_path: Path, experiment_text: str, capsys: Any) -> None:
    """A user's calculator and parameters that no kernel has are named for the champion that uses them, and no other."""

    def last_less_first(x: Any) -> float:
        return float(x[-1] - x[0])

    last_less_first.fctype = "simple"  # type: ignore[attr-defined]
    register_calculator(last_less_first)
    file = tmp_path / "odd.toml"
    file.write_text(experiment_text.replace('stride = "6h"', 'stride = "1d"'))
    add_champion(plant, load_experiment(file), "odd", ("mean", UNSUPPORTED, "last_less_first"))
    state = engine(capsys, plant)
    assert state["champion of plant"] == "fast"
    assert state["champion of odd"] == f"through tsfresh: {UNSUPPORTED}, last_less_first"


def test_a_person_reads_it_too(plant: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """The table for people has a part of its own for the engine."""
    with pytest.raises(SystemExit):
        app.main(["doctor", "--workspace", str(plant.workspace.root)])
    _, _, shown = capsys.readouterr().out.partition("feature engine")
    assert "champion of plant" in shown
    assert "fast" in shown


def test_a_champion_that_would_lose_windows_is_named(
    plant: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that looks back further than raw telemetry is to be kept, of an asset type of which any is deleted."""
    asset_type = load_champion(plant.workspace, "plant").model.artifact.recipe.asset_type
    of_type = SimpleNamespace(plan=SimpleNamespace(asset_type=asset_type))
    for raw, indicators, named in (("1h", [of_type], 1), ("3650d", [of_type], 0), ("1h", [], 0), ("all", [of_type], 0)):
        monkeypatch.setenv("FOREWARN_UPKEEP_RAW", raw)
        monkeypatch.setattr(definitions, "defined", lambda _, found=indicators: tuple(found))
        capsys.readouterr()
        with pytest.raises(SystemExit):
            app.main(["doctor", "--workspace", str(plant.workspace.root), "--json"])
        retention = json.loads(capsys.readouterr().out)["retention"]
        assert len(retention) == named
        assert all("the champion of plant, version" in each and "upkeep.raw is 1h" in each for each in retention)


def test_kernels_that_are_not_compiled_are_told(
    plant: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before the first compilation it says what makes it: the first prediction would have to wait."""
    monkeypatch.setattr(compilation, "cache_folder", lambda: tmp_path)
    assert "python -m features" in engine(capsys, plant)["kernels"]
