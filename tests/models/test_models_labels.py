"""Labels: what became of an asset after a cut-off, as known at a given time."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.labels.labels import LabelState, failure_labels, known_rows, remaining_life, reporting_delay

START = pd.Timestamp("2026-01-01T00:00Z").as_unit("us")
HOUR = pd.Timedelta("1h")
LAW = settings(max_examples=60, deadline=None)
ORDER_COLUMNS = ["work_order_id", "asset", "event_time", "known_time", "kind", "finding", "prompted_by"]
NO_ORDERS = pd.DataFrame(columns=ORDER_COLUMNS)


def at(hour: float) -> pd.Timestamp:
    return START + hour * HOUR


def cut_offs(*hours: int, asset: str = "m1") -> pd.DataFrame:
    return pd.DataFrame({"asset": asset, "as_of": [at(hour) for hour in hours]})


def failures(*rows: tuple[int, int], asset: str = "m1") -> pd.DataFrame:
    """Make failures from (event hour, known hour)."""
    return pd.DataFrame(
        {
            "failure_id": [f"f{number}" for number in range(len(rows))],
            "asset": asset,
            "event_time": pd.Series([at(event) for event, _ in rows], dtype="datetime64[us, UTC]"),
            "known_time": pd.Series([at(known) for _, known in rows], dtype="datetime64[us, UTC]"),
        }
    )


def order(
    event: int, known: int, finding: str | None, *, kind: str = "inspection", prompted_by: str = "alarm"
) -> pd.DataFrame:
    row = ["w1", "m1", at(event), at(known), kind, finding, prompted_by]
    return pd.DataFrame([row], columns=ORDER_COLUMNS)


def labelled(
    samples: pd.DataFrame, happened: pd.DataFrame, orders: pd.DataFrame = NO_ORDERS, *, lead: int = 0, known: int = 1000
) -> list[str]:
    states = failure_labels(samples, happened, orders, lead=lead * HOUR, horizon=24 * HOUR, known_until=at(known))
    return list(states)


def test_the_window_is_open_on_the_left_and_closed_on_the_right() -> None:
    """Positive iff the asset fails in (as_of + lead, as_of + lead + horizon]; within the lead it is too late."""
    samples = cut_offs(65, 66, 67, 89, 90, 95, 96, 100)
    states = labelled(samples, failures((100, 100)), lead=10)
    assert states == ["negative", "positive", "positive", "positive", "too_late", "too_late", "too_late", "negative"]


def test_a_failure_is_another_asset_s_own_affair() -> None:
    """A failure labels its own asset only."""
    assert labelled(cut_offs(90, asset="m2"), failures((100, 100))) == ["negative"]


def test_a_horizon_that_has_not_closed_is_unknown() -> None:
    """A sample whose outcome is not known yet is not a negative one."""
    assert labelled(cut_offs(10, 11), failures(), known=34) == ["negative", "unknown"]


def test_a_report_under_way_is_waited_for() -> None:
    """With a reporting delay a silent sample is unknown for so long after its horizon."""
    states = failure_labels(
        cut_offs(10, 22), failures(), NO_ORDERS, lead=0 * HOUR, horizon=24 * HOUR, known_until=at(46), delay=12 * HOUR
    )
    assert list(states) == ["negative", "unknown"]


@pytest.mark.parametrize(
    ("orders", "expected"),
    [
        (order(100, 100, "defect_confirmed"), "positive"),
        (order(100, 100, "no_fault_found"), "negative"),
        (order(100, 100, "not_inspected"), "censored"),
        (order(100, 100, None, kind="corrective"), "censored"),
        (order(100, 100, "defect_confirmed", kind="routine"), "negative"),
        (order(100, 100, None, prompted_by="schedule"), "negative"),
        (order(100, 100, "defect_confirmed", prompted_by="audit"), "positive"),
        (order(100, 100, "no_fault_found", prompted_by="audit"), "negative"),
        (order(100, 100, "not_inspected", prompted_by="audit"), "negative"),
        (order(100, 2000, "defect_confirmed"), "negative"),
        (order(115, 115, None), "negative"),
    ],
)
def test_the_finding_of_an_intervention_decides(orders: pd.DataFrame, expected: str) -> None:
    """Work that an alarm prompted before the horizon closed tells by its finding; other work tells nothing."""
    assert labelled(cut_offs(90), failures(), orders) == [expected]


def test_a_failure_outweighs_a_finding() -> None:
    """An asset that failed all the same is positive, whatever an earlier inspection found."""
    assert labelled(cut_offs(90), failures((110, 110)), order(100, 100, "no_fault_found")) == ["positive"]


def test_a_late_finding_replaces_none() -> None:
    """A finding reported later corrects the order's first record, from when it is known on."""
    orders = pd.concat([order(100, 100, None), order(100, 300, "no_fault_found")])
    assert labelled(cut_offs(90), failures(), orders, known=200) == ["censored"]
    assert labelled(cut_offs(90), failures(), orders, known=400) == ["negative"]


