"""Orders of spare parts: from tables, predictions and outcomes, by nothing known later than the time they are for."""

import io
import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from data_contracts.contract.contract import load_contract
from data_contracts.ingestion.ingest import ingest
from data_contracts.records.records import open_records, predictions
from data_contracts.tables import tables
from models.parts import open_alarms
from models.parts.orders.order_terms import OrderTerms, order_terms, read_order_terms
from models.parts.orders.proposals import propose_orders
from models.parts.orders.proposed import ProposedOrder, ProposedOrders
from models.planning.cost_settings import CostSettings
from pipelines.cli import app
from pipelines.cli.arguments import settings_of
from serving.pages import all_routes
from serving.pages.parts.parts_view import runs_out
from tests.browser import Browser
from tests.page_server import serving_pages, worker_at
from tests.serving.page_client import page_client

DAY = pd.Timedelta(days=1)
COSTED = OrderTerms(downtime_per_hour=5_000.0)


@pytest.fixture
def store(plant: Any) -> Any:
    """Give the plant a bearing with all terms, and answer up to day 62; return the plant."""
    plant.answer(55, 62)
    add_parts(plant, 10, {"part": "B-1", "modes": "bearing; spindle", "quantity": 1, "lead_days": 5.0, "price": 900.0})
    add_stock(plant, 61, ("B-1", "plant", 1))
    return plant


def add_parts(plant: Any, day: float, *parts: dict[str, Any], known: float | None = None) -> None:
    rows = pd.DataFrame(parts).assign(event_time=plant.at(day), known_time=plant.at(day if known is None else known))
    ingest(plant.workspace, rows, load_contract("spare_parts"), now=plant.at(130))


def add_stock(plant: Any, day: float, *counts: tuple[str, str, int], known: float | None = None) -> None:
    rows = pd.DataFrame(counts, columns=["part", "plant", "on_hand"])
    rows = rows.assign(event_time=plant.at(day), known_time=plant.at(day if known is None else known))
    ingest(plant.workspace, rows, load_contract("spare_stock"), now=plant.at(130))


def proposed(plant: Any, day: float = 62, **options: Any) -> ProposedOrders:
    return propose_orders(plant.workspace, as_of=plant.at(day), **{"terms": COSTED, **options})


def one(orders: ProposedOrders) -> ProposedOrder:
    (order,) = orders.orders
    return order


def codes(order: ProposedOrder) -> set[str]:
    return {each.code for each in order.unknown}


def test_the_page_shows_what_to_order_and_when_it_runs_out(store: Any, browser: Browser) -> None:
    """By plant, with reasons, in both languages; a part without a lead time or a count says what is unknown."""
    add_parts(store, 10, {"part": "P-<b>9</b>", "modes": "pump"})
    worker = worker_at(store.workspace, "plant", store.at(62), orders=COSTED, costs=CostSettings(currency="EUR"))
    order = next(each for each in proposed(store).orders if each.order)
    empty = runs_out(order, store.at(62))
    assert order.demand is not None
    assert empty is not None
    assert (empty - store.at(62)) / DAY == pytest.approx(order.demand.days / order.demand.demand.expected)
    client = page_client(all_routes.routes(lambda: worker))
    shown = client.get("/ui/parts").text
    assert f"<strong>{order.order}</strong>" in shown
    assert f"{empty:%Y-%m-%d}" in shown
    assert "No order can be worked out." in shown
    assert "the lead time;" in shown
    assert "P-&lt;b&gt;9&lt;/b&gt;" in shown
    assert "voraussichtlich" in client.get("/ui/parts?plant=plant", headers={"accept-language": "de"}).text
    table = pd.read_csv(io.StringIO(client.get("/ui/parts.csv").content.decode("utf-8-sig"))).set_index("part")
    assert (table.loc["B-1", "order"], table.loc["B-1", "on_hand"]) == (order.order, 1)
    assert client.get("/ui/parts?plant=nowhere").status_code == 422
    with serving_pages(worker) as url:
        browser.check(f"{url}/ui/parts")


