"""Work orders that are reported one by one: the contract's rules, once each, corrections, and many at once."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from data_contracts.contract.contract import load_contract
from data_contracts.ingestion.ingest import ingest
from data_contracts.ingestion.reported_work import breaches, latest_work, report_work_orders
from data_contracts.tables import tables
from data_contracts.validation.checks import examine
from data_contracts.validation.report import ContractError
from data_contracts.workspace import Workspace, init_workspace

NOW = pd.Timestamp("2026-03-01T12:00Z").as_unit("us")
HOUR = pd.Timedelta(hours=1)


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return init_workspace(tmp_path / "workspace")


def frame(*orders: dict[str, Any]) -> pd.DataFrame:
    plain = {
        "work_order_id": "w1",
        "asset": "m1",
        "event_time": NOW - HOUR,
        "known_time": pd.NaT,
        "kind": "inspection",
        "component": None,
        "finding": None,
        "prompted_by": "alarm",
        "prediction_id": None,
    }
    rows = pd.DataFrame([plain | order for order in orders])
    times = {name: pd.to_datetime(rows[name], utc=True) for name in ("event_time", "known_time")}
    return rows.assign(**times).astype(dict.fromkeys(times, "datetime64[us, UTC]"))


def states(workspace: Workspace, *orders: dict[str, Any], now: pd.Timestamp = NOW) -> list[str]:
    return [stored.state for stored in report_work_orders(workspace, frame(*orders), now=now)]


ORDERS = st.lists(
    st.fixed_dictionaries(
        {
            "work_order_id": st.sampled_from(["w1", "w2", None]),
            "asset": st.sampled_from(["m1", None]),
            "event_time": st.sampled_from([NOW - HOUR, NOW, NOW + 5 * HOUR]),
            "known_time": st.sampled_from([NOW, NOW - 2 * HOUR, NOW + 5 * HOUR]),
            "kind": st.sampled_from(["routine", "inspection", "repair", None]),
            "finding": st.sampled_from(["defect_confirmed", "nothing", None]),
            "prompted_by": st.sampled_from(["alarm", "boss", None]),
            "prediction_id": st.sampled_from(["p1", None]),
        }
    ),
    min_size=1,
    max_size=4,
)


@given(ORDERS)
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_the_rules_are_those_of_files(orders: list[dict[str, Any]]) -> None:
    """A row breaks the contract here if and only if it does where files come in."""
    reported = frame(*orders)
    assert {breach.row for breach in breaches(reported, now=NOW)} == set(
        examine(reported, load_contract("work_orders"), now=NOW).reasons
    )


def test_a_column_that_the_contract_does_not_have_is_refused() -> None:
    """Nothing that was reported is dropped in silence."""
    with pytest.raises(ContractError, match="cost"):
        breaches(frame({}).assign(cost=1.0), now=NOW)


def test_the_same_report_again_changes_nothing(workspace: Workspace) -> None:
    """However often it comes, there is one row; with other orders beside it too."""
    assert states(workspace, {}) == ["stored"]
    assert states(workspace, {}, now=NOW + HOUR) == ["already_there"]
    assert states(workspace, {"work_order_id": "w2"}, {}, now=NOW + 2 * HOUR) == ["stored", "already_there"]
    assert len(tables.read(workspace, "work_orders")) == 2


def test_another_finding_is_a_correction_known_later(workspace: Workspace) -> None:
    """The earlier report stays, and the last one counts; going back to the first is a correction too."""
    correction = {"finding": "no_fault_found"}
    assert states(workspace, {}) == ["stored"]
    assert states(workspace, correction) == ["corrected"]
    assert states(workspace, {"finding": "defect_confirmed"}, now=NOW - HOUR) == ["corrected"]
    assert states(workspace, correction, now=NOW + HOUR) == ["corrected"]
    rows = tables.read(workspace, "work_orders").sort_values("known_time")
    assert rows["known_time"].is_unique
    assert rows["finding"].fillna("").tolist() == ["", "no_fault_found", "defect_confirmed", "no_fault_found"]
    assert latest_work(rows)["finding"].tolist() == ["no_fault_found"]


def test_a_report_that_says_when_it_was_made_is_known_again_after_a_correction(workspace: Workspace) -> None:
    """A message that was sent twice, and a correction in between, leaves the correction in place."""
    first, second = {"known_time": NOW - HOUR / 2}, {"known_time": NOW, "finding": "defect_confirmed"}
    assert states(workspace, first) == ["stored"]
    assert states(workspace, second) == ["corrected"]
    assert states(workspace, first, now=NOW + HOUR) == ["already_there"]
    assert latest_work(tables.read(workspace, "work_orders"))["finding"].tolist() == ["defect_confirmed"]


def test_one_work_order_reported_by_many_at_once_is_stored_once(workspace: Workspace) -> None:
    """Eight concurrent reports of one order, each beside another order, lose nothing and store nothing twice."""

    def report(number: int) -> list[str]:
        return states(workspace, {}, {"work_order_id": f"own-{number}"}, now=NOW + number * HOUR)

    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(report, range(8)))
    rows = tables.read(workspace, "work_orders")
    assert sorted(rows["work_order_id"]) == sorted(["w1", *(f"own-{number}" for number in range(8))])
    assert sorted(first for first, _ in results) == ["already_there"] * 7 + ["stored"]
    assert {own for _, own in results} == {"stored"}


def test_other_findings_reported_at_once_are_all_kept_one_after_the_other(workspace: Workspace) -> None:
    """Of two findings at once one corrects the other: both rows are there, with known times of their own."""
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda part: states(workspace, {"component": part}), "abcd"))
    rows = tables.read(workspace, "work_orders")
    assert sorted(rows["component"]) == ["a", "b", "c", "d"]
    assert rows["known_time"].is_unique
    assert sorted(state for (state,) in results) == ["corrected"] * 3 + ["stored"]


def test_reports_and_files_share_one_table(workspace: Workspace) -> None:
    """What a file brought is corrected by a report; a table from before there were prediction ids goes on."""
    old = frame({"known_time": NOW}).drop(columns="prediction_id")
    tables.append(workspace, "work_orders", old, "from before")
    assert states(workspace, {"finding": "not_inspected", "prediction_id": "p1"}) == ["corrected"]
    assert ingest(workspace, frame({"known_time": NOW + HOUR}), load_contract("work_orders"), now=NOW + HOUR).accepted
    assert len(tables.read(workspace, "work_orders")) == 3
