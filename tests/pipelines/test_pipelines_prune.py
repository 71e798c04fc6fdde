"""Pruning changes no figure: what monitor, promise and explanations rest on stays."""

import tempfile
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from mlflow import MlflowClient

from data_contracts.contract.contract import load_contract
from data_contracts.errors import UsageError
from data_contracts.ingestion.ingest import ingest
from data_contracts.ingestion.quarantine import export, list_rows, replay
from data_contracts.records.answer_records import add_predictions
from data_contracts.records.outbox.outbox_records import OutboxEvent
from data_contracts.records.records import (
    Decision,
    Prediction,
    add_decision,
    list_records,
    open_records,
    predictions,
)
from data_contracts.tables import tables
from data_contracts.tables.stored_features import load_features
from data_contracts.validation.report import ContractError
from data_contracts.workspace import init_workspace
from models.registry.registry import CHAMPION, Registry
from models.registry.reproduce import reproduce
from pipelines.jobs.monitor import monitor_champion
from pipelines.jobs.score import score_fleet
from pipelines.jobs.why import explain_decision
from pipelines.upkeep.trained_versions import trained_versions
from pipelines.workspaces.expiry.old_rows import delete_quarantine
from pipelines.workspaces.expiry.old_versions import remove_old_versions
from pipelines.workspaces.prune import prune

DAY = pd.Timedelta(days=1)


def _figures(plant: Any, now: pd.Timestamp) -> list[Any]:
    settings = plant.settings
    return [
        monitor_champion(plant.workspace, "plant", now=now, settings=settings).to_dict(),
        explain_decision(plant.workspace, "promotion", "plant", None).to_dict(),
        explain_decision(plant.workspace, "alarm", "plant", None).to_dict(),
    ]


def _failed_run(plant: Any, ended: pd.Timestamp) -> tuple[str, Path]:
    """Store a training that failed after it had written a file."""
    registry = Registry(plant.workspace)
    registry.names()
    client = MlflowClient(plant.workspace.mlflow_uri)
    experiment = client.get_experiment_by_name("plant")
    milliseconds = int(ended.timestamp() * 1000)
    run = client.create_run(experiment.experiment_id, start_time=milliseconds)
    client.log_text(run.info.run_id, "half", "half.txt")
    client.set_terminated(run.info.run_id, "FAILED", milliseconds)
    return run.info.run_id, plant.workspace.root / "artifacts" / "plant" / run.info.run_id


def test_pruning_changes_no_figure(plant: Any) -> None:
    """Rows of versions that are gone and failed trainings go; monitor, promotion and alarm are explained as before."""
    plant.answer(56, 100)
    now, records = plant.at(100), open_records(plant.workspace.records_url)
    numbers = (86400.0, 0.0, 0.9, None, 0.5, True)
    strays = [
        Prediction(f"stray-{day}", "machine-01", plant.at(day), plant.at(day), *numbers, "gone", 7, "batch")
        for day in (10, 20, 95)
    ]
    add_predictions(records, strays)
    (_, old), (_, new) = _failed_run(plant, plant.at(10)), _failed_run(plant, plant.at(95))
    before, stored = _figures(plant, now), len(predictions(records))
    kept = {"predictions": 40 * DAY, "answers": 40 * DAY, "shadow": DAY, "runs": 40 * DAY, "events": 40 * DAY}
    for day in (10, 99):
        add_decision(records, Decision(plant.at(day), "plant", 1, "retrain", [f"seen on day {day}"], {}))
    events = len(list_records(records, OutboxEvent))
    settings = plant.settings.with_section("retention", **kept)
    counted = prune(plant.workspace, settings, now=now, dry_run=True)
    assert (counted.rows["predictions"], counted.runs, counted.bytes_freed) == (2, 1, 4)
    assert len(predictions(records)) == stored
    assert old.exists()
    assert prune(plant.workspace, settings, now=now) == replace(counted, dry_run=False)
    assert len(predictions(records)) == stored - 2
    assert len(list_records(records, OutboxEvent)) == events - counted.rows["outbox_events"] < events
    assert (old.exists(), new.exists()) == (False, True)
    assert _figures(plant, now) == before
    assert Registry(plant.workspace).load("plant", CHAMPION).version == 1
    nothing = prune(plant.workspace, settings, now=now)
    assert (sum(nothing.rows.values()), nothing.runs) == (0, 0)


def test_predictions_are_kept_as_long_as_the_monitor_looks_back(plant: Any) -> None:
    """A retention that would empty the monitor's span is refused before anything is deleted."""
    settings = plant.settings.with_section("retention", predictions=39 * DAY)
    with pytest.raises(UsageError, match=r"retention\.predictions is 39d, and monitor\.span 40d"):
        prune(plant.workspace, settings, now=plant.at(100))
    for name in ("runs", "events"):
        settings = plant.settings.with_section("retention", **{name: pd.Timedelta(hours=1)})
        with pytest.raises(UsageError, match=rf"retention\.{name} is 1h"):
            prune(plant.workspace, settings, now=plant.at(100))
    (plant.workspace.root / "channels").mkdir()
    (plant.workspace.root / "channels" / "eam.toml").write_text('[webhook]\nurl = "http://127.0.0.1:9"\n')
    settings = plant.settings.with_section("retention", events=2 * DAY)
    with pytest.raises(UsageError, match=r"retention\.events is 2d, and a channel's give_up_after 3d"):
        prune(plant.workspace, settings, now=plant.at(100))


