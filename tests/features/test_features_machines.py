"""A machine replaced under the same id: its age starts anew; nothing of the one before reaches into its features."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_contracts.tables.history import History
from features import Context, Gaps, Recipe, coverage, extract, stream
from features.extraction.extract import extract_rows
from features.extraction.latest_readings import UNKNOWN, latest_of_rows, latest_readings
from features.recipe.feature_set import FeatureSet
from features.telemetry.machines import NEVER, Machines, replacements
from features.telemetry.point_in_time import PointInTimeQuery
from features.telemetry.reconciliation import sorted_rows
from features.telemetry.sorted_times import microseconds

HOUR = pd.Timedelta("1h")
START = pd.Timestamp("2026-03-01T00:00Z").as_unit("us")
UTC = "datetime64[us, UTC]"
COLUMNS = ["asset", "event_time", "known_time", "asset_type", "model", "plant", "line", "status"]


def record(hour: float, known: float | None = None, asset: str = "press", **words: Any) -> dict[str, object]:
    """Make an asset record about an hour, known then or at another."""
    return {
        "asset": asset,
        "event_time": START + hour * HOUR,
        "known_time": START + (hour if known is None else known) * HOUR,
        "asset_type": "press",
        **words,
    }


def assets(*records: dict[str, object]) -> pd.DataFrame:
    frame = pd.DataFrame(list(records), columns=COLUMNS)
    return frame.astype({"asset": "str", "event_time": UTC, "known_time": UTC})


def begin_and_since(records: pd.DataFrame, hour: float) -> tuple[float | None, float | None]:
    """Return the hours at which the machine of a cut-off was put into service and took another's place."""
    machines = Machines.from_frame(records, pd.Index(["press"]))
    asset, as_of = np.zeros(1, dtype=np.int64), microseconds(pd.Series([START + hour * HOUR]))
    since = machines.replaced_since(asset, as_of)
    found = machines.begins(asset, as_of)[0], NEVER if since is None else since[0]
    origin = microseconds(pd.Series([START]))[0]
    return tuple(None if each == NEVER else (each - origin) / 3.6e9 for each in found)  # type: ignore[return-value]


IN: dict[str, Any] = {"status": "in_service"}
OUT: dict[str, Any] = {"status": "retired"}


@pytest.mark.parametrize(
    ("second", "replaced"),
    [
        ({**IN, "model": "K2"}, True),  # put into service, another model
        ({**IN, "model": "K1"}, True),  # put into service, the same model
        (IN, True),
        ({"model": "K2"}, True),  # another model, without a word on the status
        ({"model": "K1"}, False),  # the same machine, changed in some way
        ({}, False),
        ({"line": "L2"}, False),  # moved
        ({**IN, "line": "L2"}, False),  # moved, with the status of a full export
        ({**IN, "plant": "P2", "model": "K1"}, False),
        ({**IN, "line": "L2", "model": "K2"}, True),  # another machine at another place
        ({**IN, "line": "L1", "plant": "P1"}, True),
        ({**OUT, "model": "K2"}, False),  # retired
        (OUT, False),
    ],
)
def test_which_record_puts_another_machine_into_service(second: dict[str, Any], replaced: bool) -> None:
    """Another model, or in service anew at the same place; neither a move, nor a retirement, nor any other change."""
    records = assets(record(0, model="K1", plant="P1", line="L1", **IN), record(50, **second))
    assert begin_and_since(records, 49) == (0, None)
    assert begin_and_since(records, 60) == ((50, 50) if replaced else (0, None))


def test_back_after_retirement() -> None:
    """In service anew after a retirement is another machine; a record without a status brings the same one back."""
    retired = [record(0, model="K1", **IN), record(20, **OUT)]
    assert begin_and_since(assets(*retired, record(50, **IN)), 60) == (50, 50)
    assert begin_and_since(assets(*retired, record(50)), 60) == (0, None)