def test_open_alarms_and_experience_are_what_is_needed(store: Any) -> None:
    """The alarms are those of the newest predictions; what they leave out is assumed by the evaluation at first."""
    records = open_records(store.workspace.records_url)
    last = predictions(records, model_name="plant", since=store.at(61.9), until=store.at(62))
    risky = last.sort_values("probability").iloc[-1]
    orders = proposed(store)
    order = one(orders)
    demand = order.demand
    assert demand is not None
    warning = orders.models[0].warning
    # None of the evaluation's failures was missed, and their alarms may have come at any time of the horizon.
    assert warning.assumed
    assert warning.unannounced_within(DAY) == pytest.approx(0.5, abs=0.05)
    assert {alarm.asset for alarm in demand.alarms} == set(last.loc[last["alert"], "asset"])
    # Every failure of this plant is of a bearing.
    assert demand.share == 1.0
    assert demand.alarms[0].probability == pytest.approx(min(1.0, risky["probability"] * warning.kept))
    weekly = demand.past.per_week / 7
    assert demand.demand.unpredicted == pytest.approx(weekly * (demand.unannounced * 1.0 + 11), rel=0.05)
    assert demand.demand.probabilities.sum() == pytest.approx(1)
    assert order.order == order.up_to - 1 > 0
    assert "expected within 12 days, 5 to arrive and 7 to the next review" in order.reason
    assert "stock 1" in order.reason


@pytest.mark.parametrize(
    ("modes", "share"), [({"bearing": 0.3, "spindle": 0.1, "other": 0.1}, 0.8), ({"bearing": 0.5, "other": 0.1}, 1.0)]
)
def test_an_alarm_takes_a_part_as_often_as_its_model_predicts_the_part_s_modes(
    store: Any, monkeypatch: pytest.MonkeyPatch, modes: dict[str, float], share: float
) -> None:
    """Where the model knows each of the modes; otherwise as often as past failures were of them, here always."""
    before = one(proposed(store)).demand
    content = json.dumps({"modes": [{"mode": mode, "probability": value} for mode, value in modes.items()]})
    monkeypatch.setattr(open_alarms, "answers_of", lambda _, ids: dict.fromkeys(ids, content))
    after = one(proposed(store)).demand
    assert before is not None
    assert after is not None
    assert [use.asset for use in after.alarms] == [use.asset for use in before.alarms] != []
    expected = [use.probability * share for use in before.alarms]
    assert [use.probability for use in after.alarms] == pytest.approx(expected)


def test_what_open_alarms_leave_out_is_measured_by_how_far_ahead_a_failure_is(plant: Any) -> None:
    """Once ten failures have come, the share without an alarm so far ahead counts: the further, the larger."""
    plant.answer(55, 69)
    add_parts(plant, 10, {"part": "B-1", "modes": "bearing", "lead_days": 5.0})
    warning = proposed(plant, 69).models[0].warning
    failures = tables.read(plant.workspace, "failures", as_of=plant.at(69), start=plant.at(56.05))
    assert not warning.assumed
    assert warning.failures == len(failures) >= 10
    near, far = warning.unannounced[0], warning.unannounced[-1]
    assert near < 0.3 < far
    assert warning.unannounced_within(DAY / 4) < warning.unannounced_within(DAY)


def test_nothing_that_becomes_known_later_changes_an_order(store: Any) -> None:
    """Later counts, terms, failures and predictions, whatever they say, leave the proposal as it was."""
    before = proposed(store).to_dict()
    add_stock(store, 61.5, ("B-1", "plant", 40), known=62.5)
    add_parts(store, 11, {"part": "B-1", "modes": "bearing", "lead_days": 90.0, "price": 1.0}, known=62.5)
    failure = {"failure_id": "late", "asset": "machine-00", "event_time": store.at(61), "known_time": store.at(63)}
    tables.append(store.workspace, "failures", pd.DataFrame([failure | {"mode": "pump"}]), "late")
    store.answer(62, 64)
    assert proposed(store).to_dict() == before
    assert proposed(store, 64).to_dict()["orders"] != before["orders"]


