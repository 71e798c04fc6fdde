"""Alarms held back at random in scoring, monitoring and explanations, on a real plant."""

import json
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from rich.console import Console

from data_contracts.records.draw_records import alarm_draws
from data_contracts.records.records import decisions, open_records, predictions
from data_contracts.workspace import SETTINGS_FILE
from models.hold_back.draws import alarm_claim, random_number
from models.hold_back.policy import PolicySettings
from models.planning.cost_settings import read_costs
from models.value.gather import Scope
from pipelines.cli.app import main
from pipelines.cli.renderers import render
from pipelines.evidence.champion import load_champion
from pipelines.following.follow_ups import FollowUps
from pipelines.jobs.monitor import MonitorResult, monitor_alarms
from pipelines.jobs.score import ScoreResult, score_fleet
from pipelines.jobs.why import explain_decision
from pipelines.value.measure import measure_value
from serving.pages import all_routes
from tests.browser import Browser
from tests.page_server import serving_pages, worker_at
from tests.serving.page_client import page_client

HALF = PolicySettings(hold_back=0.5)
pytestmark = pytest.mark.usefixtures("plant")


def text_of(result: Any) -> str:
    console = Console(file=StringIO(), width=2000)
    console.print(render(result))
    written: str = console.file.getvalue()  # type: ignore[attr-defined]
    return written


def score_days(plant: Any, first: float, last: float, policy: PolicySettings) -> list[ScoreResult]:
    """Score every six hours."""
    times = [plant.at(first + number / 4) for number in range(int((last - first) * 4))]
    return [score_fleet(plant.workspace, "plant", as_of=at, now=at, policy=policy) for at in times]


@pytest.fixture
def scored(plant: Any) -> list[ScoreResult]:
    return score_days(plant, 56, 66, HALF)


def test_scoring_lists_no_alarm_that_is_held_back(plant: Any, scored: list[ScoreResult]) -> None:
    """Held-back assets are in no list to act on; they are named apart in JSON, and counted for people."""
    held = [result for result in scored if result.held_back]
    assert held
    assert any(result.alerts for result in scored)
    stored = predictions(open_records(plant.workspace.records_url), model_name="plant")
    for result in scored:
        alerting = set(stored.loc[(stored["as_of"] == result.as_of) & stored["alert"], "asset"])
        assert alerting == {*result.alerts, *(result.held_back or ())}
        assert not {risk.asset for risk in result.risks} & set(result.held_back or ())
    values = json.loads(json.dumps(held[0].to_dict()))
    assert values["held_back"] == list(held[0].held_back or ())
    assert not set(values["held_back"]) & {risk["asset"] for risk in values["by_risk"]}
    assert f"alarms held back at random, which nobody is to act on (policy.hold_back): {len(values['held_back'])}" in (
        text_of(held[0])
    )


def test_scoring_again_draws_and_stores_nothing_new(plant: Any, scored: list[ScoreResult]) -> None:
    """A retry of a killed run gives the same lists, and one draw for each alert is stored, with its prediction."""
    records = open_records(plant.workspace.records_url)
    drawn = alarm_draws(records, model_name="plant", known=plant.at(120))
    for before in scored[-8:]:
        again = score_fleet(plant.workspace, "plant", as_of=before.as_of, now=plant.at(80), policy=HALF)
        assert (again.alerts, again.held_back, again.stored) == (before.alerts, before.held_back, 0)
    pd.testing.assert_frame_equal(alarm_draws(records, model_name="plant", known=plant.at(120)), drawn)
    stored = predictions(records, model_name="plant")
    assert set(drawn["prediction_id"]) == set(stored.loc[stored["alert"], "prediction_id"])
    claim = alarm_claim(load_champion(plant.workspace, "plant").model.artifact)
    for row in drawn.to_dict("records"):
        number = random_number("plant", row["asset"], row["opened"], claim=claim, seed=0)
        assert row["held_back"] == (number < 0.5)


def test_by_default_nothing_is_drawn_and_nothing_is_shown(plant: Any) -> None:
    """Results have the keys that they had, and the monitor does not mention what nobody asked for."""
    results = score_days(plant, 56, 58, PolicySettings())
    assert all("held_back" not in result.to_dict() for result in results)
    assert alarm_draws(open_records(plant.workspace.records_url), model_name="plant", known=plant.at(120)).empty
    result = monitor_alarms(plant.workspace, "plant", now=plant.at(60), settings=plant.settings)
    assert result.to_dict()["hold_back"] is None
    assert "held back" not in text_of(result)


