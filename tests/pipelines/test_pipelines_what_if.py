"""What-if comparisons on the stored history of a plant, by the command."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from markupsafe import escape

from data_contracts.tables import tables
from data_contracts.workspace import SETTINGS_FILE
from models.backtesting.outcome_sources import OutcomeSources
from models.outcomes.episodes import Terms
from models.what_if.stored import StoredComparison, list_comparisons, read_comparison, store_comparison
from pipelines.backtesting import backtest_versions
from pipelines.cli import app
from pipelines.what_if import score_cache
from pipelines.what_if.recorded import routine_every
from pipelines.workspaces.expiry.old_reports import delete_reports
from serving.pages import all_routes
from tests.browser import Browser
from tests.page_server import serving_pages, worker_at
from tests.serving.page_client import page_client

DAY = pd.Timedelta(days=1)

pytestmark = pytest.mark.slow

Run = Callable[..., tuple[int, Any]]


@pytest.fixture
def run(plant: Any, capsys: pytest.CaptureFixture[str]) -> Run:
    """Return a function that runs the command and returns its exit status and JSON answer."""

    def run_with(*words: str) -> tuple[int, Any]:
        with pytest.raises(SystemExit) as left:
            app.main(["whatif", *words, "--json", "--workspace", str(plant.workspace.root)])
        out = capsys.readouterr().out
        return int(left.value.code or 0), json.loads(out) if out.startswith("{") else out

    return run_with


def refuse(*_: Any, **__: Any) -> None:
    """Stand in for work that a cache should have spared."""
    raise AssertionError("computed again")


def test_thresholds_beside_todays(
    run: Run, plant: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, browser: Browser
) -> None:
    """Each threshold has its row beside today's, on a page too; other ones later score nothing anew."""
    page = tmp_path / "what-if.html"
    status, answer = run("plant", "--threshold", ".02", ".5", ".9", "--page", str(page))
    assert status == 0
    rows = answer["rows"]
    assert [row["name"] for row in rows] == ["as today", "threshold 0.02", "threshold 0.5", "threshold 0.9"]
    false = [row["figures"]["false_alarms"]["value"] for row in rows[1:]]
    missed = [row["figures"]["missed"]["value"] for row in rows[1:]]
    assert false == sorted(false, reverse=True)
    assert missed == sorted(missed)
    assert answer["recorded"]["failures"] > 0
    assert all(each["value"] == 0 for each in rows[0]["differences"].values())
    assert len(answer["sentences"]) == 3
    assert any("prevents" in sentence for sentence in answer["assumed"])
    text = page.read_text()
    assert all(row["name"] in text for row in rows)
    browser.check(page.as_uri())
    (identifier,) = list_comparisons(plant.workspace)
    assert answer["stored"] == f"reports/what-if/{identifier}.json"
    kept = read_comparison(plant.workspace, identifier)
    assert kept is not None
    assert [row.name for row in kept.rows] == [row["name"] for row in rows]
    assert kept.rows[1].figures["false_alarms"].value == false[0]
    check_page(plant, kept, browser)
    at = kept.at - pd.Timedelta(hours=1)
    assert [delete_reports(plant.workspace, until, dry_run=True)[0] for until in (at, at + DAY)] == [0, 1]
    monkeypatch.setattr(score_cache, "score_in_detail", refuse)
    status, again = run("plant", "--threshold", ".02", "--machines-per-day", "0", "1", "--today", "machines-per-day=2")
    assert status == 0
    assert [row["machines_per_day"] for row in again["rows"]] == [2, 0, 1]
    none = again["rows"][1]["figures"]
    assert none["visits"]["value"] == 0
    assert none["failures"]["value"] == again["recorded"]["failures"]
    assert not list((plant.workspace.root / "backtest").rglob("*unfinished*"))
    check_crews(run, plant, (answer, again))


def check_crews(run: Run, plant: Any, undeclared: tuple[Any, Any]) -> None:
    """Check that today's crews are those that the settings declare, unless --today says otherwise, and are said."""
    before = undeclared[0]["assumed"][0]
    assert "crews without a limit (planning.machines_per_day declares none), " in before
    assert "stock not counted" in before
    assert "2 machines a day, " in undeclared[1]["assumed"][0]
    file = plant.workspace.root / SETTINGS_FILE
    file.write_text(f"{file.read_text()}\n[planning]\ndays = 3\nmachines_per_day = 1\n")
    for given, crews, words in (
        ((), 1, "1 machine a day (planning.machines_per_day), "),
        (("--today", "machines-per-day=any"), None, "crews without a limit, "),
    ):
        _, answer = run("plant", "--threshold", ".02", *given)
        assert [row["machines_per_day"] for row in answer["rows"]] == [crews, crews]
        assert words in answer["assumed"][0]


def test_routine_work_counts_as_last_corrected() -> None:
    """A correction moves it; a number that two assets share is of both."""
    at = pd.to_datetime(["2026-01-01", "2026-01-11", "2026-01-21", "2026-01-01", "2026-01-21"], utc=True)
    orders = pd.DataFrame({"asset": ["a", "a", "a", "b", "b"], "work_order_id": ["1", "2", "2", "1", "2"]})
    orders = orders.assign(event_time=at, known_time=at, kind="routine", finding=None, prompted_by="schedule")
    terms = Terms(lead=0 * DAY, horizon=3 * DAY, gap=DAY, reporting_delay=DAY)
    for until, days in ((at[2], 20), (at[1], 10)):
        assert routine_every(OutcomeSources(until, pd.DataFrame(), orders, terms)) == days * DAY


