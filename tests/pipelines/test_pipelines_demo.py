"""The demonstration, shortened: the whole loop on a small fleet."""

import html
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import httpx
import pandas as pd
import pytest

from data_contracts.records.answer_records import find_answers
from data_contracts.records.records import decisions, open_records, predictions
from models.experiment.experiment_file import load_experiment
from models.registry.registry import Registry
from models.retraining.retraining_policy import REFRESH, RetrainingDecision
from pipelines.cli import app
from pipelines.demo import timeline
from pipelines.demo.demonstration import EXPERIMENT, DemoResult, run_demo
from pipelines.demo.story import DAY, Story
from pipelines.jobs.why import explain_decision
from pipelines.readiness.score import score_readiness
from pipelines.settings.settings import read_settings

pytestmark = pytest.mark.slow

SHORT = replace(Story(), machines=16, history_days=110, change_day=112, days=124, monitor_every=7)


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> DemoResult:
    return run_demo(tmp_path_factory.mktemp("demo") / "w", SHORT, say=lambda _: None)


@pytest.mark.ml_test("Infra 3")
def test_every_day_is_answered_over_http(shown: DemoResult) -> None:
    """Each machine gets an answer each day, by the endpoint, and each is in the records: a prediction if it runs."""
    records = open_records(shown.workspace.records_url)
    recorded = predictions(records, model_name="fleet-failure")
    assert set(recorded["origin"]) == {"endpoint"}
    days = SHORT.days - SHORT.history_days
    answers = pd.DataFrame([vars(answer) for answer in find_answers(records)])
    assert answers.groupby("as_of")["asset"].nunique().eq(SHORT.machines).sum() == days
    assert set(answers["status"]) <= {"ok", "stale", "failed"}
    assert 0.9 < len(recorded) / (SHORT.machines * days) <= 1


def test_the_timeline_has_the_lines_shown_in_the_readme(shown: DemoResult) -> None:
    """Ingested, champion, trained, change and end are there in order of time, and so is the report."""
    lines = [moment.what for moment in shown.moments]
    assert lines[:3] == ["ingested", "champion v1", "also trained"]
    assert "process change" in lines
    assert lines[-1] == "end"
    assert [moment.at for moment in shown.moments] == sorted(moment.at for moment in shown.moments)
    assert "rows quarantined" in shown.moments[0].detail
    assert shown.report.read_text(encoding="utf-8").startswith("<!doctype html>")


def test_the_answer_for_programs_is_json(shown: DemoResult) -> None:
    """What `--json` prints is valid JSON."""
    printed = json.loads(json.dumps(shown.to_dict(), allow_nan=False))
    assert set(printed) == {"timeline", "phases", "report", "why", "fleet_page", "workspace", "mlflow_uri"}


def test_the_pages_are_served_and_opened_until_interrupted(shown: DemoResult, tmp_path: Path) -> None:
    """In the browser that there is; and Ctrl-C, which a terminal sends to all its processes, leaves none of them."""
    opened, browser = tmp_path / "opened", tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\necho "$1" > {opened}.part && mv {opened}.part {opened}\n')
    browser.chmod(0o700)
    code = (
        "import sys; from pathlib import Path; from pipelines.demo.open_pages import serve_pages\n"
        "serve_pages(Path(sys.argv[1]), sys.argv[2], sys.argv[3], say=print)"
    )
    words = [sys.executable, "-c", code, str(shown.workspace.root), shown.model, shown.fleet_page]
    environment = {**os.environ, "BROWSER": f"{browser} %s", "PYTHONPATH": os.pathsep.join(sys.path)}
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen(words, env=environment, stdout=log, stderr=log, start_new_session=True)
        try:
            deadline = time.monotonic() + 150
            while not opened.exists():
                assert process.poll() is None, (tmp_path / "log").read_text()
                assert time.monotonic() < deadline, (tmp_path / "log").read_text()
                time.sleep(0.1)
            url = opened.read_text().strip()
            assert url.endswith(shown.fleet_page)
            page = httpx.get(url, timeout=60)
            assert page.status_code == 200
            assert "cnc-001" in page.text
        finally:
            os.killpg(process.pid, signal.SIGINT)
            status = process.wait(timeout=60)
    assert status == 130, (tmp_path / "log").read_text()
    with pytest.raises(httpx.ConnectError):
        httpx.get(url)