def test_a_corrected_failure_counts_as_corrected() -> None:
    """A later known row of a failure moves it."""
    moved = pd.concat([failures((100, 100)), failures((150, 200))])
    assert labelled(cut_offs(90), moved, known=199) == ["positive"]
    assert labelled(cut_offs(90), moved, known=201) == ["negative"]


def test_two_assets_may_share_a_number() -> None:
    """An id that two assets use loses neither failure: one asset's rows alone decide its labels, as its features."""
    shared = pd.concat([failures((100, 100)), failures((100, 120), asset="m2")])
    samples = pd.concat([cut_offs(90), cut_offs(90, asset="m2")], ignore_index=True)
    assert labelled(samples, shared) == ["positive", "positive"]
    assert labelled(cut_offs(90), shared[shared["asset"] == "m1"]) == ["positive"]


def test_a_breakdown_booked_again_is_no_failure_of_its_own() -> None:
    """After its first booking the next failure is the next breakdown, not the mechanic's booking of this one."""
    booked = failures((100, 100), (101, 101), (108, 108))
    samples = cut_offs(90, 100, 101, 107)
    assert labelled(samples, booked) == ["positive", "positive", "positive", "positive"]
    states = failure_labels(
        samples, booked, NO_ORDERS, lead=0 * HOUR, horizon=24 * HOUR, known_until=at(999), breakdown=8 * HOUR
    )
    assert list(states) == ["positive", "negative", "negative", "negative"]
    life = remaining_life(cut_offs(90, 100, 101), booked, known_until=at(150), breakdown=8 * HOUR)
    assert np.array_equal(life, [10.0, 0.0, np.nan], equal_nan=True)


def test_an_earlier_booking_that_arrives_late_moves_the_breakdown() -> None:
    """The breakdown is the earliest booking known, whichever arrived first."""
    booked = failures((108, 108), (100, 120))

    def life(known: int) -> float:
        return float(remaining_life(cut_offs(90), booked, known_until=at(known), breakdown=8 * HOUR)[0])

    assert (life(119), life(120)) == (18.0, 10.0)


def test_an_asset_outlives_the_cap_only_while_it_is_observed() -> None:
    """Without a failure the label is the cap where the asset was observed until then, and not known otherwise."""
    ended = pd.DataFrame({"asset": ["m1"], "begins": [at(120)], "ends": [pd.Timestamp("2262-01-01", tz="UTC")]})
    life = remaining_life(cut_offs(79, 80, 81), failures(), known_until=at(500), cap=40 * HOUR, observation_gaps=ended)
    assert np.array_equal(life, [40.0, 40.0, np.nan], equal_nan=True)


def replaced(*hours: float) -> pd.DataFrame:
    times = pd.Series([at(hour) for hour in hours], dtype="datetime64[us, UTC]")
    return pd.DataFrame({"asset": pd.Series(["m1"] * len(hours), dtype="str"), "event_time": times})


def test_what_happens_to_a_new_machine_is_none_of_the_old_one_s() -> None:
    """Up to the replacement the old machine is known to have survived; what comes after is its successor's."""
    orders = order(105, 105, "defect_confirmed")
    terms = {"lead": 0 * HOUR, "horizon": 24 * HOUR, "known_until": at(999)}
    samples = cut_offs(76, 77, 99, 100, 101)

    def states(happened: pd.DataFrame, work: pd.DataFrame = NO_ORDERS, at_hour: float = 100) -> list[str]:
        return list(failure_labels(samples, happened, work, **terms, replacements=replaced(at_hour)))

    assert states(failures((105, 105))) == ["negative", "censored", "censored", "positive", "positive"]
    assert states(failures(), orders) == ["negative", "censored", "censored", "positive", "positive"]
    # What a machine was replaced for is its own, also if it is booked at the very time.
    assert states(failures((100, 100))) == ["positive"] * 3 + ["negative"] * 2
    assert states(failures((105, 105)), at_hour=105) == ["negative"] * 2 + ["positive"] * 3
    assert states(failures((105, 105)), at_hour=200) == ["negative"] * 2 + ["positive"] * 3


