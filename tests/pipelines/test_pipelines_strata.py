"""Promises divided by a column of the assets table, from training to the monitor, its report and `why`; all real."""

import io
from dataclasses import replace
from typing import Any

import pytest
from rich.console import Console

from data_contracts.errors import UsageError
from data_contracts.records.records import decisions, open_records
from data_contracts.tables import tables
from data_contracts.tables.history import read_history
from models.outcomes.error_rates import occurrence, share
from models.outcomes.reference_tags import read_reference, reference_tags
from models.outcomes.stratum_counts import StratumCounts
from pipelines.cli.renderers import render
from pipelines.evidence.strata import membership_of
from pipelines.jobs.monitor import MonitorResult, monitor_champion
from pipelines.jobs.train import train_experiment
from pipelines.jobs.why import explain_decision

pytestmark = pytest.mark.slow


@pytest.fixture
def lines(plant: Any) -> Any:
    """Return the plant with its assets on two lines."""
    assets = read_history(plant.workspace, "azure_machine").assets
    halves = [("a", "b")[number % 2] for number in range(len(assets))]
    corrected = assets.assign(line=halves, known_time=plant.at(1)).drop(columns="stored_version", errors="ignore")
    tables.append(plant.workspace, "assets", corrected, "lines")
    return plant


def _monitor(plant: Any, day: float, **drift: Any) -> MonitorResult:
    settings = plant.settings.with_section("drift", **drift)
    result = monitor_champion(plant.workspace, "plant", now=plant.at(day), settings=settings)
    assert isinstance(result, MonitorResult)
    return result


def test_a_version_from_before_is_monitored_by_its_overall_promise(plant: Any) -> None:
    """With the reason; and without strata nothing is said of them."""
    plant.answer(55, 70)
    plain, by_line = _monitor(plant, 70), _monitor(plant, 70, strata="line")
    assert [each.log_e_values for each in plain.drift.evidence] == [
        each.log_e_values for each in by_line.drift.evidence
    ]
    assert plain.drift.strata == ()
    assert any("not divided by line" in reason for reason in by_line.drift.reasons)
    assert [one.counts.name for one in by_line.drift.strata] == ["a"]


def test_training_counts_the_evaluation_by_line(lines: Any, experiment: Any) -> None:
    """The strata of a column add up to the rates that the version promises."""
    train_experiment(lines.workspace, experiment, now=lines.at(55))
    reference = read_reference(lines.registry.tags("plant", 2))
    assert reference is not None
    assert {(one.by, one.name) for one in reference.strata} == {("line", "a"), ("line", "b")}
    assert sum(one.failures for one in reference.strata) == reference.missed.of
    assert sum(one.exposure for one in reference.strata) == pytest.approx(reference.false_episodes.of, abs=0.01)


def test_a_promise_by_line_is_shown_everywhere(lines: Any) -> None:
    """Tested, printed, drawn, recorded and explained."""
    reference = read_reference(lines.registry.tags("plant", 1))
    assert reference is not None
    halves = (StratumCounts("line", "a", 2, 40, 4, 20.0), StratumCounts("line", "b", 12, 40, 16, 20.0))
    promised = replace(reference, missed=share(14, 80), false_episodes=occurrence(20, 40.0), strata=halves)
    for tag, value in reference_tags(promised).items():
        lines.registry._client.set_model_version_tag("plant", "1", tag, value)
    lines.answer(55, 90)
    result = _monitor(lines, 92, strata="line")
    first, second = result.to_dict()["strata"]
    assert first["promised"]["missed"]["keeps_up_to"] < second["promised"]["missed"]["keeps_up_to"]
    assert (first["failures"], first["evaluated"]) == (result.drift.strata[0].counts.failures, True)
    misses = next(each for each in result.to_dict()["evidence"] if each["rate"] == "fn")
    assert misses["strata"] == "line"
    assert "Promises by line" in result.report.read_text(encoding="utf-8")
    text = _printed(result)
    assert "false alarms a month" in text
    assert f"{first['missed']} of {first['failures']}" in text
    stored = decisions(open_records(lines.workspace.records_url), model_name="plant").iloc[-1]["evidence"]
    assert {one["by"] for one in stored["promise"]["missed_strata"]} == {"line"}
    explained = explain_decision(lines.workspace, "retraining", "plant")
    assert any(sentence.startswith("line a: ") for sentence in explained.seen)
    assert any("mix of lines" in sentence for sentence in explained.tests)


def _printed(result: MonitorResult) -> str:
    console = Console(width=160, record=True, file=io.StringIO())
    console.print(render(result))
    return console.export_text()


def test_a_column_that_is_not_there(plant: Any) -> None:
    """The names that could be meant are said."""
    history = read_history(plant.workspace, "azure_machine", start=plant.at(100))
    with pytest.raises(UsageError, match="plnt"):
        membership_of(history, plant.settings.with_section("drift", strata="plnt"))
    assert membership_of(history, plant.settings) is None