def test_what_is_not_known_is_said(store: Any) -> None:
    """Without lead time or count no order is worked out; without costs it is the setting's; stale counts are named."""
    add_parts(
        store,
        20,
        {"part": "B-2", "modes": "bearing", "lead_days": None},
        {"part": "B-3", "modes": "bearing|pump", "lead_days": 5.0},
        {"part": "B-4", "modes": "gear", "lead_days": 5.0, "asset_types": "press"},
    )
    add_stock(store, 20, ("B-3", "all", 0), ("B-9", "plant", 2))
    orders = proposed(store, terms=OrderTerms())
    by_part = {order.part.part: order for order in orders.orders}
    assert by_part["B-2"].order is None
    assert "no_lead_time" in codes(by_part["B-2"])
    assert {"no_price", "old_stock_count", "assumed_quantity", "no_downtime_cost"} <= codes(by_part["B-3"])
    assert (by_part["B-3"].service_level, by_part["B-3"].by_cost, by_part["B-3"].plant) == (0.95, False, "all")
    assert by_part["B-3"].saves is None
    assert {"no_assets", "no_stock_count", "no_past_use"} <= codes(by_part["B-4"])
    assert by_part["B-4"].up_to == 0
    assert codes(by_part["B-9"]) == {"no_record_of_the_part"}
    assert any("not known" in note for note in orders.notes)
    # At day 200 all predictions are outdated; at day 60 those before it had not been made yet.
    for day in (200, 60):
        order = next(each for each in proposed(store, day).orders if each.part.part == "B-1")
        assert order.demand is None or order.demand.alarms == ()
        assert "no_predictions" in codes(order)


@pytest.mark.parametrize("quantity", [1, 2])
def test_more_stock_never_asks_for_more(store: Any, quantity: int) -> None:
    """What is ordered falls by what is there, and a dearer hour of downtime never lowers it."""
    add_parts(store, 30, {"part": "B-1", "modes": "bearing", "quantity": quantity, "lead_days": 5.0, "price": 900.0})
    positions = []
    for number in range(4):
        add_stock(store, 61 + number / 100, ("B-1", "plant", 3 * number))
        order = one(proposed(store))
        positions.append(max(order.up_to, 3 * number))
        assert order.order == positions[-1] - 3 * number
        assert order.enough_with >= order.enough_without
    assert positions == sorted(positions)
    dearer = [one(proposed(store, terms=OrderTerms(downtime_per_hour=hour))).up_to for hour in (0.0, 10.0, 1e4, 1e9)]
    assert dearer == sorted(dearer)


def test_a_withdrawn_part_and_a_retired_machine_need_nothing(store: Any) -> None:
    retired = {"asset": "machine-00", "event_time": store.at(60), "known_time": store.at(60), "plant": "plant"}
    rows = pd.DataFrame([retired | {"asset_type": "azure_machine", "model": "m1", "status": "retired"}])
    tables.append(store.workspace, "assets", rows, "retired")
    assert one(proposed(store)).assets == 11
    add_parts(store, 61, {"part": "B-1", "modes": "bearing", "status": "withdrawn"})
    assert codes(one(proposed(store))) == {"no_record_of_the_part"}


def test_the_command_orders(store: Any, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Files come in by `forewarn ingest`; the command says how many and why, and as JSON; an unknown plant is none."""
    file = tmp_path / "stock.csv"
    counted = store.at(61.5).isoformat()
    file.write_text(f"part;plant;counted_at;on_hand;on_order\nB-1;plant;{counted};0;1\n")
    where = ["-w", str(store.workspace.root)]
    results = []
    for words in (
        ["ingest", str(file), "--contract", "spare_stock", "--rename", "counted_at=event_time", *where],
        ["parts", "--as-of", store.at(62).isoformat(), "--downtime-per-hour", "5000", *where],
        ["parts", "--as-of", store.at(62).isoformat(), "--review", "1d", "--plant", "plant", "--json", *where],
        ["parts", "--plant", "plnt", "--json", *where],
    ):
        with pytest.raises(SystemExit) as exited:
            app.main(words)
        results.append((exited.value.code, capsys.readouterr().out))
    assert [code for code, _ in results] == [0, 0, 0, 1]
    settings = settings_of(store.workspace)
    terms = order_terms(settings.parts, settings.costs)
    assert read_order_terms(store.workspace, {}) == terms
    assert read_order_terms(store.workspace, {"FOREWARN_PARTS_REVIEW": "1d"}).review_days == 1
    assert read_order_terms(store.workspace, {"FOREWARN_COSTS_DOWNTIME_PER_HOUR": "8"}).downtime_per_hour == 8
    text = " ".join(results[1][1].split())
    assert "stock 0, 1 on order" in text
    assert "a machine without one stands 120 h at 5,000 an hour" in text
    order = json.loads(results[2][1])["orders"][0]
    assert order["demand"]["days"] == 6
    assert order["on_order"] == 1
    assert "plant" in json.loads(results[3][1])["remedy"]