def test_a_breakdown_ends_with_the_replacement() -> None:
    """A new machine that fails within hours has failed itself; what the old one's breakdown books at once is one."""
    booked = failures((100, 100), (102, 102), (106, 106), (108, 108))
    terms = {"lead": 0 * HOUR, "horizon": 24 * HOUR, "known_until": at(999), "breakdown": 24 * HOUR}
    samples = cut_offs(99, 101, 102, 104, 107)
    states = failure_labels(samples, booked, NO_ORDERS, **terms, replacements=replaced(102))
    assert list(states) == ["positive", "censored", "positive", "positive", "negative"]
    assert list(failure_labels(samples, booked, NO_ORDERS, **terms)) == ["positive"] + ["negative"] * 4


def test_remaining_life_ends_with_the_replacement() -> None:
    """The old machine's life is not known then, only that it was longer; the new one's begins."""
    samples = cut_offs(59, 60, 61, 99, 100, 101)
    life = remaining_life(
        samples, failures((100, 100), (130, 130)), known_until=at(999), cap=40 * HOUR, replacements=replaced(100)
    )
    assert list(life) == [40.0, 40.0, 39.0, 1.0, 30.0, 29.0]
    life = remaining_life(samples, failures((130, 130)), known_until=at(999), cap=40 * HOUR, replacements=replaced(100))
    assert np.array_equal(life, [40.0, 40.0, np.nan, np.nan, 30.0, 29.0], equal_nan=True)


def test_remaining_life_counts_down_to_zero() -> None:
    """Remaining life is the hours to the next known failure, at most the cap, and NaN when none is known."""
    samples, happened = cut_offs(0, 90, 100, 101), failures((100, 100))
    free = remaining_life(samples, happened, known_until=at(150))
    assert np.array_equal(free, [100.0, 10.0, 0.0, np.nan], equal_nan=True)
    capped = remaining_life(samples, happened, known_until=at(150), cap=40 * HOUR)
    assert np.array_equal(capped, [40.0, 10.0, 0.0, 40.0], equal_nan=True)
    assert np.isnan(remaining_life(cut_offs(120), happened, known_until=at(150), cap=40 * HOUR)).all()


def test_the_reporting_delay_is_that_of_first_reports() -> None:
    """The delay is the quantile of first reports; a correction does not make a report late."""
    reports = failures((0, 10), (0, 20), (0, 1), (0, 2))
    corrected = pd.concat([reports, failures((0, 900))])
    assert reporting_delay(corrected, known_until=at(1000)) == 20 * HOUR
    assert reporting_delay(corrected, known_until=at(0)) == pd.Timedelta(0)


hours = st.integers(0, 60)
failure_rows = st.lists(st.tuples(st.sampled_from(["m1", "m2"]), hours, hours), max_size=8)
findings = st.sampled_from(["defect_confirmed", "no_fault_found", "not_inspected", None])
kinds = st.sampled_from(["routine", "inspection", "corrective"])
prompts = st.sampled_from(["alarm", "schedule", None])
order_rows = st.lists(st.tuples(st.sampled_from(["m1", "m2"]), hours, hours, kinds, findings, prompts), max_size=6)
cut_off_rows = st.lists(st.tuples(st.sampled_from(["m1", "m2", "m3"]), hours), max_size=12)


def frames(failed: list, worked: list, samples: list) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    happened = pd.DataFrame(
        [(f"f{n}", a, at(e), at(e + d)) for n, (a, e, d) in enumerate(failed)],
        columns=["failure_id", "asset", "event_time", "known_time"],
    )
    orders = pd.DataFrame(
        [(f"w{n}", a, at(e), at(e + d), k, f, p) for n, (a, e, d, k, f, p) in enumerate(worked)], columns=ORDER_COLUMNS
    )
    times = ["event_time", "known_time"]
    utc = dict.fromkeys(times, "datetime64[us, UTC]")
    cut_off_frame = pd.DataFrame([(a, at(h)) for a, h in samples], columns=["asset", "as_of"])
    return happened.astype(utc), orders.astype(utc), cut_off_frame.astype({"as_of": "datetime64[us, UTC]"})


