"""Leaks in a training by command, and on public data: shipped experiments are not accused, planted leaks are found."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from data_contracts.tables.history import History, read_history
from data_contracts.workspace import init_workspace
from models.canaries.check import check_leaks
from models.canaries.report import LeakReport
from models.experiment.experiment import Experiment
from models.experiment.experiment_file import load_experiment
from models.registry.registry import Registry
from models.training.training import train
from pipelines.cli import main
from pipelines.fleet.simulation import Fleet
from pipelines.importers.azure_pdm import read_azure_pdm
from pipelines.importers.batch import Batch, import_batch
from pipelines.importers.cmapss import read_cmapss

NOW = pd.Timestamp("2026-01-01T00:00Z")
HOUR = pd.Timedelta("1h")
# For the test's time alone: what a leak shows in does not hang on the number of trees.
QUICK = ("estimator.params.n_boosters=1", "estimator.params.n_estimators=80")
Plant = Callable[[History, Experiment], History]


def history_of(batch: Batch, folder: Path) -> History:
    workspace = init_workspace(folder)
    import_batch(workspace, batch, now=NOW)
    return read_history(workspace, batch.asset_type, as_of=NOW)


def report_of(repository: Path, name: str, history: History, *changes: str, plant: Plant | None = None) -> LeakReport:
    experiment = load_experiment(repository / "pipelines" / "experiments" / f"{name}.toml", changes)
    changed = history if plant is None else plant(history, experiment)
    return check_leaks(experiment, changed, train(experiment, changed))


@pytest.fixture(scope="module")
def azure(datasets: Path, tmp_path_factory: pytest.TempPathFactory) -> History:
    return history_of(read_azure_pdm(datasets / "azure_pdm"), tmp_path_factory.mktemp("azure"))


@pytest.mark.verify
def test_azure_is_not_accused(repository: Path, azure: History) -> None:
    """The shipped experiment on Azure, as it ships."""
    report = report_of(repository, "azure", azure)
    assert not report.findings, report.verdict
    assert report.figures["p_value"] == pytest.approx(0.05)


@pytest.mark.verify
@pytest.mark.parametrize("name", ["fleet", "fleet_horizons"])
def test_the_fleet_is_not_accused(repository: Path, tmp_path: Path, name: str) -> None:
    """The shipped experiments on the simulated fleet, as they ship."""
    start = pd.Timestamp("2025-01-01T00:00Z").as_unit("us")
    history = history_of(Fleet(7, 60, start=start).advance(start + pd.Timedelta("120D")), tmp_path)
    assert not report_of(repository, name, history).findings


@pytest.mark.verify
@pytest.mark.parametrize("subset", ["FD001", "FD003"])
def test_engines_are_not_accused(repository: Path, datasets: Path, tmp_path: Path, subset: str) -> None:
    """The shipped experiments on engines, with fewer trees."""
    history = history_of(read_cmapss(datasets / "cmapss", subset), tmp_path)
    assert not report_of(repository, subset.lower(), history, *QUICK).findings


@pytest.mark.verify
def test_a_replacement_booked_in_the_failures_own_hour_is_found(repository: Path, azure: History) -> None:
    """Azure's trap: replacements as events known at once, failures at the end of the hour they are booked under."""
    report = report_of(repository, "azure", azure, *QUICK, plant=own_hour)
    found = {name for finding in report.leaks if finding.kind == "booking" for name in finding.columns}
    assert found == {f"the event replaced-comp{number}" for number in (1, 2, 3, 4)}


@pytest.mark.verify
def test_work_orders_known_before_the_failure_they_repair_are_found(repository: Path, azure: History) -> None:
    """Replacements as work orders known at once, failures reported two hours later."""
    report = report_of(repository, "azure", azure, *QUICK, "features.ages=true", plant=reported_late)
    assert "corrective work" in {name for finding in report.leaks for name in finding.columns}


@pytest.mark.verify
def test_error_codes_known_within_their_own_hour_are_found(repository: Path, azure: History) -> None:
    """Without the hour that booking takes, error codes booked 24 hours before are the edge of a label of 24 hours."""
    report = report_of(repository, "azure", azure, *QUICK, plant=known_at_once)
    assert [finding.kind for finding in report.leaks] == ["edge"]


@pytest.mark.verify
def test_a_status_filled_in_later_is_found(repository: Path, azure: History) -> None:
    """A channel that is 1 in the label's hours, under noise."""
    report = report_of(repository, "azure", azure, *QUICK, plant=with_status)
    assert {name.partition("@")[0] for finding in report.leaks for name in finding.columns} == {"status"}