def _reports(number: int, time: pd.Timestamp) -> pd.DataFrame:
    """Return a good report, and one that is refused, as it is of no asset."""
    times = {"event_time": time, "known_time": time, "mode": "bearing"}
    return pd.DataFrame({"failure_id": [f"q{number}", f"r{number}"], "asset": ["machine-01", None], **times})


def _cut_off(*_: Any, **__: Any) -> None:
    raise KeyboardInterrupt


def test_whatever_is_pruned_what_was_answered_still_is(plant: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Cut off it goes on; versions that models were trained on, the last features and what can be replayed are read."""
    workspace, now, contract = plant.workspace, plant.at(100), load_contract("failures")
    for day in (56, 57, 99):
        score_fleet(workspace, "plant", as_of=plant.at(day))
    for number, day in enumerate((10, 20, 99)):
        ingest(workspace, _reports(number, plant.at(day)), contract, now=plant.at(day))
    for number in range(20):  # past compactions and checkpoints
        tables.append(workspace, "failures", _reports(100 + number, plant.at(98)).head(1), f"late {number}")
    for hour in ("2026-01-10T07", "2026-04-10T07"):
        file = workspace.reports / "live" / "mill" / f"{hour}.json"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("{}")
    trained, digest = trained_versions(workspace), plant.registry.recipe("plant", 1).digest

    def answers() -> list[Any]:
        features, held = load_features(workspace, "plant", digest), list_rows(workspace)
        assert features is not None
        then = [tables.read(workspace, each.table, version=each.version) for each in trained]
        replayable = held[held["known_time"] > now - 30 * DAY].reset_index(drop=True).to_json(date_format="iso")
        return [
            features.as_of,
            features.features.tobytes(),
            replayable,
            *(frame.to_json(date_format="iso") for frame in then),
        ]

    before, kept = answers(), dict.fromkeys(("quarantine", "features", "reports"), 30 * DAY)
    settings = plant.settings.with_section("retention", **kept)
    counted = prune(workspace, settings, now=now, dry_run=True)
    assert (counted.quarantine, counted.features, counted.reports) == (2, {"features/plant": 24}, 1)
    with monkeypatch.context() as patched:
        patched.setattr("pipelines.workspaces.prune.delete_features", _cut_off)
        with pytest.raises(KeyboardInterrupt):
            prune(workspace, settings, now=now)
    assert prune(workspace, settings, now=now) == replace(counted, dry_run=False, quarantine=0)
    again = prune(workspace, settings, now=now)
    assert (again.quarantine, again.features, again.reports) == (0, {}, 0)
    # By the clock of the files, which are new: without a grace.
    later = pd.Timestamp.now("UTC") + DAY
    removed = remove_old_versions(workspace, pd.Timedelta(0), now=later, dry_run=False)
    assert removed.tables["failures"].files > 10
    assert removed.tables["failures"].log_files > 0
    assert answers() == before
    assert replay(workspace, contract, now=now).refused == 1
    assert reproduce(workspace, "plant", 1).same


@hypothesis_settings(max_examples=6, deadline=None, suppress_health_check=list(HealthCheck))
@given(batches=st.lists(st.tuples(st.integers(0, 60), st.booleans()), min_size=1, max_size=4))
def test_what_is_in_quarantine_within_its_time_is_what_was(batches: list[tuple[int, bool]]) -> None:
    """Whatever was refused, row by row or as a whole, and replayed: the rest is listed and replayed as without."""
    day, contract = pd.Timestamp("2026-01-01T00:00Z").as_unit("us"), load_contract("failures")
    with tempfile.TemporaryDirectory() as folder:
        workspace = init_workspace(Path(folder) / "plant")
        for number, (at, whole) in enumerate(sorted(batches)):
            rows = _reports(number, day + at * DAY)
            with suppress(ContractError):
                ingest(workspace, rows.tail(1) if whole else rows, contract, now=day + at * DAY)
        held = list_rows(workspace)
        export(workspace, contract, Path(folder) / "held.csv")
        repaired = pd.read_csv(Path(folder) / "held.csv").head(1).assign(asset="machine-02")
        assert replay(workspace, contract, now=day + 60 * DAY, repaired=repaired).accepted == 1
        expected = list_rows(workspace)
        expected = expected[expected["known_time"] > day + 30 * DAY]
        delete_quarantine(workspace, day + 30 * DAY, dry_run=False)
        pd.testing.assert_frame_equal(list_rows(workspace), expected.reset_index(drop=True))
        assert len(held) == len(batches)
        assert replay(workspace, contract, now=day + 61 * DAY).refused == len(expected)