def test_a_correction_of_the_time_is_no_replacement() -> None:
    """Of one model, a record known later about an earlier time moves the beginning back; of another it does not."""
    first = record(50, **IN, model="K1")
    assert begin_and_since(assets(first, record(10, 70, **IN, model="K1")), 60) == (50, None)
    assert begin_and_since(assets(first, record(10, 70, **IN, model="K1")), 70) == (10, None)
    assert begin_and_since(assets(first, record(10, 70, **IN, model="K0")), 70) == (50, 50)
    # A correction of what a record says, at the record's own time, leaves the order of machines alone.
    corrected = [record(0, **IN), record(50, **IN), record(0, 80, **IN, line="L9")]
    assert begin_and_since(assets(*corrected), 90) == (50, 50)


def test_a_replacement_counts_once_it_is_known() -> None:
    """Up to the known time of its record, and up to its event time, the earlier machine stands there."""
    records = assets(record(0, model="K1"), record(50, 55, model="K2"), record(80, 40, model="K3"))
    assert [begin_and_since(records, hour)[0] for hour in (-1, 0, 54, 55, 79, 80)] == [None, 0, 0, 50, 50, 80]


def test_of_records_about_one_time_the_last_correction_counts() -> None:
    """The record known last counts, and of those known together the one stored last."""
    records = assets(record(0, model="K1"), record(50, model="K2"), record(50, 60, model="K1"))
    assert begin_and_since(records, 59) == (50, 50)
    assert begin_and_since(records, 60) == (0, None)
    together = assets(record(0, model="K1"), record(50, model="K2"), record(50, model="K1"))
    assert begin_and_since(together.assign(stored_version=[1, 2, 3]), 60) == (0, None)
    assert begin_and_since(together.assign(stored_version=[1, 3, 2]), 60) == (50, 50)


def test_the_replacements_are_those_known_now() -> None:
    """A correction of a time moves a replacement; moves, retirements and what is yet to come are none."""
    records = assets(
        record(0, **IN),
        record(20, **OUT),
        record(40, **IN),
        record(50, 60, model="b"),
        record(30, asset="pump", plant="north", **IN),
        record(35, asset="pump", plant="south", **IN),
        record(90, 10, asset="pump", model="c", **IN),
    )

    def hours(now: float) -> list[float]:
        found = replacements(records.sample(frac=1, random_state=1), now=START + now * HOUR)
        assert set(found["asset"]) <= {"press"}
        return list((found["event_time"] - START) / HOUR)

    assert [hours(now) for now in (39, 40, 59, 60, 89)] == [[], [40], [40], [40], [40]]
    renamed = records.assign(model=records["model"].fillna("a"))
    assert list(replacements(renamed, now=START + 95 * HOUR)["asset"]) == ["press", "press", "pump"]


def _same(history: History) -> History:
    return history


def press(*records: dict[str, object], hours: int = 100) -> History:
    """Make a press with a reading an hour, the hour's number."""
    times = pd.date_range(START, periods=hours, freq="h").as_unit("us")
    telemetry = pd.DataFrame(
        {
            "asset": "press",
            "event_time": times,
            "known_time": times,
            "source": "physical",
            "load": np.arange(hours) * 1.0,
        }
    )
    empty = {"asset": "str", "event_time": UTC, "known_time": UTC}
    happened = [START + hour * HOUR for hour in (45, 50, 56)]
    happenings = pd.DataFrame({"asset": "press", "event_time": happened, "known_time": happened}).astype(empty)
    failures = happenings.assign(failure_id=["a", "b", "c"], mode="ram")
    orders = happenings.assign(work_order_id=["a", "b", "c"], kind="routine", component="ram")
    events = happenings.assign(event_id=["a", "b", "c"], code="e1")
    return History("press", ("load",), telemetry, assets(*records), failures, orders, events)


REPLACED = (record(0, model="K1", **IN), record(50, model="K2", **IN))
CONTEXT = Context(("e1",), (24 * HOUR,), ("ram",), ("routine",), failures=True, age=True, models=("K1", "K2"))