@pytest.mark.verify
def test_an_ill_timed_countdown_of_an_engine_is_found(repository: Path, datasets: Path, tmp_path: Path) -> None:
    """A channel with the cycles that are left is the answer to the question."""
    history = history_of(read_cmapss(datasets / "cmapss", "FD001"), tmp_path)
    report = report_of(repository, "fd001", history, *QUICK, "features.channels=['s2','s7','left']", plant=countdown)
    assert [finding.kind for finding in report.leaks] == ["answer"]


def own_hour(history: History, _: Experiment) -> History:
    orders, failures = history.work_orders, history.failures
    booked = pd.DataFrame(
        {
            "event_id": "replaced-" + orders["work_order_id"],
            "asset": orders["asset"],
            "event_time": orders["event_time"],
            "known_time": orders["event_time"],
            "code": "replaced-" + orders["component"],
        }
    )
    failures = failures.assign(event_time=failures["event_time"] + pd.Timedelta("59min"))
    return replace(history, failures=failures, events=pd.concat([history.events, booked], ignore_index=True))


def reported_late(history: History, _: Experiment) -> History:
    late = {name: history.failures[name] + 2 * HOUR for name in ("event_time", "known_time")}
    orders = history.work_orders.assign(known_time=history.work_orders["event_time"])
    return replace(history, failures=history.failures.assign(**late), work_orders=orders)


def known_at_once(history: History, _: Experiment) -> History:
    return replace(history, events=history.events.assign(known_time=history.events["event_time"]))


def with_status(history: History, experiment: Experiment) -> History:
    assert experiment.label.horizon is not None
    status = (hours_left(history) <= experiment.label.horizon / HOUR).astype(float)
    status += np.random.default_rng(0).normal(0, 0.1, len(status))
    telemetry = history.telemetry.assign(status=status)
    return replace(history, channels=(*history.channels, "status"), telemetry=telemetry)


def countdown(history: History, _: Experiment) -> History:
    left = hours_left(history)
    # Test engines run on past their last reading, of which telemetry says nothing.
    telemetry = history.telemetry.assign(left=np.where(np.isfinite(left), left, np.nan))
    return replace(history, channels=(*history.channels, "left"), telemetry=telemetry)


def hours_left(history: History) -> np.ndarray:
    """Return the hours from each reading to the next failure of its asset, infinite after the last."""
    left = np.full(len(history.telemetry), np.inf)
    failures = history.failures.sort_values("event_time", ascending=False)
    for asset, at in failures[["asset", "event_time"]].itertuples(index=False):
        before = (history.telemetry["asset"] == asset) & (history.telemetry["event_time"] <= at)
        left = np.where(before, (at - history.telemetry["event_time"]) / HOUR, left)
    return left


@pytest.mark.slow
def test_train_refuses_a_leak_and_writes_it_on_the_version_where_it_is_allowed(
    repository: Path, azure: History, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit 1 and no version; with --allow-leak a version that says so in its tags and on its card."""
    workspace = init_workspace(tmp_path / "w")
    history = own_hour(azure, load_experiment(repository / "pipelines" / "experiments" / "azure.toml", []))
    tables = ("telemetry", "assets", "failures", "work_orders", "events")
    frames = {name: getattr(history, name).drop(columns="stored_version", errors="ignore") for name in tables}
    import_batch(workspace, Batch(asset_type="azure_machine", **frames), now=NOW)
    arguments = ["train", "azure", *(word for change in QUICK for word in ("--set", change))]
    status, _, told = run(capsys, *arguments, "--workspace", str(workspace.root))
    assert status == 1
    assert "the event replaced-comp" in told
    assert Registry(workspace).champion("azure-failure") is None
    status, out, _ = run(capsys, *arguments, "--allow-leak", "--workspace", str(workspace.root), "--json")
    answered = json.loads(out)
    assert (status, answered["version"]) == (0, 1)
    assert answered["leak_report"]["leaks"] > 0
    tags = Registry(workspace).load("azure-failure", 1).tags
    assert "replaced-comp" in tags["leak_verdict"]
    assert tags["leak_allowed"].startswith("by ")


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[Any, str, str]:
    capsys.readouterr()
    try:
        status = main([*arguments]) or 0
    except SystemExit as ended:
        status = ended.code or 0
    printed = capsys.readouterr()
    return status, printed.out, printed.err
