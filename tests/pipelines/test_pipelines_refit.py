"""A promoted challenger is fitted once more to everything known, and replaced by its refit if both behave alike."""

import io
import json
import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from rich.console import Console

from data_contracts.errors import ModelError
from data_contracts.records.records import decisions, open_records, promotions
from data_contracts.workspace import init_workspace
from models.registry.promotion import delete_version, rollback, verify_version
from models.registry.reproduce import reproduce
from pipelines.cli import main
from pipelines.cli.renderers import render
from pipelines.commands.models.versions import VersionList
from pipelines.jobs.monitor import monitor_champion
from pipelines.jobs.retrain import retrain_champion
from pipelines.jobs.why import explain_decision
from tests.pipelines.conftest import Plant, small_plant_settings

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def _retrained(_template: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Retrain once, with a refit: most tests only look at what it leaves."""
    root = tmp_path_factory.mktemp("retrained") / "plant"
    shutil.copytree(_template.root, root)
    made = Plant(init_workspace(root), small_plant_settings(init_workspace(root)))
    made.answer(55, 100)
    return made, _retrain(made)


@pytest.fixture
def retrained(_retrained: Any, tmp_path: Path) -> Any:
    """Return a copy of the plant after the retraining, and its result."""
    plant, result = _retrained
    shutil.copytree(plant.workspace.root, tmp_path / "retrained")
    return Plant(init_workspace(tmp_path / "retrained"), plant.settings), result


def _retrain(plant: Any, day: float = 102, **changes: Any) -> Any:
    settings = plant.settings.with_section("retrain", **{"refit": True, **changes})
    return retrain_champion(plant.workspace, "plant", now=plant.at(day), settings=settings)


def _ledger(plant: Any) -> pd.DataFrame:
    return promotions(open_records(plant.workspace.records_url), model_name="plant")


def _decisions(plant: Any) -> list[str]:
    return decisions(open_records(plant.workspace.records_url), model_name="plant")["decision"].tolist()


def _rendered(result: Any) -> str:
    console = Console(width=200, record=True, file=io.StringIO())
    console.print(render(result))
    return console.export_text()


def test_the_refit_takes_the_place_of_the_version_that_was_judged(retrained: Any) -> None:
    """It learns from the holdout too, keeps all that was chosen, and carries promise and comparison."""
    plant, result = retrained
    refit, registry = result.refit, plant.registry
    assert (result.decision, result.challenger_version, result.new_champion) == ("promoted", 2, 3)
    assert (refit.of, refit.version, refit.champion, refit.known_until) == (2, 3, True, plant.at(102))
    assert (registry.champion("plant"), registry.get_alias("plant", "previous")) == (3, 1)
    judged, fitted = (registry.load("plant", version) for version in (2, 3))
    assert pd.Timestamp(fitted.tags["trained_until"]) - pd.Timestamp(judged.tags["trained_until"]) > 10 * pd.Timedelta(
        days=1
    )
    assert fitted.tags["refit_of"] == "2"
    assert fitted.artifact.digest != judged.artifact.digest
    for chosen in ("recipe", "threshold", "calibration", "horizon", "lead"):
        assert getattr(fitted.artifact, chosen) == getattr(judged.artifact, chosen)
    assert fitted.reference == judged.reference
    assert verify_version(registry, "plant", 3)
    ledger = _ledger(plant)
    assert ledger["to_version"].tolist() == [1, 2, 3]
    carried, evidence = (ledger.iloc[row]["evidence"] for row in (1, 2))
    assert (evidence["comparison"], evidence["promise"]) == (carried["comparison"], carried["promise"])
    assert evidence["refit"]["of"] == 2
    assert evidence["refit"]["agreement"] == refit.agreement.to_dict()
    assert _decisions(plant) == ["refit pending", "promoted", "refit agrees"]


def test_the_refit_is_held_to_what_was_judged(retrained: Any) -> None:
    """Its promise is that of the judged version, number for number."""
    plant, result = retrained
    look = monitor_champion(plant.workspace, "plant", now=plant.at(103), settings=plant.settings)
    stored = json.loads(json.dumps(look.to_dict()["promise"]["rates"]))
    promised = result.promise.to_dict()["rates"]
    for rate, values in promised.items():
        assert {**stored[rate], "version": None} == {**values, "version": None}
    assert look.model_version == 3
    assert "v3, refit of v2" in look.report.read_text(encoding="utf-8")


def test_everything_says_so(retrained: Any) -> None:
    """Output, JSON, `why`, the list of versions and the model card say what the refit is and how far it agrees."""
    plant, result = retrained
    assert "Version 3 is a refit of version 2" in _rendered(result)
    output = json.loads(json.dumps(result.to_dict()))
    assert output["refit"]["agreement"]["unseen"]["episodes"] > 0
    explanation = explain_decision(plant.workspace, "promotion", "plant")
    assert explanation.decision == "promoted as the refit of version 2"
    assert "Where neither had learned from" in explanation.seen[0]
    assert len(explanation.tests) == len(result.comparison.checks)
    assert "takes its place" in explain_decision(plant.workspace, "retraining", "plant").seen[0]
    listed = plant.registry.versions("plant")
    assert listed[0]["refit_of"] == 2
    assert "refit of 2" in _rendered(VersionList(listed))
    with plant.registry.run_file("plant", 3, "model_card.md") as file:
        card = file.read_text(encoding="utf-8")
    assert "## A refit of version 2" in card
    assert "Where neither had learned from" in card


def test_a_refit_that_differs_is_not_promoted(plant: Any) -> None:
    """Beyond the limit the judged version stays the champion; what differed is said, and nothing is tried again."""
    result = _retrain(plant, refit_limit=0.0)
    assert (result.decision, result.exit_status, result.new_champion) == ("promoted", 0, 2)
    assert (result.refit.version, result.refit.champion) == (3, False)
    assert "beyond the limit of 0%" in result.refit.reasons[-1]
    assert plant.registry.champion("plant") == 2
    assert plant.registry.aliases("plant", 3) == ()
    assert _ledger(plant)["to_version"].tolist() == [1, 2]
    assert _decisions(plant) == ["refit pending", "promoted", "refit differs"]
    look = monitor_champion(plant.workspace, "plant", now=plant.at(103), settings=plant.settings)
    assert "refit differs" in look.report.read_text(encoding="utf-8")
    again = _retrain(plant, 103)
    assert again.decision == "postponed"
    assert len(plant.registry.versions("plant")) == 3
    delete_version(plant.registry, open_records(plant.workspace.records_url), "plant", 3)


def test_a_refit_that_fails_leaves_the_judged_version(plant: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error of the fit is stored as the reason; the retraining has promoted its challenger all the same."""

    def fail(*_: Any, **__: Any) -> None:
        raise ModelError("it could not be fitted", "samples", "Import more data")

    monkeypatch.setattr("pipelines.retraining.refit.refit", fail)
    result = _retrain(plant)
    assert (result.new_champion, result.refit.version) == (2, None)
    assert "could not be fitted" in result.refit.reasons[0]
    assert _decisions(plant)[-1] == "refit failed"


def test_without_a_refit_nothing_changes(plant: Any) -> None:
    """Off, as by default, no output has a key for it; on, the judged version is the same, bit for bit."""
    result = retrain_champion(plant.workspace, "plant", now=plant.at(102), settings=plant.settings)
    assert not plant.settings.retrain.refit
    assert result.new_champion == plant.registry.champion("plant") == 2
    assert "refit" not in result.to_dict()
    assert _decisions(plant) == ["promoted"]
    assert "refit" not in _ledger(plant).iloc[-1]["evidence"]


def test_the_judged_version_is_the_same_with_a_refit(plant: Any, retrained: Any) -> None:
    """What is judged, and by what, does not depend on whether a refit follows."""
    with_refit, on = retrained
    plant.answer(55, 100)
    off = retrain_champion(plant.workspace, "plant", now=plant.at(102), settings=plant.settings)
    same = ("model_digest", "predictions_digest", "reference_rates", "experiment", "known_until")
    tags, other = (each.registry.tags("plant", 2) for each in (with_refit, plant))
    assert {name: tags[name] for name in same} == {name: other[name] for name in same}
    assert on.comparison == off.comparison
    rows = [_ledger(each).iloc[1] for each in (with_refit, plant)]
    assert rows[0].drop("id").to_dict() == rows[1].drop("id").to_dict()
    # On probation the refit is held to what the judged version would be: the promise of the champion before both.
    looks = [
        monitor_champion(each.workspace, "plant", now=plant.at(103), settings=plant.settings)
        for each in (with_refit, plant)
    ]
    assert [look.model_version for look in looks] == [3, 2]
    assert looks[0].probation is not None
    assert looks[0].probation == looks[1].probation


def test_a_rollback_leaves_both_and_a_refit_can_be_reproduced(retrained: Any) -> None:
    """The refit and the version that was judged are one champion; from its tags it is fitted again, bit for bit."""
    plant, _ = retrained
    again = reproduce(plant.workspace, "plant", 3)
    assert (again.same, again.same_model, again.notes) == (True, True, ())
    assert again.n_predictions > 0
    records = open_records(plant.workspace.records_url)
    rollback(plant.registry, records, "plant", actor="a test", reason="too many alarms", now=plant.at(103))
    assert plant.registry.champion("plant") == 1
    assert plant.registry.get_alias("plant", "previous") is None


def test_the_next_challenger_learns_up_to_what_the_refit_has(retrained: Any) -> None:
    """Only what the refit has not learned from can be compared on, so the holdout is no longer than that."""
    plant, _ = retrained
    until = pd.Timestamp(plant.registry.tags("plant", 3)["trained_until"])
    later = _retrain(plant, 112, refit=False, drift_events=0)
    assert later.comparison.start == until + pd.Timedelta(days=1)
    if later.challenger_version is not None:
        own = pd.Timestamp(plant.registry.tags("plant", later.challenger_version)["trained_until"])
        assert own + pd.Timedelta(hours=6) >= until


def test_a_person_may_ask_for_a_refit(plant: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """`forewarn models promote --refit` refits what it promotes, or the champion; without it nothing is refitted."""
    root = str(plant.workspace.root)
    retrain_champion(plant.workspace, "plant", now=plant.at(102), settings=plant.settings)
    capsys.readouterr()
    with pytest.raises(SystemExit) as ended:
        main(["models", "promote", "2", "--refit", "--reason", "newest data", "--json", "-w", root])
    output = json.loads(capsys.readouterr().out)
    assert output["to_version"] == 2
    assert output["refit"]["of"] == 2
    assert ended.value.code == (0 if output["refit"]["champion"] else 1)
    assert plant.registry.champion("plant") == (3 if output["refit"]["champion"] else 2)
    with pytest.raises(SystemExit):
        main(["models", "promote", "3", "--refit", "--reason", "again", "--json", "-w", root])
    assert "is a refit of version 2" in json.loads(capsys.readouterr().out)["found"]
    with pytest.raises(SystemExit):
        main(["models", "promote", "1", "--reason", "back", "--json", "-w", root])
    assert "refit" not in json.loads(capsys.readouterr().out)
    assert len(plant.registry.versions("plant")) == 3
