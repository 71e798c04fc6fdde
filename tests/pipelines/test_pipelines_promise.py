"""The promise a champion is held to: promoted, monitored, explained, and accepted by a person; on a real registry."""

import json
from typing import Any

import pandas as pd
import pytest

from data_contracts.errors import ModelError, NotFoundError, UsageError
from data_contracts.records.records import decisions, open_records
from models.outcomes.error_rates import ErrorRates, occurrence, share
from pipelines.cli import main
from pipelines.jobs.accept_promise import accept_own_promise
from pipelines.jobs.monitor import monitor_champion
from pipelines.jobs.train import train_experiment
from pipelines.jobs.why import explain_decision

pytestmark = pytest.mark.slow


@pytest.fixture
def output(plant: Any, experiment: Any, capsys: pytest.CaptureFixture[str]) -> Any:
    """Promote a second version by hand that was evaluated on few failures, and return what the command answered."""
    train_experiment(plant.workspace, experiment, now=plant.at(55))
    _evaluate(plant, 1, share(6, 36), occurrence(30, 40.0))
    _evaluate(plant, 2, share(4, 15), occurrence(28, 14.0))
    _run("models", "promote", "2", "--reason", "newer", "--json", "-w", str(plant.workspace.root))
    return json.loads(capsys.readouterr().out)


@pytest.fixture
def promoted(plant: Any, output: Any) -> Any:  # noqa: ARG001 - it promotes
    """Return the plant after that."""
    return plant


def _evaluate(plant: Any, version: int, missed: Any, false: Any) -> None:
    none = share(0, 0)
    rates = ErrorRates(plant.at(20), plant.at(50), missed, false, none, none, 0, 0, 0, 0, 0.95)
    plant.registry._client.set_model_version_tag("plant", str(version), "reference_rates", json.dumps(rates.to_dict()))


def _run(*words: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(list(words))
    return int(ended.value.code or 0)


def _now() -> pd.Timestamp:
    return pd.Timestamp.now("UTC")


def test_a_promotion_says_which_promise_is_kept_and_what_the_other_hides(promoted: Any, output: Any) -> None:
    """The answer of the command, the ledger's explanation and the monitor all say so."""
    promise = output["evidence"]["promise"]
    assert promise["kept"] == promise["looser"] == ["missed", "false_episodes"]
    assert promise["rates"]["missed"]["version"] == 1
    assert promise["rates"]["missed"]["keeps_up_to"] < promise["rates"]["missed"]["own_keeps_up_to"]
    hidden = next(each for each in promise["hidden"] if each["rate"] == "missed")
    assert hidden["looks"] == 26
    assert hidden["under_own"] < hidden["under_kept"]
    seen = " ".join(explain_decision(promoted.workspace, "promotion", "plant").seen)
    assert "would be seen within 26 looks" in seen
    assert "forewarn models accept-promise" in seen
    promoted.answer(55, 68)
    look = monitor_champion(promoted.workspace, "plant", now=promoted.at(68), settings=promoted.settings)
    # The promotion is of today, after the time of the look: the champions until then are those before it.
    assert look.to_dict()["promise"]["rates"]["missed"]["version"] == 1
    assert "of version 1" in look.report.read_text(encoding="utf-8")
    assert "keeps it" in " ".join(explain_decision(promoted.workspace, "retraining", "plant").seen)


def test_a_person_accepts_it_once_and_with_a_reason(promoted: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """A dry run stores nothing; accepting is recorded with who and why; then there is no more to accept."""
    root = str(promoted.workspace.root)
    assert _run("models", "accept-promise", "plant", "--dry-run", "-w", root) == 0
    shown = capsys.readouterr().out
    assert "would be held to its own promise" in shown
    assert decisions(open_records(promoted.workspace.records_url)).empty
    assert _run("models", "accept-promise", "plant", "-w", root) == UsageError.exit_status
    words = ("--reason", "new process", "--actor", "Ada", "--json", "-w", root)
    assert _run("models", "accept-promise", "plant", "2", *words) == 0
    accepted = json.loads(capsys.readouterr().out)
    assert accepted["accepted"]
    assert accepted["before"]["rates"]["missed"]["version"] == 1
    assert accepted["after"]["rates"]["missed"]["version"] == 2
    assert "accepted by Ada" in accepted["after"]["accepted"]
    stored = decisions(open_records(promoted.workspace.records_url)).iloc[-1]
    assert (stored["decision"], stored["model_version"]) == ("promise accepted", 2)
    assert stored["reasons"][0] == "new process"
    with pytest.raises(ModelError, match="no looser"):
        _accept(promoted, None)
    with pytest.raises(NotFoundError, match="no version 9"):
        _accept(promoted, 9)
    with pytest.raises(NotFoundError, match="no decision"):
        explain_decision(promoted.workspace, "retraining", "plant")
    _run("models", "rollback", "--reason", "back", "-w", root)
    with pytest.raises(ModelError, match="no looser"):
        _accept(promoted, None)


def _accept(plant: Any, version: int | None) -> Any:
    return accept_own_promise(
        plant.workspace, "plant", version, actor="Ada", reason="why not", now=_now(), settings=plant.settings
    )


def test_a_retraining_says_what_its_challenger_is_held_to(plant: Any) -> None:
    """A promoted challenger's promise is the tighter one, freed of what selected it; the ledger keeps it."""
    from pipelines.jobs.retrain import retrain_champion

    _evaluate(plant, 1, share(1, 60), occurrence(30, 40.0))
    plant.answer(55, 100)
    result = retrain_champion(plant.workspace, "plant", now=plant.at(102), settings=plant.settings, why="drift")
    assert result.decision == "promoted"
    promise = result.to_dict()["promise"]
    assert promise["rates"]["missed"]["version"] == 1
    after = monitor_champion(plant.workspace, "plant", now=plant.at(103), settings=plant.settings)
    assert after.to_dict()["promise"]["rates"] == promise["rates"]
    assert set(promise["sentences"]) <= set(explain_decision(plant.workspace, "promotion", "plant").seen)
