"""Retrainings with a refit, killed at each step: the next one goes on to the same end, with one refit only."""

import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import models.registry.promotion
import pipelines.jobs.retrain
import pipelines.retraining.refit
from data_contracts.records.leases import TIME_TO_LIVE, wall_clock
from data_contracts.records.records import decisions, open_records, promotions
from models.registry.promotion import complete_ledger, rollback
from models.registry.registry import Registry
from pipelines.jobs.retrain import retrain_champion
from pipelines.retraining.by_hand import promote_and_refit

pytestmark = pytest.mark.slow

SCRIPT = """
import sys, time
from pathlib import Path
import pandas as pd
import models.registry.promotion, pipelines.retraining.refit
from data_contracts.workspace import open_workspace
from pipelines.jobs.retrain import retrain_champion
from pipelines.retraining.by_hand import promote_and_refit
from pipelines.settings.settings import read_settings

where, root, now = sys.argv[1:]
calls = []

def stop(*args, **options):
    print("now", flush=True)
    time.sleep(600)

def second(*args, **options):
    calls.append(1)
    return stop() if len(calls) == 2 else add_promotion(*args, **options)

add_promotion = models.registry.promotion.add_promotion
if where == "fit":
    pipelines.retraining.refit.refit = stop
else:
    models.registry.promotion.add_promotion = second
workspace = open_workspace(Path(root), {})
settings = read_settings(workspace, {}).with_section("retrain", holdout=pd.Timedelta(days=12), refit=True)
retrain_champion(workspace, "plant", now=pd.Timestamp(now), settings=settings)
"""


class Killed(BaseException):
    """What stands in for a kill where a process of its own would take too long."""


def _retrain(plant: Any, day: float = 102, **options: Any) -> Any:
    settings = plant.settings.with_section("retrain", refit=True)
    return retrain_champion(plant.workspace, "plant", now=plant.at(day), settings=settings, **options)


def _check_end(plant: Any, then: Sequence[str] = ()) -> None:
    """Check for what a retraining leaves that was not cut off."""
    registry, records = plant.registry, open_records(plant.workspace.records_url)
    assert (registry.champion("plant"), registry.get_alias("plant", "previous")) == (3, 1)
    assert registry.get_alias("plant", "challenger") is None
    assert [entry.get("refit_of") for entry in registry.versions("plant")] == [2, None, None]
    ledger = promotions(records, model_name="plant")
    assert ledger["to_version"].tolist() == [1, 2, 3]
    assert ledger["actor"].tolist()[1:] == ["forewarn", "forewarn"]
    assert ledger["at"].tolist()[1:] == [plant.at(102), plant.at(102)]
    assert ledger.iloc[2]["evidence"]["comparison"] == ledger.iloc[1]["evidence"]["comparison"]
    assert "alpha_left" in ledger.iloc[1]["evidence"]
    stored = decisions(records, model_name="plant")
    assert stored["decision"].tolist() == ["refit pending", "promoted", "refit agrees", *then]
    assert stored["model_version"].tolist()[:3] == [2, 2, 3]


def _kill_at(patch: pytest.MonkeyPatch, place: Any, name: str, when: Callable[..., bool]) -> None:
    original = getattr(place, name)

    def stop(*args: Any, **options: Any) -> Any:
        if when(*args, **options):
            raise Killed
        return original(*args, **options)

    patch.setattr(place, name, stop)


def _killed(plant: Any, place: Any, name: str, when: Callable[..., bool]) -> None:
    """Retrain, and be killed at one step."""
    with pytest.MonkeyPatch.context() as patch:
        _kill_at(patch, place, name, when)
        with pytest.raises(Killed):
            _retrain(plant)


def _always(*_: Any, **__: Any) -> bool:
    return True


def _champion(version: int) -> Callable[..., bool]:
    return lambda _self, _name, alias, number: (alias, number) == ("champion", version)


def _row(version: int) -> Callable[..., bool]:
    return lambda _records, promotion: promotion.to_version == version


def _is_refit(_self: Any, trained: Any, **_: Any) -> bool:
    return "refit_of" in trained.tags


