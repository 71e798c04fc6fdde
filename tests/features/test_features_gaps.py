"""Gaps: samples are due at regular times, filled by a declared rule, and withheld with a reason if too few arrived."""

import sys
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_contracts.contract.contract import empty_table
from data_contracts.errors import UsageError
from data_contracts.tables.history import FRAMES, History
from data_contracts.tables.telemetry import reconcile
from features import SINCE_START, Gaps, Recipe, coverage, cut_offs, extract, fill_gaps, fit_recipe, stream
from features.calculators.calculate import calculate

pytestmark = pytest.mark.slow

FEATURES = ["mean", "median", "length", 'linear_trend__attr_"slope"', "quantile__q_0.3"]
HOUR, NONE = pd.Timedelta("1h"), pd.Timedelta(0)
WINDOWS = (pd.Timedelta("6h"), pd.Timedelta("20h"), SINCE_START)
SEEDS = st.integers(0, 2**32 - 1)
RULES = st.builds(
    lambda interval, fill, most: Gaps(pd.Timedelta(interval), fill * pd.Timedelta(interval), most),
    st.sampled_from(["30min", "1h", "2h"]),
    st.sampled_from([0, 1, 1.5, 3, 40]),
    st.sampled_from([0.0, 0.25, 0.5, 0.8, 1.0]),
)
HistoryOf = Callable[..., History]


@pytest.fixture(scope="module")
def recipe(history_of: HistoryOf) -> Recipe:
    return fit_recipe(
        history_of(0),
        windows=WINDOWS,
        feature_set=FEATURES,
        events=False,
        ages=False,
        regimes=2,
        operating=["speed"],
        regime_channels="join",
    )


def some_cut_offs(history: History, seed: int, n: int = 7) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    at = history.telemetry["event_time"].min() + pd.to_timedelta(rng.integers(-4 * 60, 60 * 60, n), unit="min")
    return pd.DataFrame({"asset": rng.choice(["m0", "m1", "m2", "unheard of"], n), "as_of": at.floor("15min")})


def same_bits(left: pd.DataFrame, right: pd.DataFrame) -> bool:
    return list(left.columns) == list(right.columns) and left.to_numpy().tobytes() == right.to_numpy().tobytes()


def hourly(values: "list[float] | np.ndarray", asset: str = "m") -> History:
    """Make a history of one channel with a reading every hour, the last one at 2024-01-03T00:00Z."""
    times = pd.date_range(end="2024-01-03T00:00Z", periods=len(values), freq="h", unit="us")
    rows = {"asset": asset, "event_time": times, "known_time": times, "source": "physical", "volt": values}
    others = [empty_table(name) for name in ("assets", "failures", "work_orders", "events")]
    return History("cnc", ("volt",), pd.DataFrame(rows), *others)


def at_the_end(history: History, recipe: Recipe) -> "tuple[pd.Series[float], pd.Series]":
    last = cut_offs(history, at="last")
    return extract(history, last, recipe).iloc[0], coverage(history, last, recipe).iloc[0]


def volt_recipe(gaps: Gaps | None, *windows: str) -> Recipe:
    chosen = [pd.Timedelta(window) for window in windows]
    return fit_recipe(hourly([1.0]), windows=chosen, feature_set=FEATURES, events=False, ages=False, gaps=gaps)


def naive_samples(channel: "pd.Series[float]", as_of: pd.Timestamp, due: int, gaps: Gaps) -> tuple[list[float], float]:
    """Look at slot after slot: the last value in it, or the last before it that is not too old."""
    samples, missing = [], 0
    for back in reversed(range(due)):
        end = as_of - back * gaps.interval
        before = channel[channel.index <= end]
        if len(before) and before.index[-1] > end - gaps.interval:
            samples.append(before.iloc[-1])
            continue
        missing += 1
        if len(before) and end - before.index[-1] <= gaps.fill_for:
            samples.append(before.iloc[-1])
    return samples, missing / due if due else 1.0


def naive_due(times: pd.DatetimeIndex, as_of: pd.Timestamp, window: pd.Timedelta, gaps: Gaps) -> int:
    if window != SINCE_START:
        return int(window / gaps.interval)
    due = 0
    while len(times) and times[0] <= as_of - due * gaps.interval:
        due += 1
    return due


