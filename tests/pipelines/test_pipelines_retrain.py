"""Retraining, comparison, promotion and rollback, on real tables, real records and a real registry."""

import io
from typing import Any

import pandas as pd
import pytest
from rich.console import Console

from data_contracts.errors import ModelError
from data_contracts.records.leases import acquire_lease, wall_clock
from data_contracts.records.records import decisions, open_records, promotions
from models.registry.promotion import rollback
from models.retraining.retraining_policy import CALENDAR, decide
from pipelines.cli.renderers import render
from pipelines.evidence.monitoring_snapshot import gather_snapshot
from pipelines.jobs.monitor import monitor_champion
from pipelines.jobs.retrain import retrain_champion
from pipelines.jobs.train import train_experiment
from pipelines.retraining.challenger import challenger_experiment

pytestmark = pytest.mark.slow

DAY = pd.Timedelta(days=1)


def test_a_second_training_does_not_become_champion(plant: Any, experiment: Any) -> None:
    """Only the first version of a name becomes the champion by itself; the ledger says why."""
    again = train_experiment(plant.workspace, experiment, now=plant.at(55))
    assert (again.version, again.champion) == (2, False)
    assert plant.registry.champion("plant") == 1
    ledger = promotions(open_records(plant.workspace.records_url), model_name="plant")
    assert ledger["to_version"].tolist() == [1]
    assert "no champion" in ledger.iloc[0]["reason"]
    assert {"version", "f1", "failures_caught", "expected_cost"} <= set(again.to_dict())


def test_after_the_change_the_challenger_wins_and_is_left_alone(plant: Any) -> None:
    """A challenger trained on the changed process is promoted for its cost; used evidence triggers nothing again."""
    plant.answer(55, 100)
    now = plant.at(102)
    before = monitor_champion(plant.workspace, "plant", now=now, settings=plant.settings)
    assert before.decision == "retrain"
    result = retrain_champion(plant.workspace, "plant", now=now, settings=plant.settings, why="drift")
    assert result.decision == "promoted"
    assert result.exit_status == 0
    assert result.comparison.challenger.cost < result.comparison.champion.cost
    assert plant.registry.champion("plant") == 2
    assert plant.registry.get_alias("plant", "previous") == 1
    records = open_records(plant.workspace.records_url)
    row = promotions(records, model_name="plant").iloc[-1]
    assert (row["from_version"], row["to_version"], row["actor"]) == (1, 2, "forewarn")
    assert row["evidence"]["comparison"]["winner"] == "challenger"
    assert row["data_versions"]["failures"] >= 0
    assert decisions(records)["decision"].tolist() == ["retrain", "promoted"]
    after = monitor_champion(plant.workspace, "plant", now=plant.at(103), settings=plant.settings)
    assert (after.model_version, after.decision) == (2, "hold")


def test_neither_was_trained_on_the_period(plant: Any) -> None:
    """The comparison begins after the last label of both, and ends where outcomes have matured."""
    now = plant.at(102)
    result = retrain_champion(plant.workspace, "plant", now=now, settings=plant.settings)
    compared = result.comparison
    for version in (1, 2):
        trained = pd.Timestamp(plant.registry.tags("plant", version)["trained_until"])
        assert trained + DAY <= compared.start
    assert compared.start == now - plant.settings.retrain.holdout
    assert compared.end == now - pd.Timedelta(hours=36)
    assert compared.events > 0


def test_without_a_change_the_challenger_is_rejected_and_recorded(plant: Any) -> None:
    """A challenger that is not cheaper changes nothing; that is recorded with its reasons, and the exit status is 1."""
    settings = plant.settings.with_section("retrain", holdout=9 * DAY).with_section("promotion", min_events=5)
    result = retrain_champion(plant.workspace, "plant", now=plant.at(68), settings=settings)
    assert result.decision == "rejected"
    assert result.exit_status == 1
    assert plant.registry.champion("plant") == 1
    assert plant.registry.get_alias("plant", "challenger") == result.challenger_version
    records = open_records(plant.workspace.records_url)
    assert decisions(records).iloc[-1]["decision"] == "rejected"
    assert decisions(records).iloc[-1]["reasons"] == list(result.reasons)
    assert len(promotions(records)) == 1
    # The cooldown and the used evidence hold from then on.
    look = monitor_champion(plant.workspace, "plant", now=plant.at(69), settings=settings)
    assert look.rates.start >= plant.at(68) - pd.Timedelta(hours=36)


def test_nothing_is_trained_while_there_is_too_little_to_compare_on(plant: Any) -> None:
    """With too few matured events in the holdout nothing is trained, and no evidence is used up."""
    settings = plant.settings.with_section("retrain", holdout=3 * DAY)
    result = retrain_champion(plant.workspace, "plant", now=plant.at(68), settings=settings, why="drift")
    assert (result.decision, result.challenger_version, result.exit_status) == ("postponed", None, 1)
    assert result.comparison.events < 5
    assert result.comparison.champion is None
    assert "too few to replace a champion" in " ".join(result.reasons)
    assert "No challenger was trained" in result.reasons[-1]
    assert len(plant.registry.versions("plant")) == 1
    records = open_records(plant.workspace.records_url)
    stored = decisions(records).iloc[-1]
    assert stored["decision"] == "postponed"
    assert "used_until" not in stored["evidence"]
    assert "retraining postponed; the champion stays, version 1" in _rendered(result)
    evidence = gather_snapshot(plant.workspace, "plant", now=plant.at(69), settings=settings).evidence
    assert (evidence.last_retraining, evidence.used_until) == (None, None)
    assert (evidence.this_year, evidence.rejected_in_a_row) == (0, 0)
    look = monitor_champion(plant.workspace, "plant", now=plant.at(69), settings=settings)
    assert "retraining postponed" in look.report.read_text(encoding="utf-8")


