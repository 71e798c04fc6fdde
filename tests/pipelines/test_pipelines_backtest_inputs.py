"""What a cached back-test depends on: the same inputs resume it, others make anew what they change."""

from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from data_contracts.tables.history import read_history
from models.backtesting.replay_models import Compared, Version
from models.diagnosis.diagnosis_types import Limits
from models.experiment.experiment import Experiment
from models.retraining.promotion_rules import PromotionRules
from pipelines.backtesting import backtest_versions
from pipelines.backtesting.backtest_versions import CachedModels, cache_folder
from pipelines.settings.settings import Settings

pytestmark = pytest.mark.slow

DAY = pd.Timedelta(days=1)
DECIDED_ANEW = {"min_events": 1000, "false_per_year": 0.5, "power": 0.5, "difference": 0.3}
ELSEWHERE = {
    "confidence": 0.8,
    "missed_margin": 0.2,
    "slice_events": 3,
    "calibration_tolerance": 3.0,
    "draws": 500,
    "seed": 7,
}
LIMITS = {
    "refused_share": 0.1,
    "missing_share": 0.4,
    "missing_days": 4,
    "silent_days": 8,
    "regime_shift": 0.3,
    "recent_days": 15,
    "most_assets": 0.4,
    "sensor_codes": ("other",),
}


class Counted:
    """Count the comparisons and diagnoses that are really made."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.made: list[str] = []
        for name in ("compare", "diagnose"):
            monkeypatch.setattr(backtest_versions, name, self._counting(name, getattr(backtest_versions, name)))

    def _counting(self, name: str, original: Callable[..., Any]) -> Callable[..., Any]:
        def count(*arguments: Any, **options: Any) -> Any:
            self.made.append(name)
            return original(*arguments, **options)

        return count


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return one cache for all tests: a model of some time is trained once."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> Counted:
    return Counted(monkeypatch)


@pytest.fixture
def models(plant: Any, experiment: Experiment, folder: Path) -> Callable[[Settings], CachedModels]:
    history = read_history(plant.workspace, "azure_machine")
    return lambda settings: CachedModels(plant.workspace, experiment, history, settings, folder)


def compared(models: CachedModels, plant: Any) -> Compared:
    champion, challenger = _versions(models, plant)
    return models.compare(champion, challenger, plant.at(90), 0.1)


def _versions(models: CachedModels, plant: Any) -> tuple[Version, Version]:
    return models.train(plant.at(60)), models.train(plant.at(90))


def test_every_setting_of_a_comparison_is_among_these() -> None:
    """A new promotion rule, or limit of the diagnosis, has to be put down as one that a cache depends on, or not."""
    assert {field.name for field in fields(PromotionRules)} == {*DECIDED_ANEW, *ELSEWHERE}
    shifts = {field.name for field in fields(Limits)} - {*LIMITS}
    assert shifts == {field.name for field in fields(Limits.__bases__[0])}


def test_the_same_inputs_compare_once(models: Callable[[Settings], CachedModels], plant: Any, counted: Counted) -> None:
    """A second run takes the comparison from the cache, and so does one with another alpha."""
    first = compared(models(plant.settings), plant)
    again = models(plant.settings)
    assert counted.made.count("compare") <= 1
    counted.made.clear()
    assert compared(again, plant) == first
    champion, challenger = _versions(again, plant)
    assert again.compare(champion, challenger, plant.at(90), 1e-9).promoted is False
    assert not counted.made


@pytest.mark.parametrize(("rule", "value"), ELSEWHERE.items())
def test_another_rule_compares_anew(
    rule: str, value: Any, models: Callable[[Settings], CachedModels], plant: Any, counted: Counted
) -> None:
    """A rule that the comparison rests on is not answered from the cache of another."""
    compared(models(plant.settings), plant)
    counted.made.clear()
    compared(models(plant.settings.with_section("promotion", **{rule: value})), plant)
    assert counted.made == ["compare"]


def test_another_silence_compares_anew(
    models: Callable[[Settings], CachedModels], plant: Any, counted: Counted
) -> None:
    """From when on an asset is lost changes the gaps, so the comparison."""
    compared(models(plant.settings), plant)
    counted.made.clear()
    compared(models(plant.settings.with_section("monitor", silence=3 * DAY)), plant)
    assert counted.made == ["compare"]


def test_rules_of_the_plan_are_applied_to_a_cached_comparison(
    models: Callable[[Settings], CachedModels], plant: Any, counted: Counted
) -> None:
    """How many events it takes is decided in each run: what one run found too few is enough in the next."""
    usual = plant.settings.with_section("promotion", confidence=0.5)
    strict = usual.with_section("promotion", **DECIDED_ANEW)
    assert not compared(models(strict), plant).promoted
    counted.made.clear()
    loose = compared(models(usual), plant)
    assert not counted.made
    assert loose.figures is not None
    assert loose.figures["events"] < DECIDED_ANEW["min_events"]
    assert loose.promoted
    assert not compared(models(strict), plant).promoted


@pytest.mark.parametrize(
    ("section", "changes"),
    [
        *(("diagnosis", {name: value}) for name, value in LIMITS.items()),
        ("drift", {"every": 14 * DAY}),
    ],
)
def test_another_limit_diagnoses_anew(
    section: str, changes: dict[str, Any], models: Callable[[Settings], CachedModels], plant: Any, counted: Counted
) -> None:
    """The data are diagnosed once for the same limits, and anew for others."""
    version = models(plant.settings).train(plant.at(60))
    one = models(plant.settings).diagnose(version, plant.at(80))
    counted.made.clear()
    assert models(plant.settings).diagnose(version, plant.at(80)) == one
    assert not counted.made
    models(plant.settings.with_section(section, **changes)).diagnose(version, plant.at(80))
    assert counted.made == ["diagnose"]


def test_how_far_training_reaches_is_cached_elsewhere(plant: Any, experiment: Experiment, tmp_path: Path) -> None:
    """Models that learned from less history are others; limits on retrainings leave the models as they are."""
    history = read_history(plant.workspace, "azure_machine")

    def folder(**changes: Any) -> Path:
        return cache_folder(tmp_path, experiment, history, plant.settings.with_section("retrain", **changes))

    assert folder() != folder(history=40 * DAY)
    assert folder() == folder(yearly_budget=1, refresh_budget=0, cooldown=3 * DAY, min_failures=1)


def test_a_retirement_counts_from_when_it_was_known(plant: Any, experiment: Experiment, tmp_path: Path) -> None:
    """Gaps at a look hold the assets retired by then, not those whose retirement became known later."""
    history = read_history(plant.workspace, "azure_machine")
    asset = sorted(set(history.assets["asset"]))[0]
    record = history.assets[history.assets["asset"] == asset].head(1)
    retired = record.assign(event_time=plant.at(70), known_time=plant.at(75), status="retired")
    whole = replace(history, assets=pd.concat([history.assets, retired], ignore_index=True))
    cached = CachedModels(plant.workspace, experiment, whole, plant.settings, tmp_path)
    before, after = (cached.sources(plant.at(day)).observation_gaps for day in (74, 76))
    assert before is not None
    assert after is not None
    assert asset not in set(before["asset"])
    assert after.loc[after["asset"] == asset, "begins"].tolist() == [plant.at(70)]