@settings(max_examples=10, deadline=None)
@given(seed=SEEDS, rows=st.integers(0, 300), gaps=RULES)
def test_samples_match_a_naive_implementation(
    seed: int,
    rows: int,
    gaps: Gaps,
    history_of: HistoryOf,
    recipe: Recipe,
    machine_begin: Callable[..., pd.Timestamp],
) -> None:
    """Slot by slot, from the rows known at the cut-off alone; shares, reasons and features follow from that."""
    history, ruled = history_of(seed, rows=rows), replace(recipe, gaps=gaps)
    moments = some_cut_offs(history_of(seed), seed)
    features, report = extract(history, moments, ruled), coverage(history, moments, ruled)
    assert recipe.regimes is not None
    for number, (asset, as_of) in enumerate(zip(moments["asset"], moments["as_of"], strict=True)):
        rows_known = history.telemetry[
            (history.telemetry["asset"] == asset) & (history.telemetry["known_time"] <= as_of)
        ]
        frame = reconcile(rows_known, history.channels)
        begin = machine_begin(history, asset, as_of)
        frame = frame[frame["event_time"].between(begin, as_of)].set_index("event_time")
        columns = {name: frame[name].to_numpy() for name in history.channels}
        columns |= recipe.regimes.normalise(columns, ["power", "heat"])
        withheld = []
        for window in WINDOWS:
            due = naive_due(frame.index, as_of, window, gaps)
            for channel in recipe.channels:
                series = pd.Series(columns[channel], index=frame.index).dropna()
                samples, missing = naive_samples(series, as_of, due, gaps)
                kind = recipe.kind(channel, window)
                assert report.iloc[number][kind] == missing
                if missing > gaps.most_missing:
                    samples = []
                    withheld.append(kind)
                expected = calculate(np.array([samples]), FEATURES)[0]
                names = [f"{kind}__{feature}" for feature in FEATURES]
                assert features.iloc[number][names].to_numpy().tobytes() == expected.tobytes()
        reason = report.iloc[number]["reason"]
        assert pd.notna(reason) == bool(withheld)
        assert not withheld or all(kind in reason for kind in withheld)


@settings(max_examples=10, deadline=None)
@given(seed=SEEDS, gaps=RULES)
def test_nothing_known_later_changes_a_bit(seed: int, gaps: Gaps, history_of: HistoryOf, recipe: Recipe) -> None:
    """Deleting, changing or adding telemetry known after the cut-off changes neither features nor shares."""
    history, ruled, rng = history_of(seed), replace(recipe, gaps=gaps), np.random.default_rng(seed)
    for _, row in some_cut_offs(history, seed, 4).iterrows():
        one, rows = pd.DataFrame([row]), history.telemetry
        later = rows["known_time"] > row["as_of"]
        moved = rows[later].assign(power=rng.normal(size=int(later.sum())), heat=np.nan)
        added = rows.assign(known_time=row["as_of"] + HOUR, speed=1.0)
        for changed in (rows[~later], pd.concat([rows[~later], moved, added], ignore_index=True)):
            other = replace(history, telemetry=changed)
            assert same_bits(extract(other, one, ruled), extract(history, one, ruled))
            pd.testing.assert_frame_equal(coverage(other, one, ruled), coverage(history, one, ruled), check_exact=True)


@settings(max_examples=10, deadline=None)
@given(seed=SEEDS, gaps=RULES)
def test_batch_equals_online(seed: int, gaps: Gaps, history_of: HistoryOf, recipe: Recipe) -> None:
    """One cut-off alone, with its asset's rows known by then, in any order, has the bits it has in the batch."""
    history, ruled = history_of(seed), replace(recipe, gaps=gaps)
    moments = some_cut_offs(history, seed)
    batch, report = extract(history, moments, ruled), coverage(history, moments, ruled)
    for number in range(0, len(moments), 3):
        one = moments.iloc[[number]]
        known = history.as_of(one["as_of"].iloc[0])
        own = {name: (f := getattr(known, name))[f["asset"] == one["asset"].iloc[0]] for name in FRAMES}
        alone = replace(known, **own | {"telemetry": own["telemetry"].sample(frac=1, random_state=seed % 997)})
        assert same_bits(extract(alone, one, ruled), batch.iloc[[number]])
        pd.testing.assert_frame_equal(coverage(alone, one, ruled), report.iloc[[number]], check_exact=True)


