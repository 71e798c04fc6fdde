"""Scoring a fleet in which machines have failed, were retired, fell silent or have old telemetry."""

import json
from typing import Any

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rich.console import Console

from data_contracts.records.answer_records import find_answers
from data_contracts.records.records import open_records, predictions
from data_contracts.tables import tables
from data_contracts.tables.stored_features import load_features
from data_contracts.twin_state.transitions import Change, write
from data_contracts.twin_state.twins import find_twin
from data_contracts.workspace import Workspace
from pipelines.cli.renderers import render
from pipelines.evidence.champion import load_champion
from pipelines.jobs.score import score_fleet

HOUR = pd.Timedelta("1h")
FIRST, SECOND, THIRD = (f"machine-{number:02d}" for number in range(3))


def fail(workspace: Workspace, asset: str, at: pd.Timestamp) -> None:
    row = {"failure_id": f"late-{asset}", "asset": asset, "event_time": at, "known_time": at, "mode": "bearing"}
    tables.append(workspace, "failures", pd.DataFrame([row]), f"late-{asset}-{at}")


def retire(workspace: Workspace, asset: str, at: pd.Timestamp) -> None:
    row = tables.read(workspace, "assets", assets=[asset]).tail(1)
    tables.append(workspace, "assets", row.assign(event_time=at, known_time=at, status="retired"), f"gone-{asset}")


def test_failed_and_retired_machines_have_no_prediction(plant: Any) -> None:
    """They are named with their status and answered as the endpoint does; no outcome can be held against them."""
    workspace, end = plant.workspace, plant.at(120)
    fail(workspace, FIRST, end)
    retire(workspace, SECOND, end - HOUR)
    result = score_fleet(workspace, "plant", as_of=end, now=end)
    assert (result.failed, result.retired, result.silent, result.stale) == ((FIRST,), (SECOND,), (), ())
    assert result.scored == 10
    assert not {FIRST, SECOND} & set(result.alerts)
    content = json.loads(json.dumps(result.to_dict()))
    assert (content["failed"], content["retired"]) == ([FIRST], [SECOND])
    assert content["stale_after"] == "at most 24 h is declared by the contract telemetry_azure_machine"
    records = open_records(workspace.records_url)
    assert not {FIRST, SECOND} & set(predictions(records, model_name="plant", since=end - HOUR)["asset"])
    kept = {asset: find_answers(records, asset=asset)[0] for asset in (FIRST, SECOND, THIRD)}
    assert [(one.status, one.reason) for one in kept.values()] == [
        ("failed", f"it failed at {end:%Y-%m-%d %H:%M} UTC, and no reading since shows that it runs again"),
        ("retired", "asset retired"),
        ("ok", None),
    ]
    assert kept[FIRST].content["reason_code"] == "failed"
    run = load_features(workspace, "plant", load_champion(workspace, "plant").model.artifact.recipe.digest, until=end)
    assert run is not None
    assert not {FIRST, SECOND} & set(run.assets)
    # Again nothing is stored, nor is anything twice.
    assert score_fleet(workspace, "plant", as_of=end, now=end + HOUR).stored == 0


def test_what_was_overridden_is_said_of_stored_features_and_answers(plant: Any) -> None:
    """Of the asset's window alone, and by what was known at the cut-off."""
    workspace, end = plant.workspace, plant.at(120)
    records = open_records(workspace.records_url)
    change = Change("volt", 150.0, end + 24 * HOUR, end - 10 * HOUR)
    assert write(records, find_twin(workspace, THIRD), [change], actor="ada", reason="hung", now=end - HOUR).accepted
    digest = load_champion(workspace, "plant").model.artifact.recipe.digest
    for as_of, is_known in ((end - 2 * HOUR, False), (end, True)):
        score_fleet(workspace, "plant", as_of=as_of, now=end)
        run = load_features(workspace, "plant", digest, until=as_of)
        assert run is not None
        assert (run.shares is not None) == is_known
        answers = {asset: find_answers(records, asset=asset)[0].content for asset in (SECOND, THIRD)}
        assert ("provenance" in answers[THIRD], "provenance" in answers[SECOND]) == (is_known, False)
    shares = dict(zip(run.assets, run.shares.tolist(), strict=True))
    assert [asset for asset, own in shares.items() if any(own)] == [THIRD]
    assert list(answers[THIRD]["provenance"].values()) == shares[THIRD]
    assert 0.0 < shares[THIRD][0] < 1.0


