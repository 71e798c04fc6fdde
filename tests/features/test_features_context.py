"""Events, work orders, failures, ages: only what happened and was known in time."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_contracts.tables.history import History
from features import Context, Recipe, extract, learn_context
from features.recipe.feature_set import FeatureSet

HOUR = pd.Timedelta("1h")
NOON = pd.Timestamp("2024-01-01T12:00Z").as_unit("us")
SPANS = (pd.Timedelta("6h"), pd.Timedelta("24h"))
HistoryOf = Callable[..., History]


def history(**tables: list[dict[str, object]]) -> History:
    """Make a history of machine m1 out of a few records; missing fields are null, known_time is event_time."""
    columns = {
        "assets": ["asset_type", "model", "plant", "line"],
        "failures": ["failure_id", "mode"],
        "work_orders": ["work_order_id", "kind", "component", "finding", "prompted_by"],
        "events": ["event_id", "code"],
        "telemetry": ["source"],
    }
    frames = {}
    for name, own in columns.items():
        rows = [
            {"asset": "m1", f"{name[:-1]}_id": str(number), "known_time": row["event_time"], **row}
            for number, row in enumerate(tables.get(name, []))
        ]
        frame = pd.DataFrame(rows, columns=["asset", "event_time", "known_time", *own])
        times = dict.fromkeys(("event_time", "known_time"), "datetime64[us, UTC]")
        frames[name] = frame.astype({"asset": "str", **times})
    return History("cnc", (), versions={}, **frames)


def values(records: History, context: Context, *as_of: pd.Timestamp) -> pd.DataFrame:
    moments = pd.DataFrame({"asset": "m1", "as_of": pd.DatetimeIndex(as_of)})
    return extract(records, moments, Recipe("cnc", (), (), FeatureSet(()), context))


def test_work_at_the_cut_off_is_not_seen() -> None:
    """A replacement or failure in the cut-off's own hour, known at once, is no feature; a moment later it is."""
    records = history(
        work_orders=[{"event_time": NOON, "kind": "corrective", "component": "comp1"}],
        failures=[{"event_time": NOON, "mode": "comp1"}],
    )
    context = Context(components=("comp1",), work_order_kinds=("corrective",), failures=True)
    frame = values(records, context, NOON, NOON + HOUR)
    assert frame.iloc[0].tolist()[:2] == pytest.approx([np.nan, np.nan], nan_ok=True)
    assert frame["work_orders__count"].tolist() == [0, 1]
    assert frame["failures__hours_since"].tolist() == pytest.approx([np.nan, 1], nan_ok=True)
    assert frame.iloc[1].tolist() == [1, 1, 1, 1]


def test_work_known_later_is_not_seen_before() -> None:
    """A work order reported a day late changes nothing until then."""
    records = history(work_orders=[{"event_time": NOON, "known_time": NOON + 24 * HOUR, "kind": "routine"}])
    frame = values(records, Context(work_order_kinds=("routine",)), NOON + 23 * HOUR, NOON + 24 * HOUR)
    assert frame["work_orders__count"].tolist() == [0, 1]
    assert frame['work_orders__hours_since__kind_"routine"'].tolist() == pytest.approx([np.nan, 24], nan_ok=True)


def test_events_at_the_cut_off_count() -> None:
    """An error at the cut-off itself is seen; one exactly a span ago no longer."""
    records = history(events=[{"event_time": NOON, "code": "e"}])
    context = Context(event_codes=("e",), event_spans=(6 * HOUR,))
    frame = values(records, context, NOON - HOUR, NOON, NOON + 5 * HOUR, NOON + 6 * HOUR)
    assert frame['events__count__code_"e"__span_"6h"'].tolist() == [0, 1, 1, 0]
    assert frame['events__hours_since__code_"e"'].tolist() == pytest.approx([np.nan, 0, 5, 6], nan_ok=True)


def test_an_inspection_renews_nothing() -> None:
    """Time since maintenance of a component runs on through inspections."""
    records = history(
        work_orders=[
            {"event_time": NOON, "kind": "routine", "component": "axis"},
            {"event_time": NOON + 5 * HOUR, "kind": "inspection", "component": "axis"},
        ]
    )
    context = learn_context(records, events=True, ages=True, event_spans=[])
    row = values(records, context, NOON + 10 * HOUR).iloc[0]
    assert row['work_orders__hours_since_maintenance__component_"axis"'] == 10
    assert row['work_orders__hours_since__kind_"inspection"'] == 5


def test_a_late_finding_changes_no_time() -> None:
    """A correction that only adds the finding leaves counts and times as they were."""
    order = {"work_order_id": "w", "event_time": NOON, "kind": "inspection"}
    records = history(work_orders=[order, {**order, "known_time": NOON + 9 * HOUR, "finding": "no_fault_found"}])
    frame = values(records, Context(work_order_kinds=("inspection",)), NOON + 5 * HOUR, NOON + 20 * HOUR)
    assert frame["work_orders__count"].tolist() == [1, 1]