def monitored(plant: Any, day: float, policy: PolicySettings) -> MonitorResult:
    settings = plant.settings.model_copy(update={"policy": policy})
    return monitor_alarms(plant.workspace, "plant", now=plant.at(day), settings=settings)


@pytest.mark.usefixtures("scored")
def test_the_monitor_shows_the_effect_and_what_it_costs(plant: Any) -> None:
    """In its output, JSON, report and `why`; failures followed both arms alike, as no mechanic comes in this plant."""
    result = monitored(plant, 70, HALF)
    assert result.acting is not None
    drawn = alarm_draws(open_records(plant.workspace.records_url), model_name="plant", known=plant.at(70))
    alarms = drawn.drop_duplicates(["asset", "opened"])
    assert result.acting.held_back.of == alarms["held_back"].sum()
    assert result.acting.held_back.of + result.acting.announced.of == len(alarms)
    assert result.acting.prevented.low <= 0 <= result.acting.prevented.high
    values = json.loads(json.dumps(result.to_dict()))["hold_back"]
    assert values["share"] == 0.5
    assert values["held_back"]["count"] == result.acting.held_back.count
    output, page = text_of(result), result.report.read_text(encoding="utf-8")
    why = explain_decision(plant.workspace, "retraining", "plant")
    for sentence in values["sentences"]:
        assert sentence in output
        assert sentence in why.seen
    assert "Effect of acting" in page
    assert "of the alarms are held back (policy.hold_back)" in output


@pytest.mark.usefixtures("scored")
def test_what_was_held_back_is_still_shown_after_it_ended(plant: Any) -> None:
    """With 0 again the estimate stays, and nothing is said of what it will cost."""
    result = monitored(plant, 70, PolicySettings())
    assert result.acting is not None
    assert len(result.acting_sentences) == 1


def test_what_holding_back_costs_is_said_before_there_is_a_draw(plant: Any) -> None:
    """From the alarms so far and how many of them were true, as if acting prevented every failure."""
    plant.answer(55, 68)
    result = monitored(plant, 70, PolicySettings(hold_back=0.1))
    assert result.acting is not None
    precision = result.rates.precision
    assert precision is not None
    assert result.acting.monthly_cost == pytest.approx(result.acting.monthly_alarms * (11 * precision.value - 1))
    assert "if acting prevented every failure announced" in result.acting_sentences[-1]


@pytest.mark.usefixtures("scored")
def test_held_back_alarms_count_as_the_models_own(plant: Any) -> None:
    """Nobody acts in this plant, so its rates and its decision are the same with and without holding back."""
    with_draws = monitored(plant, 70, HALF)
    rates = with_draws.rates
    assert (rates.prevented, rates.undecided) == (0, 0)
    values = decisions(open_records(plant.workspace.records_url)).iloc[-1]["evidence"]
    assert values["rates"] == rates.to_dict()
    assert rates.missed.of == rates.caught + rates.missed.count
    without = replace(with_draws, acting=None)
    assert without.rates == monitored(plant, 70, PolicySettings()).rates


@pytest.mark.usefixtures("scored")
def test_an_alarm_explained_says_that_it_was_held_back(plant: Any) -> None:
    """`forewarn why alarm` says what was drawn."""
    drawn = alarm_draws(open_records(plant.workspace.records_url), model_name="plant", known=plant.at(120))
    for held, words in ((True, "held back at random, as 50%"), (False, "50% of the alarms were held back at random")):
        key = drawn.loc[drawn["held_back"] == held, "prediction_id"].iloc[0]
        explanation = explain_decision(plant.workspace, "alarm", "plant", str(key))
        assert words in explanation.seen[-1]
        assert explanation.decision == ("an alert, held back at random" if held else "an alert")


def test_what_follows_from_live_telemetry_holds_back_too(plant: Any) -> None:
    """A listener's scoring goes by the same policy as every other."""
    followed = FollowUps(plant.workspace, policy=PolicySettings(hold_back=0.5))
    followed.note({"azure_machine"})
    (result,) = followed.close().results
    assert result.held_back is not None


