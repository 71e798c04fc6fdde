"""Observation: whether an asset was watched and running at a cut-off, as known then."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.names import SINCE_START
from models.labels.breakdowns import breakdown_span, first_bookings
from models.labels.observation import (
    LONGEST_SILENCE,
    ObservationState,
    observation_states,
    observation_window,
    state_at,
)

START = pd.Timestamp("2026-01-01T00:00Z").as_unit("us")
HOUR = pd.Timedelta("1h")
LAW = settings(max_examples=50, deadline=None)
TIMES = "datetime64[us, UTC]"

Rows = list[tuple[str, int, int]]
"""Of each row the asset, and the hours when it happened and became known."""


def at(hour: float) -> pd.Timestamp:
    return START + hour * HOUR


def cut_offs(*hours: float, asset: str = "m1") -> pd.DataFrame:
    times = pd.Series([at(hour) for hour in hours], dtype=TIMES)
    return pd.DataFrame({"asset": pd.Series([asset] * len(hours), dtype="str"), "as_of": times})


def rows(*events: tuple[str, float, float], **columns: list[object]) -> pd.DataFrame:
    frame = pd.DataFrame(
        {
            "asset": pd.Series([asset for asset, _, _ in events], dtype="str"),
            "event_time": pd.Series([at(event) for _, event, _ in events], dtype=TIMES),
            "known_time": pd.Series([at(known) for _, _, known in events], dtype=TIMES),
        }
    )
    return frame.assign(**columns)


def telemetry(*events: tuple[str, float, float], values: list[float] | None = None) -> pd.DataFrame:
    return rows(*events, source=["physical"] * len(events), load=values or [1.0] * len(events))


def failures(*events: tuple[str, float, float], ids: list[str] | None = None) -> pd.DataFrame:
    return rows(*events, failure_id=ids or [f"f{number}" for number in range(len(events))])


def records(*events: tuple[str, float, float], status: list[str | None] | None = None) -> pd.DataFrame:
    return rows(*events, status=status or [None] * len(events))


def states(
    samples: pd.DataFrame,
    readings: pd.DataFrame,
    failed: pd.DataFrame | None = None,
    assets: pd.DataFrame | None = None,
    *,
    window: float = 6,
    down: float = 0,
    breakdown: float = 0,
) -> list[str]:
    found = observation_states(
        samples,
        telemetry=readings,
        failures=failures() if failed is None else failed,
        assets=records() if assets is None else assets,
        window=window * HOUR,
        down_after_failure=down * HOUR,
        breakdown=breakdown * HOUR,
    )
    return list(found)


def hourly(first: int, last: int, asset: str = "m1", delay: float = 0) -> list[tuple[str, float, float]]:
    return [(asset, hour, hour + delay) for hour in range(first, last + 1)]


def test_the_window_is_open_on_the_left_and_closed_on_the_right() -> None:
    """A reading counts from its own time until just before a window later."""
    readings = telemetry(("m1", 10, 10))
    assert states(cut_offs(9, 10, 15.99, 16), readings) == ["silent", "observed", "observed", "silent"]


def test_a_reading_counts_once_it_is_known() -> None:
    """What arrived late was not there at the cut-off."""
    assert states(cut_offs(11, 12, 13), telemetry(("m1", 10, 12))) == ["silent", "observed", "observed"]


def test_a_row_without_a_value_is_no_reading() -> None:
    """A gateway that goes on to send rows of nulls does not make a silent machine a running one."""
    readings = telemetry(("m1", 10, 10), ("m1", 20, 20), values=[1.0, float("nan")])
    assert states(cut_offs(11, 21), readings) == ["observed", "silent"]


def test_another_asset_says_nothing() -> None:
    """Readings, failures and records count for their own asset only."""
    readings = telemetry(*hourly(0, 40, "m1"), ("m2", 0, 0))
    gone = records(("m1", 30, 30), status=["retired"])
    happened = failures(("m1", 20, 20))
    assert states(cut_offs(1, 20, 31, asset="m2"), readings, happened, gone) == ["observed", "silent", "silent"]
    assert states(cut_offs(1, 20, 31), readings, happened, gone) == ["observed", "failed", "retired"]


def test_a_machine_in_another_s_place_has_none_of_its_failures_and_readings() -> None:
    """From when the replacement is known: it is not failed, and not observed before a reading of its own."""
    readings, happened = telemetry(*hourly(0, 10), *hourly(13, 20)), failures(("m1", 10, 10))
    taken = records(("m1", 0, 0), ("m1", 12, 12), status=["in_service", "in_service"])
    samples = cut_offs(10, 11, 11.5, 12, 12.5, 13, 14)
    found = states(samples, readings, happened, taken, down=24)
    assert found == ["failed", "failed", "failed", "silent", "silent", "observed", "observed"]
    # Known a while later, it changes nothing before.
    late = records(("m1", 0, 0), ("m1", 12, 14), status=["in_service", "in_service"])
    assert states(samples, readings, happened, late, down=24) == ["failed"] * 6 + ["observed"]
    # What is booked at the very time is what the old machine was replaced for, and a later failure is the new one's.
    at_once, later = failures(("m1", 12, 12)), failures(("m1", 14, 14))
    assert states(cut_offs(12, 13), readings, at_once, taken) == ["silent", "observed"]
    assert states(cut_offs(13, 14), readings, later, taken) == ["observed", "failed"]


def test_a_failed_asset_runs_again_with_the_first_reading_after_its_down_time() -> None:
    """At the failure, while it is down, and until a reading later than that it is failed; then it goes on."""
    stops, resumes = hourly(0, 10), hourly(30, 40)
    readings, happened = telemetry(*stops, *resumes), failures(("m1", 10, 10))
    samples = cut_offs(9, 10, 11, 29, 30, 31, 34, 35)
    expected = ["observed", *["failed"] * 3, *["observed"] * 4]
    assert states(samples, readings, happened) == expected
    assert states(samples, readings, happened, down=24) == ["observed", *["failed"] * 6, "observed"]


def test_a_failure_counts_once_it_is_known() -> None:
    """Before it is booked nobody can know of it; the booking counts from its known time on."""
    readings, happened = telemetry(*hourly(0, 12)), failures(("m1", 12, 14))
    assert states(cut_offs(13, 14), readings, happened) == ["observed", "failed"]


def test_a_corrected_failure_is_forgotten_from_the_correction_on() -> None:
    """A row of an id known later moves the failure, for cut-offs from then on only."""
    readings = telemetry(*hourly(0, 10))
    moved = failures(("m1", 10, 10), ("m1", 2, 12), ids=["f", "f"])
    assert states(cut_offs(11, 12), readings, moved) == ["failed", "observed"]


def test_a_breakdown_booked_again_is_not_a_failure_of_its_own() -> None:
    """The mechanic's and the next shift's booking of one breakdown do not stop a machine that runs again."""
    readings = telemetry(*hourly(0, 20))
    booked = failures(("m1", 5, 5), ("m1", 6, 6), ("m1", 13, 13))
    assert states(cut_offs(5, 6, 13), readings, booked, breakdown=8) == ["failed", "observed", "observed"]
    assert states(cut_offs(5, 6, 13), readings, booked, breakdown=7) == ["failed", "observed", "failed"]


def test_a_retired_asset_comes_back_by_its_next_record() -> None:
    """The latest record known by the cut-off counts, once it has happened."""
    readings = telemetry(*hourly(0, 40))
    recorded = records(("m1", 0, 0), ("m1", 10, 12), ("m1", 20, 15), status=[None, "retired", "in service"])
    assert states(cut_offs(11, 12, 19, 20), readings, assets=recorded) == ["observed", "retired", "retired", "observed"]


@pytest.mark.parametrize("last", ["first", "second"])
def test_of_rows_known_at_one_time_the_one_stored_last_counts(last: str) -> None:
    """Whatever their values: a failure moved back, a record that retires or no longer does; none stored is first."""
    readings, versions = telemetry(*hourly(0, 10)), [None, 3] if last == "second" else [4, 3]
    moved = failures(("m1", 10, 10), ("m1", 2, 10), ids=["f", "f"]).assign(stored_version=versions)
    assert states(cut_offs(10), readings, moved) == ["failed" if last == "first" else "observed"]
    gone = records(("m1", 5, 5), ("m1", 5, 5), status=["retired", None]).assign(stored_version=versions)
    assert states(cut_offs(9), readings, assets=gone) == ["retired" if last == "first" else "observed"]


@pytest.mark.parametrize(("failed", "retired", "expected"), [(9, True, "retired"), (9, False, "failed")])
def test_retired_comes_before_failed_and_failed_before_silent(failed: int, retired: bool, expected: str) -> None:
    """An asset without telemetry that failed is failed; one that was retired is retired whatever else it is."""
    gone = records(("m1", 5, 5), status=["retired" if retired else "running"])
    assert states(cut_offs(99), telemetry(("m1", 1, 1)), failures(("m1", failed, failed)), gone) == [expected]


def test_the_window_is_the_longest_that_ends() -> None:
    """A window since the first reading would never let an asset fall silent, so it counts only by itself."""
    assert observation_window([3 * HOUR, SINCE_START, 24 * HOUR]) == 24 * HOUR
    assert observation_window([SINCE_START]) == LONGEST_SILENCE


def test_one_asset_by_its_last_times_is_the_same_rule() -> None:
    """A caller that knows the last reading and failure gets the same states."""
    assert state_at(at(9), last_reading=None, last_failure=None, retired=False, window=HOUR) == ObservationState.SILENT
    known = {"last_reading": at(9), "last_failure": at(4), "window": 6 * HOUR}
    assert state_at(at(10), retired=False, **known) == ObservationState.OBSERVED
    assert state_at(at(10), retired=False, down_after_failure=6 * HOUR, **known) == ObservationState.FAILED
    assert state_at(at(10), retired=True, **known) == ObservationState.RETIRED


def test_nothing_known_is_silence() -> None:
    """Without telemetry, or without cut-offs, there is still an answer of the right length."""
    assert states(cut_offs(1, 2), telemetry()) == ["silent", "silent"]
    assert states(cut_offs(), telemetry(("m1", 1, 1))) == []


hours = st.integers(0, 24)
events = st.lists(st.tuples(st.sampled_from(["m1", "m2"]), hours, st.integers(0, 8)), max_size=8)


@st.composite
def histories(draw: st.DrawFn) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Draw telemetry, failures (some corrected) and records (some that retire), with any delays."""
    readings, happened, told = (
        [(asset, hour, hour + delay - 2) for asset, hour, delay in draw(events)] for _ in range(3)
    )
    ids = draw(st.lists(st.sampled_from("abc"), min_size=len(happened), max_size=len(happened)))
    status = draw(st.lists(st.sampled_from([None, "retired"]), min_size=len(told), max_size=len(told)))
    values = draw(st.lists(st.sampled_from([1.0, float("nan")]), min_size=len(readings), max_size=len(readings)))
    return telemetry(*readings, values=values), failures(*happened, ids=ids), records(*told, status=status)