def test_a_corrected_time_holds_from_when_it_is_known() -> None:
    """An event whose time is corrected later is seen at its first time until then, at its second after."""
    first = {"event_id": "a", "event_time": NOON, "code": "e"}
    moved = {**first, "event_time": NOON - 3 * HOUR, "known_time": NOON + 4 * HOUR}
    frame = values(history(events=[first, moved]), Context(event_codes=("e",)), NOON + 3 * HOUR, NOON + 5 * HOUR)
    assert frame['events__hours_since__code_"e"'].tolist() == [3, 8]


def test_age_and_model_are_those_known() -> None:
    """Age counts from when the machine is known to have been put into service; the model is the latest known."""
    records = history(
        assets=[
            {"event_time": NOON, "model": "m1"},
            {"event_time": NOON + 10 * HOUR, "known_time": NOON + 20 * HOUR, "model": "m2"},
        ]
    )
    context = learn_context(records, events=False, ages=True, event_spans=[])
    frame = values(records, context, NOON - HOUR, NOON + 15 * HOUR, NOON + 20 * HOUR)
    assert frame["asset__age_hours"].tolist() == pytest.approx([np.nan, 15, 10], nan_ok=True)
    assert frame['asset__is_model__model_"m1"'].tolist() == [0, 1, 0]
    assert frame['asset__is_model__model_"m2"'].tolist() == [0, 0, 1]


def naive_known(frame: pd.DataFrame, identifier: str, asset: str, as_of: pd.Timestamp) -> pd.DataFrame:
    """Return each id's latest known record; ties go to the last by content, as in the fast version."""
    known = frame[(frame["asset"] == asset) & (frame["known_time"] <= as_of)]
    content = ["event_time", *[column for column in ("code", "kind", "component", "mode") if column in frame]]
    return known.sort_values(["known_time", *content]).drop_duplicates(identifier, keep="last")


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_counts_and_times_match_a_naive_implementation(
    seed: int, history_of: HistoryOf, machine_begin: Callable[..., pd.Timestamp]
) -> None:
    """Counts and times since equal those of looking at the records one cut-off at a time."""
    records = history_of(seed)
    # Fixed, as a small history may lack a code or a component.
    context = Context(("error1",), SPANS, components=("axis",), work_order_kinds=("routine",), failures=True)
    rng = np.random.default_rng(seed)
    at = pd.Timestamp("2024-01-01", tz="UTC") + pd.to_timedelta(rng.integers(0, 72, 10), unit="h")
    moments = pd.DataFrame({"asset": rng.choice(["m0", "m1"], 10), "as_of": at.as_unit("us")})
    frame = extract(records, moments, Recipe("cnc", (), (), FeatureSet(()), context))
    for (asset, as_of), row in frame.iterrows():
        begin = machine_begin(records, asset, as_of)
        events = naive_known(records.events, "event_id", asset, as_of)
        events = events[events["event_time"] > begin]
        events = events[(events["event_time"] <= as_of) & (events["code"] == "error1")]
        for span, hours in zip(SPANS, ("6h", "24h"), strict=True):
            expected = (events["event_time"] > as_of - span).sum()
            assert row[f'events__count__code_"error1"__span_"{hours}"'] == expected
        orders = naive_known(records.work_orders, "work_order_id", asset, as_of)
        orders = orders[orders["event_time"] > begin]
        orders = orders[orders["event_time"] < as_of]
        assert row["work_orders__count"] == len(orders)
        renewed = orders[orders["kind"].isin(["routine", "corrective"]) & (orders["component"] == "axis")]
        since = (as_of - renewed["event_time"].max()) / HOUR
        assert row['work_orders__hours_since_maintenance__component_"axis"'] == pytest.approx(since, nan_ok=True)
        failures = naive_known(records.failures, "failure_id", asset, as_of)
        failures = failures[failures["event_time"] > begin]
        last = failures.loc[failures["event_time"] < as_of, "event_time"].max()
        assert row["failures__hours_since"] == pytest.approx((as_of - last) / HOUR, nan_ok=True)


def test_a_context_is_learned_from_what_occurs(history_of: HistoryOf) -> None:
    """Codes, components, kinds and models are those in the training history, sorted; nothing when not requested."""
    context = learn_context(history_of(4), events=True, ages=True, event_spans=SPANS)
    assert context.event_codes == ("error1", "error2")
    assert context.components == ("axis", "spindle")
    assert Context.from_dict(context.to_dict()) == context
    assert learn_context(history_of(4), events=False, ages=False, event_spans=SPANS) == Context()
