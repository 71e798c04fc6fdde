"""Counters: features see increments, with resets and wraps, and never the level."""

import itertools
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_contracts.contract.contract import load_contract
from data_contracts.errors import UsageError
from data_contracts.tables.history import History
from data_contracts.tables.telemetry import reconcile
from features import SINCE_START, Context, FeatureSet, Gaps, Recipe, extract, fit_recipe, stream
from features.calculators.calculate import calculate
from features.extraction.extract import extract_rows
from features.telemetry.counters import Counter, counters_of
from features.telemetry.point_in_time import PointInTimeQuery
from features.telemetry.reconciliation import sorted_rows
from features.telemetry.sorted_times import microseconds

HOUR = pd.Timedelta("1h")
START = pd.Timestamp("2024-01-01T00:00Z").as_unit("us")
FEATURES = ("length", "sum_values", "maximum", "mean", 'linear_trend_timewise__attr_"slope"')
HistoryOf = Callable[..., History]


def naive_increments(values: list[float], rollover: float | None) -> list[float]:
    """Look at pair after pair."""
    rises = []
    for before, after in itertools.pairwise(values):
        wrap = None if rollover is None else after - before + rollover
        if after >= before:
            rises.append(after - before)
        elif wrap is not None and rollover is not None and before <= rollover and wrap <= rollover / 2:
            rises.append(wrap)
        else:
            rises.append(after)
    return rises


def machine(values: list[float | None], **more: object) -> History:
    """Make a machine that reads its counter every hour."""
    times = pd.date_range(START, periods=len(values), freq="h").as_unit("us")
    frame = {"asset": "m0", "event_time": times, "known_time": times, "source": "physical", "starts": values}
    telemetry = pd.DataFrame(frame | more).astype({"starts": "float64"})
    utc = "datetime64[us, UTC]"
    empty = pd.DataFrame({"asset": [], "event_time": [], "known_time": [], "model": [], "kind": []})
    empty = empty.astype({"asset": "str", "event_time": utc, "known_time": utc})
    return History("press", ("starts",), telemetry, empty, empty, empty, empty)


def _same(history: History) -> History:
    return history


def recipe(*windows: pd.Timedelta, rollover: float | None = None, gaps: Gaps | None = None) -> Recipe:
    chosen = FeatureSet(FEATURES)
    return Recipe("press", ("starts",), windows, chosen, gaps=gaps, counters=(Counter("starts", rollover),))


def at(*hours: float) -> pd.DataFrame:
    return pd.DataFrame({"asset": "m0", "as_of": pd.DatetimeIndex([START + hour * HOUR for hour in hours])})


@pytest.mark.parametrize(
    ("values", "rollover", "expected"),
    [
        ([5.0, 5.0, 9.0], None, [0, 4]),
        ([100.0, 3.0, 4.0], None, [3, 1]),  # a reset: counted from zero
        ([65_530.0, 6.0], 65_536, [12]),  # a wrap
        ([40_000.0, 6.0], 65_536, [25_542]),  # on past the rollover
        ([30_000.0, 6.0], 65_536, [6]),  # it would have counted more than half of the range: a reset
        ([70_000.0, 6.0], 65_536, [6]),  # beyond the rollover it cannot have wrapped
        ([1.0], None, []),
    ],
)
def test_a_fall_is_a_reset_or_a_wrap(values: list[float], rollover: float | None, expected: list[float]) -> None:
    """The increment is the new value after a reset, and what is missing up to the rollover besides after a wrap."""
    counter = Counter("starts", rollover)
    assert counter.increments(np.array(values))[1:].tolist() == expected
    assert naive_increments(values, rollover) == expected


def test_a_window_holds_the_increments_between_its_own_readings() -> None:
    """The first reading of a window has none, whatever came before: neither a level nor a jump is seen."""
    history = machine([65_000, 65_200, 65_500, None, 100, 130, 130])
    frame = extract(history, at(0, 2, 4, 6), recipe(3 * HOUR, rollover=65_536))
    assert frame["starts__length"].tolist() == pytest.approx([np.nan, 2, 1, 2], nan_ok=True)
    assert frame["starts__sum_values"].tolist() == pytest.approx([np.nan, 500, 136, 30], nan_ok=True)
    assert frame["starts__maximum"].tolist() == pytest.approx([np.nan, 300, 136, 30], nan_ok=True)


