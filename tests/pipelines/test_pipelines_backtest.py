"""Back-testing retraining rules on the stored history of a plant."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from data_contracts.errors import ModelError, UsageError
from data_contracts.tables.history import read_history
from models.artifact.scoring import score
from models.experiment.experiment import Experiment
from models.retraining.comparison import compare
from models.training.training import train
from pipelines.backtesting import backtest_versions
from pipelines.backtesting.backtest import BacktestConfig, BacktestPlan, BacktestResult, run_backtest
from pipelines.backtesting.backtest_versions import CachedModels, cache_folder
from pipelines.cli import app
from tests.browser import Browser

pytestmark = pytest.mark.slow

FEW = ("ours", "monthly", "never")
CONFIG = BacktestConfig(start=50.0, every=pd.Timedelta(days=21), rules=FEW, changes=(70.0,))


@pytest.fixture
def run(plant: Any, experiment: Experiment) -> Callable[..., Any]:
    """Return a back-test of the plant with a holdout that suits it."""
    settings = plant.settings.with_section("retrain", holdout=pd.Timedelta(days=14))

    def run_with(config: BacktestConfig = CONFIG, **options: Any) -> Any:
        return run_backtest(plant.workspace, experiment, config, settings=settings, **options)

    return run_with


@pytest.fixture
def trainings(monkeypatch: pytest.MonkeyPatch) -> list[pd.Timestamp]:
    """Record the time of each training, and train."""
    times: list[pd.Timestamp] = []
    original = train

    def record(*arguments: Any, known_until: pd.Timestamp, **options: Any) -> Any:
        times.append(known_until)
        return original(*arguments, known_until=known_until, **options)

    monkeypatch.setattr(backtest_versions, "train", record)
    return times


def test_a_back_test_has_figures_for_each_rule(run: Callable[..., BacktestResult]) -> None:
    """Every rule named has its figures, and page and file are written."""
    result = run()
    assert [one.rule for one in result.figures] == list(FEW)
    assert json.loads(result.file.read_text()) == json.loads(json.dumps(result.to_dict()))
    page = result.page.read_text()
    assert page.count("<svg") == 2
    assert all(name in page for name in FEW)
    assert not list(result.page.parent.glob("*unfinished*"))


def test_the_page_in_a_browser(run: Callable[..., BacktestResult], browser: Browser) -> None:
    browser.check(run().page.as_uri())


def test_a_second_run_trains_nothing(run: Callable[..., Any], trainings: list[pd.Timestamp]) -> None:
    """Models are cached: the second run gives the same figures and trains none."""
    first = run()
    assert trainings
    trainings.clear()
    assert run().to_dict() == first.to_dict()
    assert not trainings


def test_an_interrupted_run_goes_on(
    run: Callable[..., Any], trainings: list[pd.Timestamp], monkeypatch: pytest.MonkeyPatch, plant: Any
) -> None:
    """What was trained before an interrupt is not trained again, and nothing is half-written."""
    calls = 0

    def interrupted(*_: Any, **__: Any) -> Any:
        nonlocal calls
        calls += 1
        raise KeyboardInterrupt

    monkeypatch.setattr(backtest_versions, "compare", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run()
    assert calls == 1
    assert not list(plant.workspace.reports.glob("backtest-*"))
    before = list(trainings)
    monkeypatch.setattr(backtest_versions, "compare", compare)
    result = run()
    assert len(set(trainings)) == len(trainings)
    assert trainings[: len(before)] == before
    assert {one.rule for one in result.figures} == set(FEW)
    assert not list((plant.workspace.root / "backtest").rglob("*unfinished*"))


def test_a_dry_run_trains_nothing(run: Callable[..., Any], trainings: list[pd.Timestamp], plant: Any) -> None:
    """A dry run estimates the number of trainings."""
    plan = run(dry_run=True)
    assert isinstance(plan, BacktestPlan)
    assert (plan.looks, plan.trainings_at_most, plan.kept) == (3, 4, 0)
    assert not trainings
    assert not (plant.workspace.root / "backtest").exists()


def test_the_estimate_comes_first(run: Callable[..., Any]) -> None:
    """The number of trainings is estimated before anything else, and their duration after the first."""
    messages: list[str] = []
    run(replace(CONFIG, rules=("never",)), say=messages.append)
    assert messages[0].startswith("3 looks under 1 rules: 4 trainings at most")
    assert "first training took" in messages[1]


def test_nothing_is_registered(run: Callable[..., Any], plant: Any) -> None:
    """A back-test leaves the registry as it was."""
    before = plant.registry.versions("plant")
    run(replace(CONFIG, rules=("always",)))
    assert plant.registry.versions("plant") == before


def test_a_version_depends_on_its_time_only(plant: Any, experiment: Experiment, tmp_path: Path) -> None:
    """Deleting everything known after a time changes neither the model of that time nor its predictions up to then."""
    settings = plant.settings.with_section("retrain", holdout=pd.Timedelta(days=14))
    history = read_history(plant.workspace, "azure_machine")
    moment = plant.at(60)
    caches = [
        CachedModels(plant.workspace, experiment, known, settings, tmp_path / name)
        for name, known in (("all", history), ("then", history.as_of(moment)))
    ]
    versions = [models.train(moment) for models in caches]
    assert versions[0] == versions[1]
    predictions = [models.predict(versions[0], plant.at(50), moment) for models in caches]
    pd.testing.assert_frame_equal(predictions[0], predictions[1])
    assert predictions[0]["alert"].any()


def test_recent_telemetry_is_enough(plant: Any, experiment: Experiment, tmp_path: Path) -> None:
    """Scoring from the telemetry around a period gives the same as scoring from all of it."""
    settings = plant.settings.with_section("retrain", holdout=pd.Timedelta(days=14))
    history = read_history(plant.workspace, "azure_machine")
    models = CachedModels(plant.workspace, experiment, history, settings, tmp_path)
    version = models.train(plant.at(60))
    predictions = models.predict(version, plant.at(60), plant.at(80))
    whole = score(models.artifact(version), history, predictions[["asset", "as_of"]])
    pd.testing.assert_series_equal(predictions["alert"], whole["alert"])


def test_folders_tell_experiments_apart(plant: Any, experiment: Experiment, tmp_path: Path) -> None:
    """Models of another experiment, state of the tables or holdout are cached elsewhere."""
    history = read_history(plant.workspace, "azure_machine")
    others = [
        (replace(experiment, seed=9), history, plant.settings),
        (experiment, replace(history, versions={"failures": 99}), plant.settings),
        (experiment, history, plant.settings.with_section("retrain", holdout=pd.Timedelta(days=9))),
    ]
    folders = {cache_folder(tmp_path, *each) for each in [(experiment, history, plant.settings), *others]}
    assert len(folders) == 4


def test_an_unknown_rule_is_refused(run: Callable[..., Any]) -> None:
    """The error for an unknown rule names those there are."""
    with pytest.raises(UsageError, match="no rule 'allways'"):
        run(replace(CONFIG, rules=("allways",)))


def test_an_experiment_without_alarms_is_refused(plant: Any, experiment: Experiment) -> None:
    """Remaining life without a horizon raises no alarms that could be right or wrong."""
    without_alarms = replace(experiment, target="remaining_life")
    with pytest.raises(ModelError, match="remaining_life"):
        run_backtest(plant.workspace, without_alarms, CONFIG, settings=plant.settings)


def test_the_command_answers(
    plant: Any, experiment_text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The command prints one JSON document on stdout, and the estimate on stderr."""
    file = tmp_path / "plant.toml"
    file.write_text(experiment_text)
    words = ["backtest", str(file), "--start", "60", "--every", "30d", "--rule", "never", "--change", "70", "--json"]
    with pytest.raises(SystemExit) as left:
        app.main([*words, "--workspace", str(plant.workspace.root)])
    assert left.value.code == 0
    answer = capsys.readouterr()
    assert json.loads(answer.out)["rules"][0]["rule"] == "never"
    assert "trainings at most" in answer.err