# Each kill leaves what the next one begins with, so that all steps take one training.
STEPS = [
    (Registry, "set_alias", _champion(2)),
    (models.registry.promotion, "add_promotion", _row(2)),
    (pipelines.jobs.retrain, "_store_decision", _always),
    (pipelines.retraining.refit, "refit", _always),
    (Registry, "register", _is_refit),
    (pipelines.retraining.refit, "add_intention", _always),
    (Registry, "set_alias", _champion(3)),
    (models.registry.promotion, "add_promotion", _row(3)),
]


def test_killed_at_each_step_it_goes_on_to_the_same_end(plant: Any) -> None:
    """Whatever was done already is not done again, and what was not is done as it would have been."""
    for place, name, when in STEPS:
        _killed(plant, place, name, when)
    # The alias of the refit has moved already, so the ledger is completed, and a new retraining begins.
    assert _retrain(plant, 103).decision == "postponed"
    _check_end(plant, then=["postponed"])


def test_gone_on_with_it_says_what_it_would_have_said(plant: Any) -> None:
    """The result of a retraining that goes on with another is that one's, and says when it was cut off."""
    _killed(plant, pipelines.retraining.refit, "refit", _always)
    result = _retrain(plant, 104)
    _check_end(plant)
    assert result.reasons[0] == "A retraining of 2026-04-13 00:00 had been cut off; this one went on with it."
    assert (result.decision, result.challenger_version, result.new_champion) == ("promoted", 2, 3)
    assert result.comparison.winner == "challenger"
    stored = promotions(open_records(plant.workspace.records_url)).iloc[1]["evidence"]
    assert result.comparison.to_dict() == stored["comparison"]
    assert result.promise.to_dict() == stored["promise"]
    known_until = plant.registry.tags("plant", 3)["known_until"]
    assert pd.Timestamp(known_until) == plant.at(102)


def test_another_champion_in_the_meantime_ends_it(plant: Any) -> None:
    """A refit is dropped, and that is stored, if somebody has gone back to another version."""
    _killed(plant, pipelines.retraining.refit, "refit", _always)
    records = open_records(plant.workspace.records_url)
    rollback(plant.registry, records, "plant", actor="a test", reason="not that one", now=plant.at(103))
    _retrain(plant, 104)
    assert plant.registry.champion("plant") == 1
    assert "refit dropped" in decisions(records)["decision"].tolist()
    assert all("refit_of" not in entry for entry in plant.registry.versions("plant"))


def test_a_persons_refit_goes_on_with_what_was_cut_off(plant: Any) -> None:
    """The same command goes on with the refit that it began, to the data of then; a retraining leaves it alone."""

    def refit(day: float) -> Any:
        return promote_and_refit(
            plant.workspace, "plant", 1, actor="Ada", reason="newest data", now=plant.at(day), settings=plant.settings
        )

    with pytest.MonkeyPatch.context() as patch:
        _kill_at(patch, Registry, "register", _is_refit)
        with pytest.raises(Killed):
            refit(68)
    assert _retrain(plant, 69).decision == "postponed"
    result = refit(70)
    assert (result.refit.of, result.refit.version, result.refit.known_until) == (1, 2, plant.at(68))
    assert plant.registry.champion("plant") == (2 if result.refit.champion else 1)
    assert len(plant.registry.versions("plant")) == 2


@pytest.mark.parametrize("where", ["fit", "ledger"])
def test_after_a_kill_the_next_goes_on_once_the_lease_has_ended(plant: Any, repository: Path, where: str) -> None:
    """Killed for good while it fits, or when the refit's alias has moved, it ends the same."""
    command = [sys.executable, "-c", SCRIPT, where, str(plant.workspace.root), plant.at(102).isoformat()]
    with subprocess.Popen(command, cwd=repository, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "now\n"
        process.kill()
    if where == "fit":
        assert _retrain(plant, clock=lambda: wall_clock() + TIME_TO_LIVE).new_champion == 3
        _check_end(plant)
        return
    records = open_records(plant.workspace.records_url)
    later = wall_clock() + TIME_TO_LIVE
    complete_ledger(plant.registry, records, "plant", now=plant.at(103), clock=lambda: later)
    _check_end(plant)