drawn = st.lists(st.tuples(st.sampled_from(["m1", "m2", "m3"]), st.integers(-2, 34)), max_size=8)
settings_of_the_rule = st.fixed_dictionaries(
    {"window": st.integers(1, 8), "down": st.integers(0, 6), "breakdown": st.integers(0, 6)}
)


def samples_of(times: list[tuple[str, int]]) -> pd.DataFrame:
    return pd.concat([cut_offs(), *(cut_offs(hour, asset=asset) for asset, hour in times)], ignore_index=True)


def by_definition(
    samples: pd.DataFrame,
    readings: pd.DataFrame,
    happened: pd.DataFrame,
    told: pd.DataFrame,
    rule: dict[str, int],
) -> list[str]:
    """Go through the words of the rule for one cut-off at a time."""
    window, down, breakdown = (rule[name] * HOUR for name in ("window", "down", "breakdown"))
    result = []
    for asset, as_of in samples.itertuples(index=False):
        seen, failed, record = (
            frame[(frame["asset"] == asset) & (frame["known_time"] <= as_of)] for frame in (readings, happened, told)
        )
        seen = seen[(seen["event_time"] <= as_of) & seen["load"].notna()]
        current = failed.sort_values(["known_time", "event_time"]).drop_duplicates("failure_id", keep="last")
        firsts = first_bookings(current, breakdown)
        firsts = firsts.loc[firsts["event_time"] <= as_of, "event_time"]
        record = record[record["event_time"] <= as_of].sort_values(["event_time", "known_time", "status"])
        back = not len(firsts) or (as_of > firsts.max() + down and (seen["event_time"] > firsts.max() + down).any())
        if len(record) and record["status"].iloc[-1] == "retired":
            result.append("retired")
        elif not back:
            result.append("failed")
        else:
            result.append("observed" if (seen["event_time"] > as_of - window).any() else "silent")
    return result


