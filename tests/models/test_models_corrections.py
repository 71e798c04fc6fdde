"""Labels, outcomes and retirements are those of the rows stored last, whatever was stored before."""

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.labels.labels import failure_labels, known_rows, remaining_life, reporting_delay
from models.labels.observation_gaps import retired_spans
from models.outcomes.outcomes import known_failures, known_work_orders

START = pd.Timestamp("2026-01-01", tz="UTC").as_unit("us")
HOUR = pd.Timedelta(hours=1)
END = START + 200 * HOUR


def at(hours: int | pd.Series) -> pd.Timestamp | pd.Series:
    return START + pd.to_timedelta(hours, unit="h")


def failures_of(hours: list[int], known: list[int]) -> pd.DataFrame:
    ids = [f"f{number % 3}" for number in range(len(hours))]
    frame = pd.DataFrame({"failure_id": ids, "asset": [f"m{number % 2}" for number in range(len(hours))]})
    frame = frame.assign(event_time=at(pd.Series(hours)), known_time=at(pd.Series(known) + 100))
    return frame.assign(mode="seal").drop_duplicates(["asset", "failure_id", "known_time"], ignore_index=True)


def orders_of(failures: pd.DataFrame, kind: str, finding: str | None) -> pd.DataFrame:
    orders = failures.rename(columns={"failure_id": "work_order_id"}).drop(columns="mode")
    return orders.assign(kind=kind, finding=pd.Series([finding] * len(orders), dtype="str"), prompted_by="alarm")


def stored(batches: list[pd.DataFrame], seed: int) -> pd.DataFrame:
    parts = [batch.assign(stored_version=number + 1) for number, batch in enumerate(batches)]
    return pd.concat(parts).sample(frac=1, random_state=seed)


@settings(max_examples=40, deadline=None)
@given(
    hours=st.lists(st.integers(0, 99), min_size=6, max_size=6),
    wrong=st.lists(st.integers(0, 99), min_size=6, max_size=6),
    known=st.lists(st.integers(0, 2), min_size=6, max_size=6),
    kinds=st.permutations(["routine", "inspection", "corrective"]),
    findings=st.permutations([None, "defect_confirmed", "no_fault_found"]),
    seed=st.integers(0, 99),
)
def test_what_was_corrected_leaves_no_trace_in_labels(hours, wrong, known, kinds, findings, seed):
    """Failures and work orders with other times, kinds and findings stored before change no label and no outcome."""
    good, bad = failures_of(hours, known), failures_of(wrong, known)
    failures = stored([bad, good], seed)
    good_orders, bad_orders = (
        orders_of(rows, kind, finding) for rows, kind, finding in zip((good, bad), kinds, findings, strict=False)
    )
    orders = stored([bad_orders, good_orders], seed)
    cut_offs = pd.DataFrame({"asset": ["m0", "m1"] * 10, "as_of": at(pd.Series(range(0, 100, 5)))})
    terms = {"lead": 2 * HOUR, "horizon": 12 * HOUR, "known_until": END}
    pd.testing.assert_series_equal(
        failure_labels(cut_offs, failures, orders, **terms), failure_labels(cut_offs, good, good_orders, **terms)
    )
    pd.testing.assert_series_equal(
        remaining_life(cut_offs, failures, known_until=END), remaining_life(cut_offs, good, known_until=END)
    )
    assert reporting_delay(failures, known_until=END) == reporting_delay(good, known_until=END)
    pd.testing.assert_frame_equal(known_failures(failures, END), known_failures(good, END))
    corrected = known_work_orders(orders, END).drop(columns="stored_version")
    pd.testing.assert_frame_equal(corrected, known_work_orders(good_orders, END))
    latest = known_rows(failures, "failure_id", END)
    assert (latest["stored_version"] == 2).all()


@pytest.mark.parametrize(("first", "second", "spans"), [("retired", "active", 0), ("active", "retired", 1)])
def test_a_retirement_is_corrected_by_the_record_stored_later(first, second, spans):
    """Of two records of one instant the one stored later says whether the asset is in service."""
    record = {"asset": "m1", "event_time": START, "known_time": START}
    records = pd.DataFrame([record | {"status": second, "stored_version": 2}, record | {"status": first}])
    for order in (records, records.iloc[::-1]):
        assert len(retired_spans(order, now=END)) == spans