def test_a_new_machine_has_no_number_of_the_old_one(plant: Any) -> None:
    """Under the id of a failed machine another one stands: it is silent until it has sent something."""
    end = plant.at(120)
    fail(plant.workspace, FIRST, end - HOUR)
    row = tables.read(plant.workspace, "assets", assets=[FIRST]).tail(1)
    taken = row.assign(event_time=end + HOUR, known_time=end + HOUR, status="in_service")
    tables.append(plant.workspace, "assets", taken, f"new-{FIRST}")
    result = score_fleet(plant.workspace, "plant", now=end + 2 * HOUR)
    assert (result.failed, result.silent, result.scored) == ((), (FIRST,), 11)
    assert not find_answers(open_records(plant.workspace.records_url), asset=FIRST)


def test_a_fleet_that_stands_is_no_error(plant: Any) -> None:
    """Where every machine has failed there is nothing to predict, and each is named."""
    end = plant.at(120)
    for asset in tables.read(plant.workspace, "assets")["asset"].unique():
        fail(plant.workspace, asset, end)
    result = score_fleet(plant.workspace, "plant", as_of=end, now=end)
    assert (result.scored, result.stored, len(result.failed)) == (0, 0, 12)


def test_without_a_cut_off_the_present_decides_who_runs(plant: Any) -> None:
    """As at the endpoint: a failure reported after the latest telemetry counts, and ages count to now."""
    fail(plant.workspace, FIRST, plant.at(120) + 2 * HOUR)
    result = score_fleet(plant.workspace, "plant", now=plant.at(120) + 3 * HOUR)
    assert (result.failed, result.stale, result.as_of) == ((FIRST,), (), plant.at(120))
    much_later = score_fleet(plant.workspace, "plant", now=plant.at(120) + pd.Timedelta("455D"))
    assert len(much_later.stale) == 11
    kept = find_answers(open_records(plant.workspace.records_url), asset=THIRD)[0]
    assert kept.status == "ok"  # as it was when it was made
    # A cut-off in the past is judged by itself, whenever one asks.
    assert score_fleet(plant.workspace, "plant", as_of=plant.at(119), now=plant.at(1000)).stale == ()
    assert score_fleet(plant.workspace, "plant", now=plant.at(1000), stale_after="none").stale == ()


def test_stale_predictions_are_stored_as_such(plant: Any) -> None:
    """With their number, for the number is real, and the reason with rule and figure."""
    score_fleet(plant.workspace, "plant", now=plant.at(575))
    kept = find_answers(open_records(plant.workspace.records_url), asset=THIRD)[0]
    assert (kept.status, kept.content["reason_code"]) == ("stale", "stale")
    assert str(kept.reason).startswith("the latest reading used is 455 days old, at most 24 h is declared")


def test_the_output_names_each_group(plant: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """Nobody has to count what is missing."""
    fail(plant.workspace, FIRST, plant.at(120) + HOUR)
    retire(plant.workspace, SECOND, plant.at(120))
    Console(width=200).print(render(score_fleet(plant.workspace, "plant", now=plant.at(500))))
    printed = capsys.readouterr().out
    assert f"failed and not back (1): {FIRST}" in printed
    assert f"retired (1): {SECOND}" in printed
    assert "too old; at most 24 h is declared by the contract telemetry_azure_machine (10): machine-02" in printed


@given(hours=st.integers(-30, 30), reported=st.integers(0, 60))
@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_is_known_later_changes_no_status(plant: Any, hours: int, reported: int) -> None:
    """No look-ahead: with everything later left out, the same machines are scored and named."""
    failed_at = plant.at(110) + hours * HOUR
    row = {"failure_id": f"x{hours}-{reported}", "asset": FIRST, "event_time": failed_at, "mode": "bearing"}
    frame = pd.DataFrame([row | {"known_time": failed_at + reported * HOUR}])
    before = score_fleet(plant.workspace, "plant", as_of=plant.at(110), now=plant.at(110))
    tables.append(plant.workspace, "failures", frame, f"x{hours}-{reported}")
    after = score_fleet(plant.workspace, "plant", as_of=plant.at(110), now=plant.at(110))
    if failed_at + reported * HOUR > plant.at(110):
        assert (after.failed, after.scored, after.silent) == (before.failed, before.scored, before.silent)