def test_a_postponed_retraining_is_shown_as_such(monkeypatch: pytest.MonkeyPatch) -> None:
    """When nothing was trained the timeline says so with its reason, and names no version."""
    monkeypatch.setattr(timeline, "_evidence", lambda _: "evidence")
    drifted = SimpleNamespace(retraining=RetrainingDecision("retrain", ()))
    early = SimpleNamespace(champion=None, challenger=None, reasons=("2 events in the period: too few.",))
    result = SimpleNamespace(decision="postponed", comparison=early, challenger_version=None)
    moments = list(timeline._swap_moments(SimpleNamespace(at=0, look=drifted, result=result, traffic=None)))  # type: ignore[arg-type]
    assert [(moment.what, moment.detail) for moment in moments] == [
        ("drift detected", "evidence"),
        ("postponed", "2 events in the period: too few."),
    ]


def test_a_follow_up_is_shown_as_such(monkeypatch: pytest.MonkeyPatch) -> None:
    """A training that follows one which answered a drift rests on no test; the timeline says what it rests on."""
    monkeypatch.setattr(timeline, "_score", lambda side: side)
    due = RetrainingDecision("retrain", ("Nothing is known yet.", "Follow-up 1 of 3."), trigger=REFRESH)
    compared = SimpleNamespace(challenger="v3 misses 1 of 10", champion="v1 misses 6 of 10")
    result = SimpleNamespace(decision="rejected", comparison=compared, challenger_version=3)
    swap = SimpleNamespace(at=0, look=SimpleNamespace(retraining=due), result=result, traffic=None)
    moments = list(timeline._swap_moments(swap))  # type: ignore[arg-type]
    assert [(moment.what, moment.detail) for moment in moments] == [
        ("follow-up", "Follow-up 1 of 3."),
        ("rejected v3", "v3 misses 1 of 10; v1 misses 6 of 10"),
    ]


@pytest.mark.verify
def test_the_drift_is_found_and_a_better_champion_promoted(tmp_path: Path) -> None:
    """The story as it is shipped: with the tests by default, within ten weeks; what it leaves is fit for production."""
    story = Story()
    shown = run_demo(tmp_path / "w", story, say=lambda _: None)
    at = {moment.what: moment.at for moment in shown.moments}
    assert story.change < at["drift detected"] <= story.change + 56 * DAY
    promoted = max(at[what] for what in at if what.startswith("champion"))
    assert at["drift detected"] <= promoted <= story.change + 70 * DAY
    lines = [moment.what for moment in shown.moments]
    assert lines.index("process change") < lines.index("drift detected"), "no drift is found before there is one"
    recorded = decisions(open_records(shown.workspace.records_url), model_name=shown.model).set_index("id")
    explained = recorded.loc[int(shown.why.split()[3])]
    assert (explained["decision"], explained["at"]) == ("retrain", at["drift detected"])
    settings = read_settings(shown.workspace, {})
    scored = score_readiness(shown.workspace, shown.model, now=story.end, settings=settings)
    assert min(scored.sections.values()) >= 6, {each.item.name: each.proof for each in scored.items}


def test_a_folder_with_other_things_is_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The demonstration deletes only what an earlier one left; anything else is wrong usage."""
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(SystemExit) as leaving:
        app.main(["demo", "--workspace", str(tmp_path)])
    assert leaving.value.code == 2
    assert (tmp_path / "mine.txt").read_text() == "mine"
    assert "no demonstration" in " ".join(capsys.readouterr().err.split())


def test_every_page_counts_the_same_outcomes(shown: DemoResult) -> None:
    """Training, registry and timeline give one set of figures; so do the last decision, its report and `why`."""
    registry, records = Registry(shown.workspace), open_records(shown.workspace.records_url)
    figures, costs = registry.metrics(shown.model, 1), load_experiment(EXPERIMENT, []).costs
    missed = figures["failures_total"] - figures["failures_caught"]
    assert figures["expected_cost"] == missed * costs.missed_failure + figures["false_alarms"] * costs.false_alarm
    assert figures["expected_cost_never"] == figures["failures_total"] * costs.missed_failure
    champion = next(moment for moment in shown.moments if moment.what == "champion v1")
    assert f"{figures['failures_caught']:.0f} of {figures['failures_total']:.0f} failures caught" in champion.detail
    decided = decisions(records, model_name=shown.model).iloc[-1]
    explained = explain_decision(shown.workspace, "retraining", shown.model)
    report = html.unescape(shown.report.read_text(encoding="utf-8"))
    for sentence in decided["reasons"]:
        assert sentence in explained.seen
        assert sentence in report
