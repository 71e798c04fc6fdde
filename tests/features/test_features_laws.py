"""The design's laws: no look-ahead, order does not matter, batch equals online; and a naive implementation."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_contracts.tables.history import History
from data_contracts.tables.telemetry import reconcile
from features import SINCE_START, Recipe, cut_offs, extract, fit_recipe
from features.calculators.calculate import calculate
from features.extraction.extract import extract_rows
from features.telemetry.point_in_time import PointInTimeQuery
from features.telemetry.reconciliation import sorted_rows
from features.telemetry.sorted_times import microseconds

pytestmark = pytest.mark.slow

FEATURES = ["mean", "median", "length", "standard_deviation", 'linear_trend__attr_"slope"', "quantile__q_0.3"]
WINDOWS = (pd.Timedelta("5h"), pd.Timedelta("20h"), SINCE_START)
SEEDS = st.integers(0, 2**32 - 1)
FRAMES = ("telemetry", "assets", "failures", "work_orders", "events")

HistoryOf = Callable[..., History]
BeginOf = Callable[[History, str, pd.Timestamp], pd.Timestamp]


@pytest.fixture(scope="module")
def recipe(history_of: HistoryOf) -> Recipe:
    return fit_recipe(
        history_of(0),
        windows=WINDOWS,
        feature_set=FEATURES,
        event_spans=[pd.Timedelta("6h"), pd.Timedelta("24h")],
        regimes=2,
        operating=["speed"],
        regime_channels="join",
    )


def some_cut_offs(history: History, seed: int, n: int = 12) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    start = history.telemetry["event_time"].min()
    at = start + pd.to_timedelta(rng.integers(-4, 60, n), unit="h")
    return pd.DataFrame({"asset": rng.choice(["m0", "m1", "m2", "unheard of"], n), "as_of": at})


def same_bits(left: pd.DataFrame, right: pd.DataFrame) -> bool:
    return list(left.columns) == list(right.columns) and left.to_numpy().tobytes() == right.to_numpy().tobytes()


def changed_after(history: History, time: pd.Timestamp, rng: np.random.Generator) -> History:
    """Delete, change and add records known after a time."""

    def change(frame: pd.DataFrame) -> pd.DataFrame:
        later = frame["known_time"] > time
        future = frame[later].sample(frac=0.5, random_state=int(rng.integers(1 << 30)))
        for column in future.columns:
            if future[column].dtype == np.float64:
                future[column] = rng.normal(size=len(future)) * 100
        extra = frame.sample(frac=0.5, replace=True, random_state=int(rng.integers(1 << 30)))
        shift = pd.to_timedelta(rng.integers(1, 100, len(extra)), unit="min")
        extra = extra.assign(known_time=np.maximum(extra["known_time"], time) + shift)
        return pd.concat([frame[~later], future, extra], ignore_index=True)

    return replace(history, **{name: change(getattr(history, name)) for name in FRAMES})


@settings(max_examples=12, deadline=None)
@given(seed=SEEDS)
@pytest.mark.ml_test("Data 4")
def test_nothing_known_later_changes_a_feature(seed: int, history_of: HistoryOf, recipe: Recipe) -> None:
    """Deleting, changing or adding anything known after the cut-off changes no bit of any feature."""
    history, rng = history_of(seed), np.random.default_rng(seed)
    for _, row in some_cut_offs(history, seed, 4).iterrows():
        one = pd.DataFrame({"asset": [row["asset"]], "as_of": [row["as_of"]]})
        expected = extract(history, one, recipe)
        assert same_bits(extract(changed_after(history, row["as_of"], rng), one, recipe), expected)
        assert same_bits(extract(history.as_of(row["as_of"]), one, recipe), expected)


@settings(max_examples=12, deadline=None)
@given(seed=SEEDS)
def test_telemetry_that_is_sorted_already_gives_the_same_features(
    seed: int, history_of: HistoryOf, recipe: Recipe
) -> None:
    """Rows in order of asset and time give what a frame of them gives, bit for bit."""
    history = history_of(seed)
    moments = some_cut_offs(history, seed).drop_duplicates("asset", ignore_index=True)
    assets = pd.Index(moments["asset"])
    rows = sorted_rows(history.telemetry, assets, recipe.measured_channels, history.channels)
    query = PointInTimeQuery(tuple(assets), microseconds(moments["as_of"]), lambda: history)
    assert same_bits(extract_rows(rows, query, recipe), extract(history, moments, recipe))


@settings(max_examples=12, deadline=None)
@given(seed=SEEDS)
def test_order_of_rows_does_not_matter(seed: int, history_of: HistoryOf, recipe: Recipe) -> None:
    """Shuffling the rows of every table changes no bit; shuffled cut-offs give the same rows, shuffled."""
    history = history_of(seed)
    moments = some_cut_offs(history, seed)
    expected = extract(history, moments, recipe)
    shuffled = replace(
        history, **{name: getattr(history, name).sample(frac=1, random_state=seed % 997) for name in FRAMES}
    )
    order = np.random.default_rng(seed).permutation(len(moments))
    assert same_bits(extract(shuffled, moments.iloc[order], recipe), expected.iloc[order])


@settings(max_examples=12, deadline=None)
@given(seed=SEEDS)
@pytest.mark.ml_test("Data 7")
def test_batch_equals_online(seed: int, history_of: HistoryOf, recipe: Recipe) -> None:
    """One cut-off alone, with its asset's rows alone, known by then alone, has the bits it has in the batch."""
    history = history_of(seed)
    moments = some_cut_offs(history, seed)
    batch = extract(history, moments, recipe)
    for number in range(0, len(moments), 3):
        one = moments.iloc[[number]]
        asset, as_of = one["asset"].iloc[0], one["as_of"].iloc[0]
        known = history.as_of(as_of)
        alone = replace(known, **{name: (f := getattr(known, name))[f["asset"] == asset] for name in FRAMES})
        assert same_bits(extract(alone, one, recipe), batch.iloc[[number]])


