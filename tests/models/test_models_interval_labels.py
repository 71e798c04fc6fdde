"""Labels of intervals: no look-ahead, and a cut-off counts for as long as its outcome is known."""

import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from models.labels.interval_labels import interval_labels

START = pd.Timestamp("2026-01-01T00:00Z").as_unit("us")
HOUR = pd.Timedelta(hours=1).as_unit("us")
HORIZONS = [24 * HOUR, 72 * HOUR, 168 * HOUR]
UTC = "datetime64[us, UTC]"

hours = st.integers(0, 240)
failure = st.tuples(st.sampled_from("ab"), hours, st.integers(0, 60))
order = st.tuples(
    st.sampled_from("ab"), hours, st.integers(0, 60), st.sampled_from([None, "defect_confirmed", "no_fault_found"])
)
span = st.tuples(st.sampled_from("ab"), hours, st.integers(1, 60))


def frames(failures: list, orders: list, spans: list) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    failed = pd.DataFrame(
        [(f"f{i}", a, START + at * HOUR, START + (at + late) * HOUR) for i, (a, at, late) in enumerate(failures)],
        columns=["failure_id", "asset", "event_time", "known_time"],
    ).astype({"event_time": UTC, "known_time": UTC, "asset": "str"})
    worked = pd.DataFrame(
        [
            (f"w{i}", a, START + at * HOUR, START + (at + late) * HOUR, "inspection", finding, "alarm")
            for i, (a, at, late, finding) in enumerate(orders)
        ],
        columns=["work_order_id", "asset", "event_time", "known_time", "kind", "finding", "prompted_by"],
    ).astype({"event_time": UTC, "known_time": UTC, "asset": "str"})
    observation_gaps = pd.DataFrame(
        [(a, START + at * HOUR, START + (at + long) * HOUR) for a, at, long in spans],
        columns=["asset", "begins", "ends"],
    ).astype({"begins": UTC, "ends": UTC, "asset": "str"})
    return failed, worked, observation_gaps


def cut_offs() -> pd.DataFrame:
    as_of = [START + at * HOUR for at in range(0, 200, 13)]
    return pd.MultiIndex.from_product([["a", "b"], as_of], names=["asset", "as_of"]).to_frame(index=False)


def label(
    tables: tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame], until: int, lead: int, delay: int
) -> list[list[float]]:
    failed, worked, observation_gaps = tables
    labels = interval_labels(
        cut_offs(),
        failed,
        worked,
        lead=lead * HOUR,
        horizons=HORIZONS,
        known_until=START + until * HOUR,
        delay=delay * HOUR,
        observation_gaps=observation_gaps,
    )
    return [[None if value != value else value for value in row] for row in labels.tolist()]


def slowly(failures: list, orders: list, spans: list, until: int, lead: int, delay: int) -> list[list[float | None]]:
    """Label by the rules, an interval at a time, in whole hours."""
    rows = []
    for asset in "ab":
        broke = [at for a, at, late in failures if a == asset and at + late <= until]
        work = [(at, finding) for a, at, late, finding in orders if a == asset and at + late <= until]
        gone = [(at, at + long) for a, at, long in spans if a == asset]
        for as_of in range(0, 200, 13):
            row: list[float | None] = []
            opens = as_of + lead
            for before, edge in zip((0, 24, 72), (24, 72, 168), strict=True):
                closes = opens + edge
                fails = any(opens + before < at <= closes for at in broke)
                confirmed = any(as_of < at <= closes and finding == "defect_confirmed" for at, finding in work)
                unreported = any(as_of < at <= closes and finding is None for at, finding in work)
                unobserved = any(begins < closes and ends > as_of for begins, ends in gone)
                early = any(as_of < at <= opens for at in broke)
                if closes + delay > until or (early and not fails):
                    break
                if fails or confirmed:
                    row.append(1.0)
                    break
                if unreported or unobserved:
                    break
                row.append(0.0)
            rows.append(row + [None] * (3 - len(row)))
    return rows


@settings(max_examples=80, deadline=None)
@given(
    failures=st.lists(failure, max_size=4),
    orders=st.lists(order, max_size=3),
    spans=st.lists(span, max_size=2),
    until=st.integers(0, 420),
    lead=st.sampled_from([0, 6]),
    delay=st.sampled_from([0, 12]),
)
def test_labels_follow_the_rules(failures: list, orders: list, spans: list, until: int, lead: int, delay: int) -> None:
    """An interval counts once it has closed and been reported on, up to the first of which nothing is known."""
    labels = label(frames(failures, orders, spans), until, lead, delay)
    assert labels == slowly(failures, orders, spans, until, lead, delay)


@settings(max_examples=25, deadline=None)
@given(
    failures=st.lists(failure, max_size=4),
    orders=st.lists(order, max_size=3),
    until=st.integers(0, 300),
)
def test_nothing_known_later_changes_a_label(failures: list, orders: list, until: int) -> None:
    """Deleting all that became known later changes no label."""
    tables = frames(failures, orders, [])
    known = START + until * HOUR
    blind = (tables[0][tables[0]["known_time"] <= known], tables[1][tables[1]["known_time"] <= known], tables[2])
    assert label(tables, until, 0, 0) == label(blind, until, 0, 0)


def test_an_outcome_known_in_part_counts_in_part() -> None:
    """A cut-off four days ago counts for one and three days, not for seven; one that failed is no longer at risk."""
    tables = frames([("a", 100, 0)], [], [])
    rows = dict(zip([(a, at) for a in "ab" for at in range(0, 200, 13)], label(tables, 130, 0, 0), strict=True))
    assert rows["b", 26] == [0.0, 0.0, None]
    assert rows["a", 26] == [0.0, 0.0, None]
    assert rows["a", 39] == [0.0, 1.0, None]
    assert rows["a", 91] == [1.0, None, None]
    assert rows["b", 117] == [None, None, None]