def test_gaps_are_filled_before_increments_are_taken() -> None:
    """A filled reading adds nothing, and the next one all that was counted meanwhile: the sum is the total rise."""
    history = machine([10, 12, None, None, 20, 21])
    ruled = recipe(6 * HOUR, gaps=Gaps(HOUR, 3 * HOUR, most_missing=0.5))
    row = extract(history, at(5), ruled).iloc[0]
    assert (row["starts__length"], row["starts__sum_values"], row["starts__maximum"]) == (5, 11, 8)


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    rollover=st.sampled_from([None, 2.0, 0.5]),
    gaps=st.sampled_from([None, Gaps(HOUR, 5 * HOUR, 1.0)]),
)
def test_batch_equals_online_equals_stream_and_a_naive_implementation(
    seed: int,
    rollover: float | None,
    gaps: Gaps | None,
    history_of: HistoryOf,
    machine_begin: Callable[..., pd.Timestamp],
) -> None:
    """Late rows, corrections, sources and nulls: the increments of what was known, the same bits on every path."""
    history, rng = history_of(seed), np.random.default_rng(seed)
    windows = (5 * HOUR, 20 * HOUR, SINCE_START)
    counters = (Counter("power", rollover), Counter("heat"))
    wanted = Recipe("cnc", history.channels, windows, FeatureSet(FEATURES), gaps=gaps, counters=counters)
    moments = pd.DataFrame(
        {"asset": rng.choice(["m0", "m1"], 6), "as_of": START + pd.to_timedelta(rng.integers(0, 60, 6), unit="h")}
    )
    batch = extract(history, moments, wanted)
    streamed = stream(history, moments, wanted).read_all().to_pandas()[list(batch.columns)]
    assert streamed.to_numpy().tobytes() == batch.to_numpy().tobytes()
    for number, (asset, as_of) in enumerate(zip(moments["asset"], moments["as_of"], strict=True)):
        one, known = moments.iloc[[number]], history.as_of(as_of)
        expected = batch.iloc[[number]].to_numpy().tobytes()
        assert extract(known, one, wanted).to_numpy().tobytes() == expected
        rows = sorted_rows(known.telemetry, pd.Index([asset]), wanted.measured_channels, history.channels)
        query = PointInTimeQuery((asset,), microseconds(one["as_of"]), partial(_same, known))
        assert extract_rows(rows, query, wanted).to_numpy().tobytes() == expected
        if gaps is not None:
            continue
        own = reconcile(known.telemetry[known.telemetry["asset"] == asset], history.channels)
        for window in windows:
            inside = (own["event_time"] > as_of - window) & (own["event_time"] <= as_of)
            inside &= own["event_time"] >= machine_begin(history, asset, as_of)
            for counter in counters:
                values = own.loc[inside, counter.channel].dropna().tolist()
                rises = np.array([naive_increments(values, counter.rollover)])
                names = [f"{wanted.kind(counter.channel, window)}__{feature}" for feature in FEATURES[:4]]
                assert batch.iloc[number][names].to_numpy().tobytes() == calculate(rises, FEATURES[:4])[0].tobytes()


@settings(max_examples=25, deadline=None)
@given(values=st.lists(st.integers(0, 1000), min_size=2, max_size=30), level=st.integers(1, 10**6))
def test_the_level_is_not_seen(values: list[int], level: int) -> None:
    """A counter that only rises has the same features wherever it began."""
    rising = np.cumsum(values).astype(np.float64)
    as_of = at(len(values) - 1)
    low = extract(machine(list(rising)), as_of, recipe(10 * HOUR))
    high = extract(machine(list(rising + level)), as_of, recipe(10 * HOUR))
    assert low.to_numpy().tobytes() == high.to_numpy().tobytes()


def test_channels_that_do_not_count_are_as_before(history_of: HistoryOf) -> None:
    """Declaring one channel a counter changes no bit of the others."""
    history = history_of(5)
    moments = pd.DataFrame({"asset": "m0", "as_of": pd.DatetimeIndex([START + 30 * HOUR])})
    plain = Recipe("cnc", history.channels, (20 * HOUR,), FeatureSet(FEATURES))
    counted = extract(history, moments, replace(plain, counters=(Counter("power"),)))
    before = extract(history, moments, plain)
    others = [name for name in before.columns if not name.startswith("power")]
    assert counted[others].to_numpy().tobytes() == before[others].to_numpy().tobytes()
    assert not counted.equals(before)


def test_a_recipe_without_counters_has_the_digest_it_had() -> None:
    """The field is stored only where there are counters, and read back; a reduced recipe keeps those it needs."""
    plain = Recipe("cnc", ("speed", "power"), (HOUR,), FeatureSet(("mean",)), Context())
    assert plain.digest == "0966d2f7260dc7b4"
    counting = replace(plain, counters=(Counter("power", 100.0), Counter("speed")))
    assert Recipe.from_json(counting.to_json()) == counting
    assert counting.digest != plain.digest
    assert counting.reduce(["power__mean"]).counters == (Counter("power", 100.0),)


def test_counters_come_from_the_contract_and_are_not_normalised(history_of: HistoryOf) -> None:
    """What the contract declares counts; the level of a counter is no regime's, and defines none."""
    contract = load_contract("telemetry_azure_machine")
    columns = tuple(
        replace(column, name="power", counter=True, rollover=64.0) if column.name == "volt" else column
        for column in contract.columns
    )
    counters = counters_of(replace(contract, columns=columns), history_of(0).channels)
    assert counters == (Counter("power", 64.0),)
    assert counters_of(None, ["power"]) == ()
    fitted = fit_recipe(history_of(0), windows=[HOUR], regimes=2, operating=["speed"], counters=counters)
    assert (fitted.channels, fitted.counters) == (("speed", "power", "heat~regime"), counters)
    assert fit_recipe(history_of(0), windows=[HOUR], channels=["heat"], counters=counters).counters == ()
    with pytest.raises(UsageError, match="counter power as an operating channel"):
        fit_recipe(history_of(0), windows=[HOUR], regimes=2, operating=["power"], counters=counters)
    with pytest.raises(UsageError, match="normalised by regime"):
        replace(fitted, channels=("power~regime",))
    with pytest.raises(UsageError, match="rollover"):
        Counter("power", 0.0)