def recipe(*windows: str, gaps: Gaps | None = None, context: Context = CONTEXT) -> Recipe:
    features = FeatureSet(("minimum", "maximum", "length"))
    return Recipe("press", ("load",), tuple(map(pd.Timedelta, windows)), features, context, gaps=gaps)


def at(*hours: float) -> pd.DataFrame:
    return pd.DataFrame({"asset": "press", "as_of": pd.DatetimeIndex([START + hour * HOUR for hour in hours])})


def test_windows_and_records_begin_with_the_machine() -> None:
    """A window holds the new machine's readings from its first instant on; the rest is counted and timed after that."""
    frame = extract(press(*REPLACED), at(49, 50, 52, 60, 70), recipe("12h"))
    assert frame["load__minimum"].tolist() == [38, 50, 50, 50, 59]
    assert frame["load__length"].tolist() == [12, 1, 3, 11, 12]
    assert frame["asset__age_hours"].tolist() == [49, 0, 2, 10, 20]
    assert frame["failures__hours_since"].tolist() == pytest.approx([4, np.nan, np.nan, 4, 14], nan_ok=True)
    assert frame["work_orders__count"].tolist() == [1, 0, 0, 1, 1]
    since = frame['work_orders__hours_since_maintenance__component_"ram"']
    assert since.tolist() == pytest.approx([4, np.nan, np.nan, 4, 14], nan_ok=True)
    assert frame['events__count__code_"e1"__span_"24h"'].tolist() == [1, 0, 0, 1, 1]
    assert frame['asset__is_model__model_"K2"'].tolist() == [0, 1, 1, 1, 1]


def test_a_window_since_the_start_begins_with_the_machine() -> None:
    """Everything since the first reading is everything since the new machine's first one."""
    frame = extract(press(*REPLACED), at(49, 60), replace(recipe("12h"), windows=(pd.Timedelta(days=36_525),)))
    assert frame["load__minimum"].tolist() == [0, 50]


def test_gaps_are_not_filled_from_the_machine_before() -> None:
    """No reading of the old machine replaces a missing one of the new, and coverage says what was missing."""
    history = press(*REPLACED)
    hours = (history.telemetry["event_time"] - START) / HOUR
    history = replace(history, telemetry=history.telemetry[(hours < 50) | (hours > 51)])
    ruled = recipe("4h", gaps=Gaps(HOUR, 6 * HOUR, most_missing=0.5))
    frame = extract(history, at(49, 51, 52, 53), ruled)
    assert frame["load__maximum"].tolist() == pytest.approx([49, np.nan, np.nan, 53], nan_ok=True)
    assert coverage(history, at(49, 51, 52, 53), ruled)["load"].tolist() == [0, 1, 0.75, 0.5]


def test_the_latest_reading_is_the_new_machines() -> None:
    """Where only the old machine has readings in the window there is none, in a table and in sorted rows alike."""
    history = press(*REPLACED)
    history = replace(history, telemetry=history.telemetry[history.telemetry["event_time"] < START + 50 * HOUR])
    wanted, as_of = recipe("12h"), microseconds(at(55)["as_of"])
    assert latest_readings(history, at(55), wanted).tolist() == [UNKNOWN]
    rows = sorted_rows(history.telemetry, pd.Index(["press"]), ["load"], ["load"])
    since = PointInTimeQuery(("press",), as_of, lambda: history).replaced_since
    assert latest_of_rows(rows, as_of, wanted, since).tolist() == [UNKNOWN]
    assert latest_of_rows(rows, as_of, wanted).tolist() != [UNKNOWN]


words = st.sampled_from([None, "a", "b"])
asset_records = st.lists(
    st.tuples(
        st.sampled_from(["press", "lathe"]),
        st.integers(0, 99),
        st.integers(0, 40),
        words,
        words,
        st.sampled_from([None, "in_service", "retired"]),
    ),
    max_size=7,
)