@settings(max_examples=10, deadline=None)
@given(seed=SEEDS, gaps=RULES)
def test_the_look_back_is_enough(seed: int, gaps: Gaps, history_of: HistoryOf, recipe: Recipe) -> None:
    """Telemetry from the recipe's look-back on, including what may fill a gap, gives the bits of all of it."""
    history, ruled = history_of(seed), replace(recipe, windows=WINDOWS[:2], gaps=gaps)
    assert ruled.lookback == WINDOWS[1] + gaps.fill_for
    for _, row in some_cut_offs(history, seed, 4).iterrows():
        one, rows = pd.DataFrame([row]), history.telemetry
        recent = replace(history, telemetry=rows[rows["event_time"] > row["as_of"] - ruled.lookback])
        assert same_bits(extract(recent, one, ruled), extract(history, one, ruled))


@settings(max_examples=10, deadline=None)
@given(seed=SEEDS, fill=st.integers(0, 5), most=st.sampled_from([0.0, 0.4, 1.0]))
def test_without_gaps_the_rule_changes_nothing(seed: int, fill: int, most: float) -> None:
    """Where every sample arrived when due, features have the same bits as without the rule."""
    history = hourly(np.random.default_rng(seed).normal(size=60))
    plain = volt_recipe(None, "6h", "24h", "876600h")
    ruled = replace(plain, gaps=Gaps(HOUR, fill * HOUR, most))
    assert plain.windows[2] == SINCE_START
    moments = cut_offs(history, at="rows").iloc[24:]
    assert same_bits(extract(history, moments, ruled), extract(history, moments, plain))
    report = coverage(history, moments, ruled)
    assert report["reason"].isna().all()
    assert (report.drop(columns="reason") == 0.0).all(axis=None)


