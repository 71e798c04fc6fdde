"""The ledger keeps what was known when: late reports and corrections re-open outcomes, and rewrite nothing."""

from collections.abc import Iterator

import pandas as pd
import pytest
import sqlalchemy as sa

from data_contracts.records.outcome_records import outcome_rows
from data_contracts.records.records import open_records
from models.outcomes.outcome_ledger import append_outcomes, latest_outcomes
from models.outcomes.outcomes import Outcomes, Terms, outcomes

HOUR = pd.Timedelta(hours=1)
START = pd.Timestamp("2026-01-01", tz="UTC")
TERMS = Terms(lead=2 * HOUR, horizon=24 * HOUR, gap=6 * HOUR, reporting_delay=10 * HOUR)
UTC = {"event_time": "datetime64[us, UTC]", "known_time": "datetime64[us, UTC]"}


def at(hours: float) -> pd.Timestamp:
    return START + hours * HOUR


@pytest.fixture
def records(tmp_path) -> Iterator[sa.Engine]:
    engine = open_records(f"sqlite:///{tmp_path}/records.db")
    yield engine
    engine.dispose()


def known(now: float) -> Outcomes:
    """Return outcomes of an alarm at hour 0 with a finding at 50, corrected at 90, and a failure known at 200."""
    predictions = pd.DataFrame({"asset": "m1", "as_of": [at(0), at(100)], "alert": [True, False]})
    orders = [
        ("w1", "m1", at(5), at(5 + late), "inspection", finding, "alarm")
        for late, finding in ((0, None), (45, "no_fault_found"), (85, "defect_confirmed"))
    ]
    names = ["work_order_id", "asset", "event_time", "known_time", "kind", "finding", "prompted_by"]
    failed = pd.DataFrame([("f1", "m1", at(110), at(200))], columns=["failure_id", "asset", "event_time", "known_time"])
    work = pd.DataFrame(orders, columns=names)
    return outcomes(predictions, failed.astype(UTC), work.astype(UTC), now=at(now), terms=TERMS)


def append(records: sa.Engine, now: float, **more) -> int:
    return append_outcomes(records, known(now), model_name="cnc", model_version=3, now=at(now), **more)


def test_each_change_is_kept_with_the_time_it_was_known(records: sa.Engine) -> None:
    """An episode goes from pending to censored, is decided by the finding, and again by its correction."""
    assert [append(records, now) for now in (20, 40, 45, 60, 95, 300)] == [1, 1, 0, 1, 2, 1]
    history = outcome_rows(records, model_name="cnc")
    own = history[history["unit"] == "episode"]
    assert own["state"].tolist() == ["pending", "censored", "fp", "tp_prevented"]
    assert own["known_at"].tolist() == [at(20), at(40), at(60), at(95)]
    assert own["evidence"].tolist() == [[]] + [["work_order:w1"]] * 3
    assert history[history["unit"] == "failure"]["state"].tolist() == ["prevented", "missed"]


def test_the_ledger_as_of_a_time_is_what_was_known_then(records: sa.Engine) -> None:
    """Read as of any known time, the ledger holds the states that were known at that time."""
    times = (20, 40, 60, 95, 300)
    for now in times:
        append(records, now)
    for now in times:
        states = latest_outcomes(outcome_rows(records, model_name="cnc", known=at(now + 1)))
        then = known(now)
        expected = [*then.episodes["state"], *then.failures["state"]]
        assert states["state"].tolist() == expected


def test_the_same_outcomes_twice_add_nothing(records: sa.Engine) -> None:
    """A monitor that runs again, or looks from an earlier moment, leaves the ledger as it is."""
    assert append(records, 95) == 2
    assert append(records, 95) == 0
    assert append(records, 40) == 0
    assert append(records, 300, since=at(200)) == 0