def test_the_settings_hold_the_promotion_rules(plant: Any) -> None:
    """Settings that require more events than there are postpone the retraining."""
    settings = plant.settings.with_section("promotion", min_events=1000)
    result = retrain_champion(plant.workspace, "plant", now=plant.at(102), settings=settings)
    assert (result.decision, result.comparison.checks[0].figures["min_events"]) == ("postponed", 1000)


def test_comparisons_share_what_accrues(plant: Any) -> None:
    """What a comparison has spent is stored; the next one is postponed while that adds to its power, with a date."""
    first = retrain_champion(plant.workspace, "plant", now=plant.at(102), settings=plant.settings)
    figures = {check.name: check.figures for check in first.comparison.checks}
    assert figures["events"]["alpha"] == figures["cheaper"]["alpha"] == pytest.approx(0.1)
    assert 0 < figures["cheaper"]["alpha_spent"] <= 0.1
    records = open_records(plant.workspace.records_url)
    left = decisions(records).iloc[-1]["evidence"]["alpha_left"]
    assert left["routine"] == pytest.approx(0.1 - figures["cheaper"]["alpha_spent"])
    assert left["reserve"] == pytest.approx(0.1)
    again = retrain_champion(plant.workspace, "plant", now=plant.at(103), settings=plant.settings)
    assert again.decision == "postponed"
    stored = decisions(records).iloc[-1]["evidence"]
    until = pd.Timestamp(stored["postponed_until"])
    assert plant.at(103) < until <= plant.at(103) + 37 * DAY
    assert f"until {until:%Y-%m-%d}, while alpha accrues" in " ".join(again.reasons)
    # The schedule waits with it; a champion that has drifted does not.
    evidence = gather_snapshot(plant.workspace, "plant", now=plant.at(104), settings=plant.settings).evidence
    gates = [
        gate.gate
        for gate in decide(evidence, plant.settings.retrain, now=plant.at(104), trigger=CALENDAR).blocked_gates
    ]
    assert "power" in gates
    urgent = retrain_champion(
        plant.workspace, "plant", now=plant.at(104), settings=plant.settings, trigger="drift", urgent=True
    )
    assert urgent.decision != "postponed"
    assert urgent.comparison.checks[0].figures["alpha"] == pytest.approx(0.1)
    assert decisions(records).iloc[-1]["evidence"]["alpha_left"]["reserve"] < 0.1


def _rendered(result: Any) -> str:
    console = Console(width=200, record=True, file=io.StringIO())
    console.print(render(result))
    return console.export_text()


def test_one_retraining_at_a_time(plant: Any) -> None:
    """While another holds the lease nothing is trained; a lease left by a dead process ends by itself."""
    records = open_records(plant.workspace.records_url)
    until = wall_clock() + pd.Timedelta(minutes=2)
    acquire_lease(records, "retrain/plant", "process 4242 on mill, a1b2", wall_clock(), until - wall_clock())
    with pytest.raises(ModelError, match=f"by process 4242 on mill.*again after {until:%Y-%m-%d %H:%M}"):
        retrain_champion(plant.workspace, "plant", now=plant.at(68), settings=plant.settings)
    assert len(plant.registry.versions("plant")) == 1


def test_rollback_with_a_real_registry(plant: Any) -> None:
    """After a promotion a rollback makes the version before the champion again, and the ledger shows both."""
    now = plant.at(102)
    retrain_champion(plant.workspace, "plant", now=now, settings=plant.settings)
    records = open_records(plant.workspace.records_url)
    rollback(plant.registry, records, "plant", actor="a test", reason="too many alarms", now=now)
    assert plant.registry.champion("plant") == 1
    assert promotions(records)["to_version"].tolist() == [1, 2, 1]


def test_the_challengers_experiment(plant: Any, experiment: Any) -> None:
    """A challenger is trained as the champion was, split at the holdout, on as much history as the settings allow."""
    now = plant.at(102)
    usual = challenger_experiment(experiment, now=now, holdout=12 * DAY, history=None)
    assert usual.split.test_start == now - 12 * DAY
    assert (usual.split.test_end, usual.data.start, usual.data.end) == (None, None, None)
    assert (usual.estimator, usual.features, usual.label) == (
        experiment.estimator,
        experiment.features,
        experiment.label,
    )
    reaching = challenger_experiment(experiment, now=now, holdout=12 * DAY, history=30 * DAY)
    assert reaching.data.start == now - 42 * DAY


def test_a_drift_shortens_the_holdout_and_a_refresh_uses_no_evidence_up(plant: Any) -> None:
    """After drift the models are compared on the latest events; a refresh uses the usual holdout and no evidence."""
    settings = plant.settings.with_section("retrain", drift_events=8)
    urgent = retrain_champion(
        plant.workspace, "plant", now=plant.at(102), settings=settings, trigger="drift", urgent=True
    )
    assert plant.at(102) - urgent.comparison.start < 12 * DAY
    assert urgent.comparison.events >= 5
    evidence = gather_snapshot(plant.workspace, "plant", now=plant.at(103), settings=settings).evidence
    assert evidence.since_training.drift_answered == plant.at(102)
    assert evidence.used_until is not None
    calm = retrain_champion(plant.workspace, "plant", now=plant.at(118), settings=settings, trigger="refresh")
    after = gather_snapshot(plant.workspace, "plant", now=plant.at(119), settings=settings).evidence
    assert (after.used_until, after.this_year) == (evidence.used_until, 1)
    since = after.since_training
    assert (since.refreshed, since.trained, after.last_training) == (1, 1, plant.at(118))
    assert (after.last_retraining == plant.at(118)) == (calm.decision == "promoted")
