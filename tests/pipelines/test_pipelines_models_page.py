"""The page of models: the promise in one sentence, and the champion changed by the very functions of the terminal."""

from typing import Any

import httpx
import pytest

from data_contracts.records.records import decisions, open_records, promotions
from models.registry.registry import CHAMPION
from pipelines.jobs.monitor import monitor_champion
from pipelines.jobs.train import train_experiment
from serving.deployment.champion import RejectedVersion
from serving.pages import all_routes
from serving.pages.models.verdict import verdict_of
from tests.browser import Browser
from tests.page_server import serving_pages, worker_at
from tests.serving.page_client import page_client


@pytest.fixture
def worker(plant: Any) -> Any:
    return worker_at(plant.workspace, "plant", plant.at(86))


@pytest.fixture
def client(worker: Any) -> Any:
    with page_client(all_routes.routes(lambda: worker)) as made:
        yield made


def test_the_promise_in_one_sentence(plant: Any, client: httpx.Client) -> None:
    """Kept before the process changed, broken after; the figures are those of the monitor's last look."""
    assert "Nobody has looked yet" in client.get("/ui/models").text
    plant.answer(56, 68)
    kept = monitor_champion(plant.workspace, "plant", now=plant.at(68), settings=plant.settings)
    assert "Yes: nothing that has come out so far speaks against it." in client.get("/ui/models").text
    plant.answer(68, 86)
    broken = monitor_champion(plant.workspace, "plant", now=plant.at(86), settings=plant.settings)
    assert (kept.drift.drifted, broken.drift.drifted) == (False, True)
    page = client.get("/ui/models", headers={"accept-language": "de"}).text
    assert "Nein: der Anteil verpasster Ausfälle ist höher als versprochen" in page
    verdict = verdict_of(decisions(open_records(plant.workspace.records_url), model_name="plant"), 1)
    (missed, false) = verdict.rates
    assert (missed.count, missed.of) == (broken.rates.missed.count, broken.rates.missed.of)
    assert verdict.worse == tuple({"fn": "missed", "fp": "false_episodes"}[which] for which in broken.drift.which)
    assert false.keeps_up_to is not None
    assert f"{missed.count:.0f} von {missed.of:.0f} Ausfällen" in page


@pytest.mark.slow
def test_the_champion_is_changed_as_on_the_terminal(
    plant: Any, worker: Any, client: httpx.Client, experiment: Any, browser: Browser
) -> None:
    """After a page that asks: promoted with the promise in the ledger, not over somebody else's change, rolled back."""
    train_experiment(plant.workspace, experiment, now=plant.at(60))
    records = open_records(plant.workspace.records_url)
    with serving_pages(worker) as url:
        browser.check(f"{url}/ui/models")
        browser.check(f"{url}/ui/data")
        with browser.open(f"{url}/ui/models", 390) as opened:
            page = opened.page
            page.click("text=Promote >> nth=-1")
            page.wait_for_url("**/promote?version=2")
            opened.check()
            page.fill("textarea", "<b>better</b>")
            page.click("main button.primary")
            page.wait_for_selector(".notice")
            opened.check()
            assert "<b>better</b>" in page.inner_text("main")
    row = promotions(records, model_name="plant").iloc[-1]
    assert (row["from_version"], row["to_version"], row["actor"]) == (1, 2, "anyone")
    assert row["evidence"]["promise"]["sentences"]
    assert plant.registry.get_alias("plant", CHAMPION) == 2
    # This worker still answers by the version before: it says so, and marks the other one as the champion.
    german = client.get("/ui/models", headers={"accept-language": "de"}).text
    assert "Hier antwortet Version 1 von plant. Champion ist Version 2, die hier noch nicht antwortet." in german
    new, old = (row for row in german.split("<tr>") if 'Trainiert bis">' in row)
    assert ("Champion</span>" in new, "antwortet hier" in new, "/promote?" in new) == (True, False, False)
    assert ("Champion</span>" in old, "antwortet hier" in old, "/promote?version=1" in old) == (False, True, True)
    worker.watch.rejected = RejectedVersion(2, "its golden scores differ")
    assert 'Version 2 does not take over: <span lang="en">its golden scores differ' in client.get("/ui/models").text
    # Whoever saw the champion before does not overrule who was quicker.
    late = client.post("/ui/models/promote", data={"version": "2", "champion": "1", "reason": "late"})
    assert late.status_code == 422
    assert "the champion of plant is version 2 by now" in late.text
    assert "Roll plant back to version 1?" in client.get("/ui/models/rollback").text
    back = client.post("/ui/models/rollback", data={"champion": "2", "reason": "worse"})
    assert "The champion before is the champion again" in back.text
    assert plant.registry.get_alias("plant", CHAMPION) == 1
    assert promotions(records, model_name="plant").iloc[-1]["evidence"]["rollback"]


def test_only_an_admin_changes_the_champion(worker: Any) -> None:
    client = page_client(all_routes.routes(lambda: worker), {"predict", "report", "override"})
    page = client.get("/ui/models")
    assert page.status_code == 200
    assert "/ui/models/promote" not in page.text
    for path in ("promote?version=1", "rollback"):
        assert client.get(f"/ui/models/{path}").status_code == 403
    for path in ("promote", "rollback"):
        data = {"version": "1", "champion": "1", "reason": "x"}
        assert client.post(f"/ui/models/{path}", data=data).status_code == 403