@settings(max_examples=12, deadline=None)
@given(seed=SEEDS)
def test_the_last_window_is_enough(seed: int, history_of: HistoryOf, recipe: Recipe) -> None:
    """Telemetry from the recipe's look-back on gives the same bits as all of it."""
    history = history_of(seed)
    short = replace(recipe, windows=WINDOWS[:2])
    moments = some_cut_offs(history, seed, 4)
    for number in range(len(moments)):
        one = moments.iloc[[number]]
        begin = one["as_of"].iloc[0] - short.lookback
        recent = replace(history, telemetry=history.telemetry[history.telemetry["event_time"] > begin])
        assert same_bits(extract(recent, one, short), extract(history, one, short))


@settings(max_examples=10, deadline=None)
@given(seed=SEEDS)
def test_a_reduced_recipe_gives_the_same_bits(seed: int, history_of: HistoryOf, recipe: Recipe) -> None:
    """Columns computed for a reduced recipe are the full recipe's, bit for bit, in the requested order."""
    history, rng = history_of(seed), np.random.default_rng(seed)
    moments = some_cut_offs(history, seed)
    chosen = rng.choice(recipe.output, 15, replace=False).tolist()
    reduced = Recipe.from_json(recipe.reduce(chosen).to_json())
    assert same_bits(extract(history, moments, reduced), extract(history, moments, recipe)[chosen])


def naive_window(
    history: History, asset: str, as_of: pd.Timestamp, window: pd.Timedelta, begin: pd.Timestamp
) -> pd.DataFrame:
    known = history.telemetry[(history.telemetry["asset"] == asset) & (history.telemetry["known_time"] <= as_of)]
    one_a_moment = reconcile(known, history.channels)
    times = one_a_moment["event_time"]
    return one_a_moment[(times > as_of - window) & (times <= as_of) & (times >= begin)]


@settings(max_examples=12, deadline=None)
@given(seed=SEEDS, rows=st.integers(0, 300))
def test_windows_match_a_naive_implementation(
    seed: int, rows: int, history_of: HistoryOf, recipe: Recipe, machine_begin: BeginOf
) -> None:
    """Every window holds what reconciling the rows of its machine known at its cut-off gives, without nulls."""
    history = history_of(seed, rows=rows)
    moments = some_cut_offs(history_of(seed), seed)
    result = extract(history, moments, recipe)
    for number, (asset, as_of) in enumerate(zip(moments["asset"], moments["as_of"], strict=True)):
        begin = machine_begin(history, asset, as_of)
        for window in WINDOWS:
            frame = naive_window(history, asset, as_of, window, begin)
            columns = {name: frame[name].to_numpy() for name in history.channels}
            assert recipe.regimes is not None
            columns |= recipe.regimes.normalise(columns, ["power", "heat"])
            for channel in recipe.channels:
                samples = columns[channel][~np.isnan(columns[channel])]
                expected = calculate(samples[None, :], FEATURES)[0]
                names = [f"{recipe.kind(channel, window)}__{feature}" for feature in FEATURES]
                assert result.iloc[number][names].to_numpy().tobytes() == expected.tobytes()


def test_rows_all_minutes_late_stay_slices(history_of: HistoryOf) -> None:
    """Windows cut where nothing is known yet equal those of a history that ends there."""
    history = history_of(3)
    times = history.telemetry["event_time"]
    late = replace(history, telemetry=history.telemetry.assign(known_time=times + pd.Timedelta("5min")))
    recipe = fit_recipe(late, windows=[pd.Timedelta("10h")], events=False, ages=False)
    moments = cut_offs(late, at="rows")
    batch = extract(late, moments, recipe)
    for number in range(0, len(moments), 7):
        one = moments.iloc[[number]]
        assert same_bits(extract(late.as_of(one["as_of"].iloc[0]), one, recipe), batch.iloc[[number]])


def test_a_window_without_samples_has_nan_throughout(history_of: HistoryOf) -> None:
    """An unknown asset has a row with NaN features, the length included."""
    history = history_of(1)
    recipe = fit_recipe(history, windows=[pd.Timedelta("10h")], events=False, ages=False)
    as_of = pd.to_datetime(["2024-01-02T00:00Z"]).as_unit("us")
    result = extract(history, pd.DataFrame({"asset": ["unheard of"], "as_of": as_of}), recipe)
    assert result.index.tolist() == [("unheard of", as_of[0])]
    assert result.isna().all(axis=None)


def test_no_cut_offs_give_an_empty_frame(history_of: HistoryOf, recipe: Recipe) -> None:
    """No cut-offs: no rows, all columns."""
    history = history_of(1)
    none = extract(history, cut_offs(history, at="rows").head(0), recipe)
    assert none.shape == (0, len(recipe.output))
