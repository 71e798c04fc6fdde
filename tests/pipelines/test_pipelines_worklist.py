"""The worklist on the terminal is the endpoint's, from the same stored predictions; and so are its page and files."""

import csv
import io
import json
from collections import Counter
from typing import Any

import httpx
import icalendar
import pandas as pd
import pytest
from sqlalchemy import func, inspect, select, table
from starlette.applications import Starlette
from starlette.testclient import TestClient

from data_contracts.records.records import open_records
from data_contracts.tables import tables
from models.planning.cost_settings import CostSettings
from models.planning.planning_settings import PlanningSettings
from models.scheduling import forecasts
from pipelines.cli import main
from pipelines.cli.arguments import answering_model
from pipelines.jobs.score import score_fleet
from pipelines.worklists.worklist import EXAMPLES
from serving.pages import all_routes
from serving.routes.planning_routes import routes as planning_routes
from tests.browser import Browser
from tests.page_server import serving_pages, worker_at
from tests.serving.page_client import page_client

START_DAY, MINUTE = 60 + 12.5 / 24, pd.Timedelta(minutes=1)
FORM = {
    "start": "2026-03-02T12:30",
    "days": "3",
    "machines": "1",
    "which": "all",
    "planned": "1000",
    "failure": "90000",
}
OPTIONS = ("--days", "3", "--machines", "1", "--all", "--planned", "1000", "--failure", "90000")


@pytest.fixture
def worker(plant: Any) -> Any:
    """Return a worker over a fleet that was scored; one machine was repaired since, one is retired, one has failed."""
    start = plant.at(START_DAY)
    score_fleet(plant.workspace, "plant", as_of=plant.at(60.25), now=plant.at(60.25))
    at = start - MINUTE
    repaired = {"work_order_id": "w", "asset": "machine-01", "kind": "corrective", "event_time": at, "known_time": at}
    unsaid = {"component": None, "finding": None, "prompted_by": None}
    tables.append(plant.workspace, "work_orders", pd.DataFrame([repaired | unsaid]).astype("object"), "repaired")
    known = {"asset_type": "azure_machine", "model": "m1", "plant": "plant", "line": "a", "status": "retired"}
    retired = {"asset": "machine-02", "event_time": at, "known_time": at} | known
    tables.append(plant.workspace, "assets", pd.DataFrame([retired]), "retired")
    failed = {"failure_id": "f", "asset": "machine-03", "event_time": at, "known_time": at, "mode": "bearing"}
    tables.append(plant.workspace, "failures", pd.DataFrame([failed]), "failed")
    return worker_at(plant.workspace, "plant", start + MINUTE, planning=PlanningSettings())


@pytest.fixture
def client(worker: Any) -> Any:
    with page_client(all_routes.routes(lambda: worker)) as made:
        yield made


def _worklist(plant: Any, capsys: pytest.CaptureFixture[str], *options: str) -> Any:
    capsys.readouterr()
    start = plant.at(START_DAY)
    at = ("--now", (start + MINUTE).isoformat(), "--start", start.isoformat(), "--workspace", str(plant.workspace.root))
    with pytest.raises(SystemExit) as ended:
        main(["worklist", *at, *OPTIONS, *options])
    assert ended.value.code == 0
    return capsys.readouterr().out


def test_the_terminal_and_the_endpoint_plan_alike(
    plant: Any, worker: Any, client: httpx.Client, capsys: pytest.CaptureFixture[str]
) -> None:
    """Line by line, with all that is left out, for the same reasons."""
    request = {
        "start": plant.at(START_DAY).isoformat(),
        "days": 3,
        "crews": {"machines_per_day": 1},
        "costs": {"planned": 1000, "failure": 90000},
        "repair_hours": 4,
    }
    program = TestClient(Starlette(routes=planning_routes(lambda: worker)))
    answer = program.post("/worklist", json=request).json()
    on_terminal = json.loads(_worklist(plant, capsys, "--json"))
    assert on_terminal.pop("files") == []
    assert on_terminal == answer
    assert len(answer["lines"]) == 3
    reasons = {left["asset"]: left["why"] for left in answer["left_out"]}
    assert [reasons[f"machine-0{n}"] for n in (1, 2, 3)] == ["abstained", "retired", "failed"]
    page = client.get("/ui/worklist", params=FORM).text
    for line in answer["lines"]:
        assert page.index("Left out, and why") > page.index(f"{line['asset']}</a></th>")
    shown = _worklist(plant, capsys)
    assert "asset retired" in shown
    assert "plant version 1, 3 days from 2026-03-02 12:30: 3 repairs" in " ".join(shown.split())
    alike = Counter(reasons.values())
    assert all(f"{why.replace('_', ' ')} ({count}):" in shown for why, count in alike.items())
    assert max(alike.values()) > EXAMPLES
    listed = [asset for asset in reasons if f"  {asset}: " in shown]
    assert len(listed) == sum(min(count, EXAMPLES) for count in alike.values())
    every = _worklist(plant, capsys, "--left-out")
    assert all(f"  {asset}: " in every for asset in reasons)


