"""From a button on a page to the ledger of outcomes and the monitor's verdict."""

import json
from typing import Any

import pandas as pd
import pytest

from data_contracts.records.asset_records import asset_outcomes, latest_predictions
from data_contracts.records.records import open_records
from pipelines.cli import main
from tests.browser import Browser
from tests.page_server import serving_pages, worker_at

HOUR = pd.Timedelta(hours=1)


def _monitor(plant: Any, capsys: pytest.CaptureFixture[str]) -> Any:
    capsys.readouterr()
    now = plant.at(70).isoformat()
    with pytest.raises(SystemExit):
        main(["monitor", "--workspace", str(plant.workspace.root), "--now", now, "--json"])
    return json.loads(capsys.readouterr().out)


@pytest.mark.slow
def test_a_finding_by_button_reaches_the_verdict(
    plant: Any, browser: Browser, capsys: pytest.CaptureFixture[str]
) -> None:
    """What was a failure that an alarm caught is one that was prevented, once mechanics have confirmed the defect."""
    plant.answer(56, 66)
    records = open_records(plant.workspace.records_url)
    alerts = latest_predictions(records, model_name="plant", limit=500, alerts_only=True)
    # What opens in the first days of a champion is no fair sample, and counts in no rate.
    first = alerts.drop_duplicates("asset")
    alert = first[first["as_of"] > plant.at(59)].iloc[0]
    before = _monitor(plant, capsys)["rates"]
    with serving_pages(worker_at(plant.workspace, "plant", alert["as_of"] + 2 * HOUR)) as url:
        browser.check(f"{url}/ui/alarms")
        with browser.open(f"{url}/ui/alarms?asset={alert['asset']}", 390, "dark") as opened:
            page = opened.page
            page.click(".card form summary")
            page.fill(".card input[name=component]", "bearing")
            page.press(".card input[name=component]", "Enter")  # enters nothing: no finding is the usual one
            page.fill(".card textarea", "worn")
            page.click(".card button[value=defect_confirmed]")
            page.wait_for_selector(".notice")
            assert "It counts in the next verdict" in page.inner_text(".notice")
            page.wait_for_url(lambda address: "notice=" not in address)  # so that it is not said again
            opened.check()
    after = _monitor(plant, capsys)["rates"]
    assert (before["prevented"], after["prevented"]) == (0, 1)
    (outcome,) = asset_outcomes(records, alert["asset"]).query("state == 'tp_prevented'").to_dict("records")
    assert (outcome["unit"], outcome["at"]) == ("episode", alert["as_of"])
    assert outcome["evidence"] == [f"work_order:finding-{alert['prediction_id']}"]