def check_page(plant: Any, kept: StoredComparison, browser: Browser) -> None:
    """Check that the page shows the latest comparison, says that one is damaged, and writes the command for another."""
    worker = worker_at(plant.workspace, "plant", plant.at(120))
    client = page_client(all_routes.routes(lambda: worker))
    shown = client.get("/ui/what-if").text
    assert all(str(escape(row.name)) in shown for row in kept.rows[1:])
    assert str(escape(kept.sentences[0])) in shown
    fields = {"threshold": ".2 .5", "machines_per_day": "1", "today": "stock=a;rm", "kept": kept.identifier}
    asked = client.get("/ui/what-if", params=fields).text
    assert str(escape("forewarn whatif plant --threshold .2 .5 --machines-per-day 1 --today 'stock=a;rm'")) in asked
    for wrong in ({"threshold": "low"}, {"since": "2026-01-01 2026-01-02"}, {"kept": "../x"}):
        assert client.get("/ui/what-if", params=wrong).status_code == 422
    with serving_pages(worker) as url:
        browser.check(f"{url}/ui/what-if?threshold=.2")
    later = kept.at + pd.Timedelta(hours=1)
    damaged = store_comparison(plant.workspace, {"experiment": "x y"}, later)
    assert "its file is gone or damaged" in client.get("/ui/what-if").text
    damaged.unlink()


def test_another_horizon_is_trained_for_as_the_back_test_does(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """A horizon that the model does not predict needs a training, which is cached."""
    status, error = run("plant", "--horizon", "48h")
    assert status == 2
    assert "does not predict" in error["found"]
    assert "--train-at" in error["remedy"]
    status, answer = run("plant", "--horizon", "48h", "--train-at", "50")
    assert status == 0
    assert [row["horizon"] for row in answer["rows"]] == [None, "48h"]
    monkeypatch.setattr(backtest_versions, "train", refuse)
    status, _ = run("plant", "--horizon", "48h", "--threshold", ".3", "--train-at", "50")
    assert status == 0


def test_what_a_repair_prevented_is_not_identified(run: Run, plant: Any) -> None:
    """A defect that was repaired in time is counted by the model's probability, has bounds, and is spoken of."""
    at = plant.at(80) + pd.Timedelta(hours=3)
    order = {
        "work_order_id": "W1", "asset": "machine-03", "event_time": at, "known_time": at, "kind": "inspection",
        "component": "bearing", "finding": "defect_confirmed", "prompted_by": "alarm",
    }  # fmt: skip
    tables.append(plant.workspace, "work_orders", pd.DataFrame([order]), "repaired")
    status, answer = run("plant", "--machines-per-day", "0")
    assert status == 0
    assert answer["recorded"]["repaired"] == 1
    none = answer["rows"][1]
    unknown = none["not_identified"]
    assert unknown["repaired_in_record"] == 1
    assert unknown["cost_at_most"] - unknown["cost_at_least"] == pytest.approx(10)
    recorded = answer["recorded"]["failures"]
    assert recorded <= none["figures"]["failures"]["value"] <= recorded + 1
    # Today's row leaves it open as well, so that it is no part of the difference.
    assert unknown["difference_at_least"] == unknown["difference_at_most"]
    assert answer["sentences"][-1].startswith("Today's row itself leaves open 1 of the 1 defects")
    assert any("nobody knows whether it would have failed" in sentence for sentence in answer["assumed"])


def test_a_simulated_fleet_is_fitted_to_the_recorded_one(run: Run) -> None:
    """Simulated fleets fail about as often as the recorded one without maintenance, and what was fitted is said."""
    words = ("--machines-per-day", "0", "--threshold", ".5", "--simulate", "40")
    status, answer = run("plant", *words)
    assert status == 0
    assert answer["on"] == "simulated fleets"
    failures = answer["rows"][1]["figures"]["failures"]
    assert failures["low"] <= answer["recorded"]["failures"] <= failures["high"]
    assert any("Weibull" in sentence for sentence in answer["assumed"])


@pytest.mark.parametrize(
    ("words", "status", "found"),
    [
        (("plnt", "--threshold", ".3"), 2, "no model or experiment plnt"),
        (("plant",), 2, "no alternative"),
        (("plant", "--threshold", "1.5"), 2, "a threshold of 1.5"),
        (("plant", "--cost", "failur=3", "--threshold", ".3"), 2, "no cost 'failur'"),
        (("plant", "--today", "crew=3", "--threshold", ".3"), 2, "--today crew=3"),
        (("plant", "--stock", "bearing=3"), 2, "none that is kept today"),
        (("plant", "--version", "9"), 1, ""),
        (("plant", "--since", "2025-01-01", "--threshold", ".3"), 2, "2025-01-01 to"),
        (("plant", "--train-at", "119", "--threshold", ".3"), 1, "no outcome of plant trained at"),
    ],
)
def test_what_cannot_be_compared_is_refused(run: Run, words: tuple[str, ...], status: int, found: str) -> None:
    """Wrong usage exits with 2 and an answer that is no, such as that no outcome has matured, with 1."""
    left, error = run(*words)
    assert left == status
    assert found in error["found"]
    assert error["remedy"]


def test_an_unknown_option_is_refused(run: Run) -> None:
    """A mistyped option is wrong usage."""
    assert run("plant", "--treshold", ".3")[0] == 2