@LAW
@given(histories(), drawn, settings_of_the_rule)
def test_the_states_are_those_of_the_rule_s_own_words(
    history: tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame], times: list[tuple[str, int]], rule: dict[str, int]
) -> None:
    """Vectorised over all cut-offs, the rule is what its words say of each."""
    samples = samples_of(times)
    assert states(samples, *history, **rule) == by_definition(samples, *history, rule)


@LAW
@given(histories(), drawn, settings_of_the_rule, st.randoms(use_true_random=False))
def test_neither_the_order_of_rows_nor_what_is_known_later_matters(
    history: tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame],
    times: list[tuple[str, int]],
    rule: dict[str, int],
    random: "np.random.RandomState",
) -> None:
    """Deleting all rows known after a cut-off changes no state at it, nor does mixing the rows."""
    samples = samples_of(times)
    together = states(samples, *history, **rule)
    mixed = [frame.sample(frac=1, random_state=random.randint(0, 999)) for frame in history]
    assert states(samples, *mixed, **rule) == together
    for number, row in enumerate(samples.index):
        one = samples.loc[[row]]
        known = [frame[frame["known_time"] <= one["as_of"].iloc[0]] for frame in history]
        assert states(one, *known, **rule) == [together[number]]


@LAW
@given(st.lists(hours, max_size=12), st.integers(0, 8))
def test_bookings_belong_to_the_first_of_their_breakdown_and_never_chain(times: list[int], within: int) -> None:
    """A booking opens a breakdown unless one opened at most the span before it."""
    kept = first_bookings(failures(*[("m1", hour, hour) for hour in times]), within * HOUR)
    opened: list[int] = []
    for hour in sorted(times):
        if not opened or hour - opened[-1] > within:
            opened.append(hour)
    assert list(kept["event_time"]) == [at(hour) for hour in opened]


def test_the_span_of_a_breakdown_is_the_down_time_or_a_day_at_most() -> None:
    """What an experiment states counts; otherwise no longer than an alert claims, and a day at most."""
    assert breakdown_span(30 * HOUR, 2 * HOUR) == 30 * HOUR
    assert breakdown_span(0 * HOUR, 12 * HOUR) == 12 * HOUR
    assert breakdown_span(0 * HOUR, 72 * HOUR) == 24 * HOUR
    assert breakdown_span(0 * HOUR, None) == 24 * HOUR