def naive_label(
    asset: str, as_of: pd.Timestamp, happened: pd.DataFrame, orders: pd.DataFrame, lead, horizon, known
) -> str:
    """Say the rule as slowly and plainly as can be."""
    opens, closes = as_of + lead, as_of + lead + horizon
    own = [r for r in happened.itertuples() if r.asset == asset and r.known_time <= known]
    if any(opens < r.event_time <= closes for r in own):
        return "positive"
    if any(as_of < r.event_time <= opens for r in own):
        return "too_late"
    acted = [
        r
        for r in orders.itertuples()
        if r.asset == asset
        and r.known_time <= known
        and as_of < r.event_time <= closes
        and r.kind in ("inspection", "corrective")
        and r.prompted_by == "alarm"
    ]
    if any(r.finding == "defect_confirmed" for r in acted):
        return "positive"
    if any(r.finding not in ("defect_confirmed", "no_fault_found") for r in acted):
        return "censored"
    return "negative" if closes <= known else "unknown"


@LAW
@given(failure_rows, order_rows, cut_off_rows, st.integers(0, 5), st.integers(1, 20), st.integers(0, 90))
def test_labels_equal_the_plain_rule(failed, worked, samples, lead, horizon, known) -> None:
    """The fast labels are those of the plain rule, row by row."""
    happened, orders, cut_off_frame = frames(failed, worked, samples)
    terms = {"lead": lead * HOUR, "horizon": horizon * HOUR, "known_until": at(known)}
    states = failure_labels(cut_off_frame, happened, orders, **terms)
    plain = [
        naive_label(a, t, happened, orders, lead * HOUR, horizon * HOUR, at(known))
        for a, t in cut_off_frame.itertuples(index=False)
    ]
    assert list(states) == plain


@LAW
@given(failure_rows, order_rows, cut_off_rows, st.integers(0, 90))
def test_no_look_ahead(failed, worked, samples, known) -> None:
    """Deleting everything known after `known_until` changes no label and no remaining life."""
    happened, orders, cut_off_frame = frames(failed, worked, samples)
    then = at(known)
    terms = {"lead": 2 * HOUR, "horizon": 12 * HOUR, "known_until": then}
    cut = failure_labels(
        cut_off_frame, happened[happened["known_time"] <= then], orders[orders["known_time"] <= then], **terms
    )
    assert list(failure_labels(cut_off_frame, happened, orders, **terms)) == list(cut)
    life = remaining_life(cut_off_frame, happened, known_until=then, cap=20 * HOUR)
    known_only = remaining_life(
        cut_off_frame, happened[happened["known_time"] <= then], known_until=then, cap=20 * HOUR
    )
    assert np.array_equal(life, known_only, equal_nan=True)


@LAW
@given(failure_rows, order_rows, cut_off_rows, st.integers(0, 90))
def test_immature_outcomes_are_never_negative(failed, worked, samples, known) -> None:
    """No sample is negative before its horizon has closed."""
    happened, orders, cut_off_frame = frames(failed, worked, samples)
    states = failure_labels(cut_off_frame, happened, orders, lead=2 * HOUR, horizon=12 * HOUR, known_until=at(known))
    immature = (cut_off_frame["as_of"] + 14 * HOUR > at(known)).to_numpy()
    assert not (states.to_numpy()[immature] == LabelState.NEGATIVE).any()


@LAW
@given(failure_rows, st.integers(0, 2**31))
def test_known_rows_do_not_depend_on_order(failed, seed) -> None:
    """Of each key the row last known at a time is kept, whatever the order of the rows."""
    happened, _, _ = frames(failed, [], [])
    happened["failure_id"] = happened["failure_id"].str.replace(r"[13579]", "x", regex=True)
    mixed = happened.sample(frac=1, random_state=seed % 2**31) if len(happened) else happened
    pd.testing.assert_frame_equal(
        known_rows(happened, "failure_id", at(200)).reset_index(drop=True),
        known_rows(mixed, "failure_id", at(200)).reset_index(drop=True),
    )