def test_looking_at_the_plan_changes_nothing(plant: Any, worker: Any, client: httpx.Client) -> None:
    """Nor where a machine has no prediction that holds, now or then: it is left out, with what makes one."""
    engine = open_records(plant.workspace.records_url)

    def stored() -> dict[str, int]:
        with engine.connect() as connection:
            names = [name for name in inspect(engine).get_table_names() if not name.startswith("alembic")]
            return {
                name: connection.execute(select(func.count()).select_from(table(name))).scalar_one() for name in names
            }

    before = stored()
    assert before["predictions"] > 0
    for start in (FORM["start"], "2026-02-02T12:30", ""):
        for path in ("/ui/worklist", "/ui/worklist.csv", "/ui/worklist.ics"):
            assert client.get(path, params={**FORM, "start": start}).status_code == 200
    assert stored() == before
    page = client.get("/ui/worklist", params={**FORM, "start": "2026-02-02T12:30"}).text
    assert "<td" not in page
    assert page.count("abstained: no prediction that holds; POST /predict or `forewarn score` makes one") > 3
    # A program that asks for a plan has them predicted: the machines could be.
    program = TestClient(Starlette(routes=planning_routes(lambda: worker)))
    asked = {"start": "2026-02-02T12:30:00Z", "days": 3, "crews": {"machines_per_day": 1}, "repair_hours": 4}
    costs = {"planned": 1000, "failure": 90000}
    assert program.post("/worklist", json={**asked, "costs": costs}).json()["lines"]
    assert stored()["predictions"] > before["predictions"]


def test_the_model_that_answers_is_planned_by(plant: Any) -> None:
    """Of several registered models the one that answers is planned by."""
    import mlflow

    from models.registry.mlflow_store import active_store

    with active_store(plant.workspace.mlflow_uri):
        mlflow.MlflowClient().create_registered_model("rival")
    assert answering_model(plant.workspace, None) == "plant"
    assert answering_model(plant.workspace, "rival") == "rival"


def test_files_hold_the_plan(
    plant: Any, client: httpx.Client, capsys: pytest.CaptureFixture[str], tmp_path: Any
) -> None:
    """From the page and from the terminal, for spreadsheets and calendars."""
    lines = json.loads(_worklist(plant, capsys, "--json", "--csv", f"{tmp_path}/w.csv", "--ics", f"{tmp_path}/w.ics"))
    calendars = client.get("/ui/worklist.ics", params=FORM).content, (tmp_path / "w.ics").read_bytes()
    for calendar in map(icalendar.Calendar.from_ical, calendars):
        events = {str(event["summary"]): event for event in calendar.walk("VEVENT")}
        assert list(events) == [f"Repair {line['asset']}" for line in lines["lines"]]
        event = events[f"Repair {lines['lines'][1]['asset']}"]
        assert event.start == pd.Timestamp(lines["lines"][1]["begins"])
        assert event.end - event.start == pd.Timedelta(hours=4)
    answer = client.get("/ui/worklist.csv", params=FORM, headers={"accept-language": "de"})
    assert answer.headers["content-disposition"] == 'attachment; filename="worklist.csv"'
    german = list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig")), delimiter=";"))
    english = list(csv.DictReader((tmp_path / "w.csv").open()))
    assert [row["asset"] for row in german] == [row["asset"] for row in english]
    assert [row["saves"].replace(",", ".") for row in german] == [row["saves"] for row in english]
    assert float(english[0]["saves"]) == pytest.approx(lines["lines"][0]["saves"], abs=0.01)


def test_the_failure_mode_is_named_where_the_model_tells_modes_apart(
    plant: Any, client: httpx.Client, capsys: pytest.CaptureFixture[str], tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On the terminal, in the JSON, in the table and on the page; nowhere by a model that does not."""
    plain = _worklist(plant, capsys), client.get("/ui/worklist", params=FORM).text
    assert "mode" not in plain[0].split("left out")[0].split()
    assert "gear" not in "".join(plain)
    monkeypatch.setattr(forecasts, "mode_of", lambda _: {"mode": "gear", "mode_share": 0.75})
    assert "gear 75%" in " ".join(_worklist(plant, capsys).split())
    lines = json.loads(_worklist(plant, capsys, "--json", "--csv", f"{tmp_path}/w.csv"))["lines"]
    assert lines
    assert {(line["mode"], line["mode_share"]) for line in lines} == {("gear", 0.75)}
    rows = list(csv.DictReader((tmp_path / "w.csv").open()))
    assert {(row["mode"], row["mode_share"]) for row in rows if row["action"] == "repair"} == {("gear", "0.75")}
    assert {(row["mode"], row["mode_share"]) for row in rows if row["action"] != "repair"} == {("", "")}
    assert client.get("/ui/worklist", params=FORM).text.count("most probably by gear (75") == len(lines)


@pytest.mark.parametrize(
    ("name", "value", "field"),
    [
        ("days", "61", "days"),
        ("machines", "-1", "crews.machines_per_day"),
        ("failure", "nan", "costs.failure"),
        ("machines", "", "crews"),
        ("start", "soon", "start"),
    ],
)
def test_a_wrong_form_says_what_is_wrong(client: httpx.Client, name: str, value: str, field: str) -> None:
    answer = client.get("/ui/worklist", params={**FORM, name: value})
    assert answer.status_code == 422
    assert f"Where: {field}<" in answer.text


@pytest.mark.slow
def test_the_page_in_a_browser(worker: Any, browser: Browser) -> None:
    """Another capacity by its form gives another plan."""
    worker.planning = PlanningSettings(alerts_only=False)
    worker.costs = CostSettings(failure=90_000.0, planned=1_000.0)
    with serving_pages(worker) as url:
        browser.check(f"{url}/ui/worklist?start={FORM['start']}")
        with browser.open(f"{url}/ui/worklist?start={FORM['start']}", 390) as opened:
            page = opened.page
            before = page.locator("tbody tr").count()
            page.click("main summary >> nth=0")
            page.fill("input[name=machines]", "1")
            page.fill("input[name=days]", "2")
            page.click("form.filter button")
            page.wait_for_url("**machines=1**")
            assert (before, page.locator("tbody tr").count()) == (9, 2)
            opened.check()