def fleet(drawn: list[tuple]) -> History:  # type: ignore[type-arg]
    records = [
        record(hour, hour + late, asset, model=model, line=line, status=status)
        for asset, hour, late, model, line, status in drawn
    ]
    history = press(*records)
    lathe = history.telemetry.assign(asset="lathe", load=-history.telemetry["load"])
    return replace(history, telemetry=pd.concat([history.telemetry, lathe], ignore_index=True).astype({"asset": "str"}))


@settings(max_examples=30, deadline=None)
@given(drawn=asset_records, seed=st.integers(0, 1000))
def test_batch_equals_online_equals_stream(drawn: list[tuple], seed: int) -> None:  # type: ignore[type-arg]
    """One asset at one cut-off, from what was known then or from sorted rows, has the bits it has in the batch."""
    history, wanted = fleet(drawn), recipe("5h", "30h")
    rng = np.random.default_rng(seed)
    chosen = START + pd.to_timedelta(rng.integers(0, 140, 6), unit="h")
    moments = pd.DataFrame({"asset": rng.choice(["press", "lathe"], 6), "as_of": chosen.as_unit("us")})
    batch = extract(history, moments, wanted)
    streamed = stream(history, moments, wanted).read_all().to_pandas()[list(batch.columns)]
    assert streamed.to_numpy().tobytes() == batch.to_numpy().tobytes()
    shuffled = replace(history, assets=history.assets.sample(frac=1, random_state=seed))
    assert extract(shuffled, moments, wanted).to_numpy().tobytes() == batch.to_numpy().tobytes()
    for number in range(len(moments)):
        one, asset = moments.iloc[[number]], str(moments["asset"].iloc[number])
        known = history.as_of(one["as_of"].iloc[0])
        alone = replace(known, assets=known.assets[known.assets["asset"] == asset])
        expected = batch.iloc[[number]].to_numpy().tobytes()
        assert extract(alone, one, wanted).to_numpy().tobytes() == expected
        rows = sorted_rows(known.telemetry, pd.Index([asset]), ["load"], ["load"])
        for records in (None, alone.assets):
            query = PointInTimeQuery((asset,), microseconds(one["as_of"]), partial(_same, known), records)
            assert extract_rows(rows, query, wanted).to_numpy().tobytes() == expected


@settings(max_examples=40, deadline=None)
@given(drawn=asset_records, change=st.floats(-100, 100))
def test_the_old_machines_readings_do_not_matter(drawn: list[tuple], change: float) -> None:  # type: ignore[type-arg]
    """Changing everything from before the machine of a cut-off changes nothing there."""
    history, wanted = fleet(drawn), recipe("30h")
    moments = at(20, 60, 99)
    machines = Machines.from_frame(history.assets, pd.Index(["press"]))
    since = machines.replaced_since(np.zeros(3, dtype=np.int64), microseconds(moments["as_of"]))
    expected = extract(history, moments, wanted)
    for number in range(0 if since is None else len(moments)):
        before = microseconds(history.telemetry["event_time"]) < since[number]  # type: ignore[index]
        load = history.telemetry["load"].where(~before, change)
        other = replace(history, telemetry=history.telemetry.assign(load=load))
        one = extract(other, moments.iloc[[number]], wanted)
        assert one.to_numpy().tobytes() == expected.iloc[[number]].to_numpy().tobytes()


def test_a_fleet_without_replacements_has_none_to_look_up(history_of: Callable[..., History]) -> None:
    """Where every asset has one record, no time is spent on whose readings they are."""
    records = history_of(1).assets.drop_duplicates("asset")
    machines = Machines.from_frame(records, pd.Index(sorted(records["asset"])))
    assert not machines.any_replaced
    assert machines.replaced_since(np.zeros(1, dtype=np.int64), np.zeros(1, dtype=np.int64)) is None