@pytest.mark.usefixtures("scored")
def test_value_is_measured_by_the_alarms_held_back(
    plant: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str], browser: Browser
) -> None:
    """`forewarn value`: in JSON, sentences and a CSV file; nobody acts in this plant, and the interval allows it."""
    (plant.workspace.root / SETTINGS_FILE).write_text(
        '[costs]\ncurrency = "EUR"\ndowntime_per_hour = 450000.0\nunplanned_hours = 8\nplanned_hours = 2\n',
        encoding="utf-8",
    )
    csv, page = tmp_path / "value.csv", tmp_path / "value.html"
    arguments = ["value", "--workspace", str(plant.workspace.root), "--now", str(plant.at(75))]
    with pytest.raises(SystemExit) as ended:
        main([*arguments, "--json", "--csv", str(csv), "--html", str(page)])
    assert ended.value.code == 0
    values = json.loads(capsys.readouterr().out)
    drawn = alarm_draws(open_records(plant.workspace.records_url), model_name="plant", known=plant.at(70))
    alarms = drawn.drop_duplicates(["asset", "opened"])
    total = values["total"]
    assert (total["announced"], total["held_back"]) == ((~alarms["held_back"]).sum(), alarms["held_back"].sum())
    assert (total["state"], total["acted_on"], total["not_drawn"]) == ("identified", 0, 0)
    assert total["avoided"]["low"] <= 0 <= total["avoided"]["high"]
    assert total["saved"]["money"]["value"] == pytest.approx(total["avoided"]["value"] * 8 * 450_000)
    _check_page(plant, total, browser)
    rows = pd.read_csv(csv)
    more = len(values["plants"]) + len(values["months"]) if len(values["plants"]) > 1 else 0
    assert len(rows) == len(values["rows"]) + more + 1
    assert all(words in page.read_text(encoding="utf-8") for words in ("<svg", values["sentences"][0]))
    assert rows["avoided"].iloc[-1] == pytest.approx(total["avoided"]["value"])
    with pytest.raises(SystemExit) as ended:
        main([*arguments, "--plant", "nowhere"])
    assert ended.value.code == 1
    assert "no azure_machine in plant 'nowhere'" in capsys.readouterr().err
    with pytest.raises(SystemExit) as ended:
        main([*arguments, "--csv", str(tmp_path / "none" / "value.csv")])
    assert ended.value.code == 2
    assert "cannot be written" in capsys.readouterr().err
    with pytest.raises(SystemExit) as ended:
        main([*arguments, "--since", str(plant.at(60))])
    out = " ".join(capsys.readouterr().out.split())
    assert "so acting avoided" in out
    assert "8 hours of downtime for a failure (declared)" in out


def _check_page(plant: Any, total: dict[str, Any], browser: Browser) -> None:
    """Check that the page says what the command says."""
    worker = _page_worker(plant)
    client = page_client(all_routes.routes(lambda: worker))
    avoided = total["avoided"]
    shown = client.get("/ui/value").text
    assert f"{avoided['value']:,.1f} ({avoided['low']:,.1f} to {avoided['high']:,.1f})" in shown
    assert "EUR" in shown
    assert 'class="interval"' in shown
    assert "angegeben" in client.get("/ui/value", headers={"accept-language": "de"}).text
    table = pd.read_csv(StringIO(client.get("/ui/value.csv").content.decode("utf-8-sig")))
    assert table["saved_money"].iloc[-1] == pytest.approx(total["saved"]["money"]["value"], abs=0.01)
    later = client.get("/ui/value", params={"since": "2026-12-01"})
    assert "No alarm was announced." in later.text
    for wrong in ({"plant": "nowhere"}, {"since": "soon"}, {"since": "2026-02-01", "until": "2026-01-01"}):
        assert client.get("/ui/value", params=wrong).status_code == 422
    with serving_pages(worker) as url:
        browser.check(f"{url}/ui/value")


def _page_worker(plant: Any) -> Any:
    return worker_at(plant.workspace, "plant", plant.at(75), costs=read_costs(plant.workspace, {}))


def test_value_is_not_identified_where_none_are_held_back(plant: Any) -> None:
    """Alarms are counted, and there is no number of what was avoided."""
    score_days(plant, 56, 62, PolicySettings())
    result = measure_value(
        plant.workspace, "plant", now=plant.at(75), settings=plant.settings, scope=Scope(until=plant.at(75))
    )
    total = result.ledger.total
    assert (total.state, total.avoided, total.held_back) == ("not identified", None, 0)
    assert total.announced == total.not_drawn > 0
    assert "is not identified: no alarm could be held back" in text_of(result)
    assert json.loads(json.dumps(result.to_dict()))["total"]["saved"] == {}
    shown = page_client(all_routes.routes(lambda: _page_worker(plant))).get("/ui/value").text
    assert "What acting avoided is not identified. No alarm could be held back" in shown
    assert "<code>[policy] hold_back</code>" in shown