def test_how_memory_is_cut_up_changes_nothing(
    history_of: HistoryOf, recipe: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A slab of a few windows gives the bits of all windows at once."""
    history, ruled = history_of(5), replace(recipe, gaps=Gaps(HOUR, 2 * HOUR, 0.9))
    moments = some_cut_offs(history, 5, 60)
    whole = extract(history, moments, ruled), coverage(history, moments, ruled)
    monkeypatch.setattr(sys.modules["features.extraction.job"], "_SLAB_VALUES", 700)
    assert same_bits(extract(history, moments, ruled), whole[0])
    pd.testing.assert_frame_equal(coverage(history, moments, ruled), whole[1], check_exact=True)


def test_a_stream_follows_the_rule(history_of: HistoryOf, recipe: Recipe) -> None:
    """Streamed as batches, the features have the bits they have in a frame."""
    history, ruled = history_of(6), replace(recipe, gaps=Gaps(HOUR, 2 * HOUR, 0.7))
    moments = some_cut_offs(history, 6, 40)
    streamed = stream(history, moments, ruled).read_all().to_pandas()
    assert same_bits(streamed[list(ruled.output)], extract(history, moments, ruled))


def test_a_missing_sample_takes_the_last_known_value() -> None:
    """A gap takes the value before it while that is young enough, also from before the window; then nothing."""
    values = [7.0, np.nan, np.nan, np.nan, 1.0, 2.0]
    features, report = at_the_end(hourly(values), volt_recipe(Gaps(HOUR, 2 * HOUR, 1.0), "5h"))
    assert (features["volt__length"], features["volt__mean"]) == (4.0, (7.0 + 7.0 + 1.0 + 2.0) / 4)
    assert report["volt"] == 3 / 5
    unfilled, _ = at_the_end(hourly(values), volt_recipe(Gaps(HOUR, NONE, 1.0), "5h"))
    assert (unfilled["volt__length"], unfilled["volt__mean"]) == (2.0, 1.5)


def test_a_slot_has_one_sample() -> None:
    """Of several readings in a slot the last is its sample."""
    features, report = at_the_end(hourly([1.0, 2.0, 3.0, 4.0, 5.0, 6.0]), volt_recipe(Gaps(2 * HOUR, NONE, 0.0), "6h"))
    assert (features["volt__length"], features["volt__mean"], report["volt"]) == (3.0, 4.0, 0.0)


def test_windows_with_too_much_missing_are_withheld() -> None:
    """Above the share every feature is NaN, the length too, and the reason says by how much; at the share it is not."""
    values = [1.0, np.nan, 3.0, np.nan, 5.0, np.nan, 7.0, 8.0, 9.0, 10.0]
    recipe = volt_recipe(Gaps(HOUR, 5 * HOUR, 0.3), "10h", "4h")
    features, report = at_the_end(hourly(values), recipe)
    assert (report["volt@10h"], report["volt@4h"]) == (0.3, 0.0)
    assert pd.isna(report["reason"])
    assert features.notna().all()
    features, report = at_the_end(hourly(values), replace(recipe, gaps=Gaps(HOUR, 5 * HOUR, 0.2)))
    assert report["reason"] == "volt@10h: 30 % of its samples are missing, at most 20 % are allowed"
    assert features.filter(like="@10h").isna().all()
    assert features.filter(like="@4h").notna().all()


def test_reasons_distinguish_shares_and_group_channels() -> None:
    """Shares are written with as many digits as differ; channels with the same share are listed together."""
    missing = pd.DataFrame({"a": [0.3004, 0.1], "b": [0.3004, np.nan], "c": [1.0, 0.3]})
    reasons = Gaps(HOUR, NONE, 0.3).reasons(missing)
    assert reasons[0] == (
        "a, b: 30.04 % of their samples are missing, at most 30.00 % are allowed; "
        "c: 100 % of its samples are missing, at most 30 % are allowed"
    )
    assert pd.isna(reasons[1])


def test_an_asset_without_a_reading_misses_everything(history_of: HistoryOf, recipe: Recipe) -> None:
    """An unknown asset misses all of every window, including the one since the start."""
    as_of = pd.to_datetime(["2024-01-02T00:00Z"]).as_unit("us")
    moments = pd.DataFrame({"asset": ["unheard of"], "as_of": as_of})
    ruled = replace(recipe, gaps=Gaps(HOUR, 3 * HOUR, 0.9))
    report = coverage(history_of(1), moments, ruled)
    assert (report.drop(columns="reason") == 1.0).all(axis=None)
    assert "100 % of their samples are missing" in report["reason"].iloc[0]
    assert extract(history_of(1), moments, ruled).isna().all(axis=None)


def test_long_silence_costs_neither_time_nor_memory() -> None:
    """Silence is skipped in one step: two readings in a window of ten million million due samples."""
    history = hourly([1.0, 3.0])
    recipe = volt_recipe(Gaps(pd.Timedelta("1us"), pd.Timedelta("2us"), 1.0), "240000h", "876600h")
    features, report = at_the_end(history, recipe)
    assert features["volt@240000h__length"] == 1 + 3
    assert features["volt@start__length"] == 1 + 3
    assert report["volt@start"] == 1 - 2 / 3_600_000_001


def test_coverage_covers_what_the_recipe_uses(history_of: HistoryOf, recipe: Recipe) -> None:
    """A reduced recipe reports its own channels and windows; without a rule it is an error, without cut-offs empty."""
    ruled = replace(recipe, gaps=Gaps(HOUR, NONE, 0.5)).reduce(["heat~regime@20h__mean", "power@6h__median"])
    moments = some_cut_offs(history_of(2), 2)
    assert list(coverage(history_of(2), moments, ruled).columns) == ["power@6h", "heat~regime@20h", "reason"]
    assert coverage(history_of(2), moments.iloc[:0], ruled).shape == (0, 3)
    bare = fit_recipe(history_of(2), windows=WINDOWS, feature_set=[], events=False, gaps=Gaps(HOUR, NONE, 0.5))
    assert list(coverage(history_of(2), moments, bare).columns) == ["reason"]
    with pytest.raises(UsageError, match="without a rule for gaps"):
        coverage(history_of(2), moments, recipe)


def test_a_recipe_keeps_its_rule(recipe: Recipe) -> None:
    """The rule survives JSON and decides the digest; a recipe without one has the JSON it had before there was one."""
    ruled = replace(recipe, gaps=Gaps(HOUR, 3 * HOUR, 0.3))
    read = Recipe.from_json(ruled.to_json())
    assert (read, hash(read), read.digest) == (ruled, hash(ruled), ruled.digest)
    assert '"gaps":{"fill_for":"3h","interval":"1h","most_missing":0.3}' in ruled.to_json()
    assert ruled.digest != recipe.digest
    assert "gaps" not in recipe.to_json()
    assert ruled.reduce(ruled.output[:3]).gaps == ruled.gaps


@pytest.mark.parametrize(
    ("interval", "fill_for", "most_missing", "message"),
    [
        ("0h", "0h", 0.3, "interval of 0h"),
        ("-1h", "0h", 0.3, "interval of -1h"),
        ("NaT", "0h", 0.3, "interval of no time"),
        ("876600h", "0h", 0.3, "interval of start"),
        ("1h", "-1h", 0.3, "fill_for of -1h"),
        ("1h", "30min", 0.3, "at least the interval of 1h"),
        ("1h", "876600h", 0.3, "fill_for of start"),
        ("1h", "NaT", 0.3, "fill_for of no time"),
        ("1h", "3h", 1.1, r"most_missing of 1.1. Expected a share from 0 to 1"),
        ("1h", "3h", -0.1, "most_missing of -0.1"),
        ("1h", "3h", float("nan"), "most_missing of nan"),
        ("1500ns", "3h", 0.1, "whole number of microseconds"),
    ],
)
def test_invalid_rules_are_refused(interval: str, fill_for: str, most_missing: float, message: str) -> None:
    """A rule with a value out of range is an error that names the valid range."""
    with pytest.raises(UsageError, match=message):
        Gaps(pd.Timedelta(interval), pd.Timedelta(fill_for), most_missing)


def test_windows_are_whole_intervals(recipe: Recipe) -> None:
    """A window that is no whole number of intervals is refused; the one since the start is not."""
    with pytest.raises(UsageError, match="A window of 6h with samples due every 4h"):
        replace(recipe, gaps=Gaps(4 * HOUR, NONE, 0.3))
    replace(recipe, windows=WINDOWS[2:], gaps=Gaps(7 * HOUR, NONE, 0.3))


@settings(max_examples=30, deadline=None)
@given(
    seed=SEEDS,
    shape=st.tuples(st.integers(0, 4), st.integers(0, 3), st.integers(0, 12)),
    fill=st.integers(0, 14),
    most=st.sampled_from([0.0, 0.25, 0.5, 1.0]),
)
def test_arrays_are_filled_as_pandas_fills(seed: int, shape: tuple[int, int, int], fill: int, most: float) -> None:
    """Each series of an array is filled forward by at most so many samples, or withheld as a whole; input stays."""
    rng = np.random.default_rng(seed)
    values = np.where(rng.random(shape) < rng.random(), np.nan, rng.normal(size=shape))
    before = values.copy()
    result = fill_gaps(values[:, ::-1], fill_for=fill, most_missing=most)
    assert values.tobytes() == before.tobytes()
    for window, channel in np.ndindex(shape[:2]):
        series = pd.Series(values[:, ::-1][window, channel])
        missing = series.isna().mean() if len(series) else 1.0
        expected = series.ffill(limit=fill) if fill else series
        assert result.missing[window, channel] == missing
        assert result.withheld[window, channel] == (missing > most)
        expected = series * np.nan if missing > most else expected
        assert np.array_equal(result.readings[window, channel], expected.to_numpy(), equal_nan=True)


def test_arrays_and_telemetry_are_filled_alike() -> None:
    """Windows of an array, and the same readings as telemetry without what came before, give the same samples."""
    rng = np.random.default_rng(4)
    for _ in range(20):
        values = np.where(rng.random(24) < 0.5, np.nan, rng.normal(size=24))
        filled = fill_gaps(values[None, None], fill_for=3, most_missing=0.5)
        features, report = at_the_end(hourly(values), volt_recipe(Gaps(HOUR, 3 * HOUR, 0.5), "24h"))
        samples = filled.readings[0, 0]
        assert report["volt"] == filled.missing[0, 0]
        assert pd.notna(report["reason"]) == filled.withheld[0, 0]
        expected = calculate(samples[None, ~np.isnan(samples)], FEATURES)[0]
        assert features.to_numpy().tobytes() == expected.tobytes()


@pytest.mark.parametrize(
    ("shape", "fill_for", "most_missing", "message"),
    [
        ((3, 4), 1, 0.5, r"shape \(3, 4\)"),
        ((1, 1, 3), -1, 0.5, "fill_for of -1 samples"),
        ((1, 1, 3), 1.5, 0.5, "fill_for of 1.5 samples"),
        ((1, 1, 3), 1, 2.0, "most_missing of 2"),
        ((1, 1, 3), 1, float("nan"), "most_missing of nan"),
    ],
)
def test_invalid_arrays_and_limits_are_refused(
    shape: tuple[int, ...], fill_for: float, most_missing: float, message: str
) -> None:
    """An array of another shape and limits out of range are errors that name what was expected."""
    with pytest.raises(UsageError, match=message):
        fill_gaps(np.zeros(shape), fill_for=fill_for, most_missing=most_missing)  # type: ignore[arg-type]
