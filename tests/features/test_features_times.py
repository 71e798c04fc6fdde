"""Features of time stamps: tsfresh's values where times are known, no column where they are not."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from data_contracts.errors import UsageError
from data_contracts.tables.history import History
from features import (
    FeatureSet,
    Gaps,
    Recipe,
    cut_offs,
    extract,
    extract_windows,
    parse_feature_set,
    stream,
    stream_windows,
)
from features.telemetry.known_telemetry import KnownTelemetry

ATTRIBUTES = ("pvalue", "rvalue", "intercept", "slope", "stderr")
LINES = [f'linear_trend_timewise__attr_"{attribute}"' for attribute in ATTRIBUTES]
SETTINGS: dict[str, Any] = {
    "mean": None,
    "linear_trend_timewise": [{"attr": attribute} for attribute in ATTRIBUTES],
    "maximum": None,
}
START = pd.Timestamp("2024-03-01T06:00")
CHANNELS = ["volt", "heat"]


def some_values(n: int = 3, samples: int = 40) -> np.ndarray:
    return np.random.default_rng(samples).normal(size=(n, len(CHANNELS), samples)).cumsum(axis=2)


def some_times(n: int, samples: int, regular: bool) -> np.ndarray:
    rng = np.random.default_rng(n)
    steps = np.full((n, samples), 600_000_000) if regular else rng.integers(1, 5_000_000_000, size=(n, samples))
    return START.to_datetime64().astype("datetime64[us]") + steps.cumsum(axis=1).astype("timedelta64[us]")


def by_tsfresh(values: np.ndarray, times: np.ndarray, settings: Any) -> pd.DataFrame:
    """Extract with tsfresh from a frame that is indexed by time, as this calculator requires."""
    from tsfresh import extract_features

    n, _, samples = values.shape
    frame = pd.DataFrame({name: values[:, number].ravel() for number, name in enumerate(CHANNELS)})
    frame.index = pd.DatetimeIndex(np.broadcast_to(times, (n, samples)).ravel())
    frame["id"] = np.repeat(np.arange(n), samples)
    return extract_features(frame, column_id="id", default_fc_parameters=settings, n_jobs=0, disable_progressbar=True)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("regular", [True, False])
@pytest.mark.parametrize("samples", [2, 3, 40])
def test_windows_with_times_have_the_values_of_tsfresh(samples: int, regular: bool) -> None:
    """A settings object keeps its columns in tsfresh's order, with tsfresh's values, at regular times and at others."""
    values, times = some_values(3, samples), some_times(3, samples, regular)
    expected = by_tsfresh(values, times, SETTINGS)
    frame = extract_windows(values, CHANNELS, SETTINGS, times=times)
    assert list(frame.columns) == list(expected.columns)
    np.testing.assert_allclose(frame, expected.to_numpy(np.float64), rtol=1e-6, atol=1e-10)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.slow
def test_the_largest_set_with_times_is_that_of_tsfresh() -> None:
    """ComprehensiveFCParameters gives 788 columns with times and 783 without; the preset of that name has 783."""
    from tsfresh.feature_extraction.settings import ComprehensiveFCParameters

    values, times = some_values(1, 40), some_times(1, 40, regular=False)
    expected = by_tsfresh(values, times, ComprehensiveFCParameters())
    frame = extract_windows(values, CHANNELS, ComprehensiveFCParameters(), times=times)
    assert list(frame.columns) == list(expected.columns)
    assert frame.shape == (1, 2 * 788)
    np.testing.assert_allclose(frame, expected.to_numpy(np.float64), rtol=1e-6, atol=1e-10)
    for given in ({}, {"times": times}):
        assert extract_windows(values, CHANNELS, "comprehensive", **given).shape == (1, 2 * 783)
    assert extract_windows(values, CHANNELS, ComprehensiveFCParameters()).shape == (1, 2 * 783)


def test_times_may_be_shared_and_come_as_an_index_with_a_zone() -> None:
    """One row of times stands for all windows; an index, a time zone and another unit change no bit."""
    values, times = some_values(700, 30), some_times(1, 30, regular=False)[0]
    expected = extract_windows(values, CHANNELS, LINES, times=np.tile(times, (700, 1)))
    index = pd.DatetimeIndex(times)
    for given in (times, times.astype("datetime64[ns]"), index, index.tz_localize("UTC").tz_convert("Asia/Tokyo")):
        frame = extract_windows(values, CHANNELS, LINES, times=given, threads=2)
        pd.testing.assert_frame_equal(frame, expected, check_exact=True)


def test_a_stream_with_times_holds_what_the_frame_holds() -> None:
    """Streamed windows have the bits of extracted ones, each window of its own times; one alone has them too."""
    values, times = some_values(2000, 25), some_times(2000, 25, regular=False)
    frame = extract_windows(values, CHANNELS, SETTINGS, times=times)
    table = stream_windows(values, CHANNELS, SETTINGS, times=times).read_all().to_pandas()
    pd.testing.assert_frame_equal(table, frame, check_exact=True, check_column_type=False)
    alone = extract_windows(values[[1234]], CHANNELS, SETTINGS, times=times[[1234]])
    assert alone.to_numpy().tobytes() == frame.iloc[[1234]].to_numpy().tobytes()


def test_only_channels_that_need_times_use_them() -> None:
    """A set by kind gives the line against time to its channel only."""
    values, times = some_values(4), some_times(4, 40, regular=True)
    chosen = FeatureSet.from_names(["volt__mean", f"heat__{LINES[3]}"])
    frame = extract_windows(values, CHANNELS, chosen, times=times)
    assert list(frame.columns) == ["volt__mean", f"heat__{LINES[3]}"]
    slopes = [np.polyfit(np.arange(40) / 6, row, 1)[0] for row in values[:, 1]]
    np.testing.assert_allclose(frame[f"heat__{LINES[3]}"], slopes, rtol=1e-9)
    # A set for the other channel alone needs no times.
    assert extract_windows(values[:, :1], ["volt"], chosen).shape == (4, 1)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("samples", [2, 5])
def test_nan_infinity_and_constants_give_what_the_calculator_gives(samples: int) -> None:
    """Windows that hold what is no number have the values of tsfresh's own function, nearly always NaN."""
    from tsfresh.feature_extraction.feature_calculators import linear_trend_timewise

    rows = np.tile(np.arange(1.0, samples + 1), (7, 1))
    rows[0, 0], rows[1, 1], rows[2, 1], rows[3], rows[4], rows[5] = np.nan, np.inf, -np.inf, np.nan, np.inf, 7.3
    times = some_times(len(rows), samples, regular=False)
    frame = extract_windows(rows[:, None], ["volt"], ["mean", *LINES], times=times).to_numpy()[:, 1:]
    series = [pd.Series(row, index=pd.DatetimeIndex(at)) for row, at in zip(rows, times, strict=True)]
    parameters = SETTINGS["linear_trend_timewise"]
    expected = [[value for _, value in linear_trend_timewise(one, parameters)] for one in series]
    np.testing.assert_allclose(frame, expected, rtol=1e-6, atol=1e-10)


def test_what_no_kernel_computes_goes_through_tsfresh_with_its_times() -> None:
    """Another attribute of scipy's line takes the slow way, constant windows at different times included."""
    name = 'linear_trend_timewise__attr_"intercept_stderr"'
    values = np.concatenate([some_values(2, 20), np.full((2, 2, 20), 3.0)])
    times = some_times(4, 20, regular=False)
    frame = extract_windows(values, CHANNELS, ["mean", name], times=times)
    expected = by_tsfresh(values, times, {"linear_trend_timewise": [{"attr": "intercept_stderr"}]})
    np.testing.assert_allclose(frame[list(expected.columns)], expected, rtol=1e-6, atol=1e-10)


def test_without_times_a_named_line_against_time_is_refused() -> None:
    """A settings object loses what needs times, as in tsfresh; naming it is an error with a remedy."""
    values = some_values()
    assert extract_windows(values, CHANNELS, SETTINGS).shape == (3, 4)
    assert parse_feature_set(SETTINGS).features == ("mean", "maximum")
    assert parse_feature_set(SETTINGS, timed=True).features == ("mean", *LINES, "maximum")
    for given in (LINES, FeatureSet.from_names(LINES), [f"heat__{LINES[0]}"]):
        with pytest.raises(UsageError, match="Pass times="):
            extract_windows(values, CHANNELS, given)
        with pytest.raises(UsageError, match="Pass times="):
            stream_windows(values, CHANNELS, given)
    with pytest.raises(UsageError, match="cannot be computed"):
        FeatureSet.from_names(['linear_trend_timewise__attr_"steepness"'])


WRONG_TIMES = {
    "too few": (some_times(1, 39, regular=True)[0], "the shape"),
    "of too few windows": (some_times(2, 40, regular=True), "the shape"),
    "no times": (np.arange(40.0), "the type float64"),
    "backwards": (some_times(1, 40, regular=True)[0][::-1], "window 0 that are missing or not ascending"),
    "backwards in one window": (
        np.concatenate([some_times(2, 40, regular=True), some_times(1, 40, regular=True)[:, ::-1]]),
        "window 2 that",
    ),
    "one missing": (np.where(np.arange(40) == 7, np.datetime64("NaT"), some_times(1, 40, regular=True)[0]), "missing"),
}


@pytest.mark.parametrize("case", WRONG_TIMES)
def test_invalid_times_are_refused(case: str) -> None:
    """Times of another type or shape, missing ones, and time that runs backwards are wrong usage."""
    times, message = WRONG_TIMES[case]
    for work in (extract_windows, stream_windows):
        with pytest.raises(UsageError, match=message):
            work(some_values(), CHANNELS, SETTINGS, times=times)


def test_nothing_to_compute_with_times() -> None:
    """No windows give no rows, and no samples NaN, with times as without."""
    times = some_times(1, 40, regular=True)[0]
    assert extract_windows(np.empty((0, 2, 40)), CHANNELS, LINES, times=times).shape == (0, 10)
    assert extract_windows(np.empty((3, 2, 0)), CHANNELS, LINES, times=times[:0]).isna().all(axis=None)
    assert extract_windows(some_values(2, 1), CHANNELS, LINES, times=times[:1]).isna().all(axis=None)


def known_samples(history: History, asset: str, as_of: pd.Timestamp, window: str, channel: str) -> "pd.Series[float]":
    """Reconcile one window of one channel the slow way."""
    from data_contracts.tables.telemetry import reconcile

    rows = history.telemetry
    known = rows[(rows["asset"] == asset) & (rows["known_time"] <= as_of) & (rows["event_time"] <= as_of)]
    known = known[known["event_time"] > as_of - pd.Timedelta(window)]
    if known.empty:
        return pd.Series(dtype="float64", index=pd.DatetimeIndex([], tz="UTC"))
    return reconcile(known, history.channels).set_index("event_time")[channel].dropna().sort_index()


def lines_of(series: "pd.Series[float]") -> list[float]:
    from tsfresh.feature_extraction.feature_calculators import linear_trend_timewise

    if len(series) < 2:
        return [np.nan] * len(ATTRIBUTES)
    return [value for _, value in linear_trend_timewise(series, SETTINGS["linear_trend_timewise"])]


@pytest.mark.filterwarnings("ignore")
def test_stored_telemetry_knows_its_times(
    history_of: Callable[..., History], machine_begin: Callable[..., pd.Timestamp]
) -> None:
    """Lines are drawn against event times, nulls and late rows and corrections included, in windows of any length."""
    history = history_of(11, rows=300)
    recipe = Recipe("cnc", ("speed", "heat"), (pd.Timedelta("6h"), pd.Timedelta("24h")), FeatureSet.from_names(LINES))
    moments = cut_offs(history, pd.Timedelta("2h"))
    frame = extract(history, moments, recipe)
    assert frame.notna().to_numpy().mean() > 0.8
    for (asset, as_of), row in frame.iterrows():
        for window in ("6h", "24h"):
            for channel in ("speed", "heat"):
                samples = known_samples(history, asset, as_of, window, channel)
                expected = lines_of(samples[samples.index >= machine_begin(history, asset, as_of)])
                mine = row[[f"{channel}@{window}__{line}" for line in LINES]].to_numpy(np.float64)
                np.testing.assert_allclose(mine, expected, rtol=1e-6, atol=1e-10)


@pytest.mark.parametrize("gaps", [None, Gaps(pd.Timedelta("1h"), pd.Timedelta("3h"), 0.7)])
def test_one_cut_off_alone_has_the_bits_it_has_among_many(
    history_of: Callable[..., History], gaps: Gaps | None
) -> None:
    """Whatever else is requested, a line against time stays the same to the last bit, extracted or streamed."""
    history = history_of(5, rows=400)
    features = FeatureSet.from_names(["mean", *LINES])
    recipe = Recipe("cnc", ("speed", "heat"), (pd.Timedelta("12h"),), features, gaps=gaps)
    moments = cut_offs(history, pd.Timedelta("1h"))
    many = extract(history, moments, recipe)
    assert many.notna().to_numpy().mean() > 0.5
    for place in range(0, len(moments), 17):
        alone = extract(history, moments.iloc[[place]], recipe)
        assert alone.to_numpy().tobytes() == many.iloc[[place]].to_numpy().tobytes()
    streamed: pa.Table = stream(history, moments, recipe, threads=2).read_all()
    assert streamed.to_pandas().iloc[:, 2:].to_numpy().tobytes() == many.to_numpy().tobytes()


def test_samples_stand_at_their_due_times_under_a_rule_for_gaps() -> None:
    """What fills a gap counts at the time the sample was due, what is left out does not shift the rest."""
    as_of = pd.Timestamp("2024-01-02T00:00Z").as_unit("us")
    # Due at 1, 2, ... 8 hours; read late in its hour, at 4 and 5 not at all, of which the first is filled.
    hours = np.array([1.0, 1.75, 3.0, 5.5, 7.0, 8.0])
    rows = pd.DataFrame({"asset": "m", "event_time": as_of - pd.Timedelta("8h") + pd.to_timedelta(hours, unit="h")})
    rows = rows.assign(known_time=rows["event_time"], source="physical", heat=[3.0, 1.0, 4.0, 1.0, 5.0, 9.0])
    history = History("cnc", ("heat",), rows, *(pd.DataFrame({"asset": []}) for _ in range(4)), {})
    gaps = Gaps(pd.Timedelta("1h"), pd.Timedelta("1h"), 0.5)
    recipe = Recipe("cnc", ("heat",), (pd.Timedelta("8h"),), FeatureSet.from_names([*LINES, "length"]), gaps=gaps)
    frame = extract(history, pd.DataFrame({"asset": ["m"], "as_of": [as_of]}), recipe).iloc[0]
    due = pd.Series([3.0, 1.0, 4.0, 4.0, 1.0, 5.0, 9.0], index=as_of + pd.to_timedelta([1, 2, 3, 4, 6, 7, 8], unit="h"))
    assert frame["heat__length"] == 7
    np.testing.assert_allclose(frame[[f"heat__{line}" for line in LINES]], lines_of(due), rtol=1e-9)


def test_times_cost_nothing_unless_needed(history_of: Callable[..., History], monkeypatch: pytest.MonkeyPatch) -> None:
    """Without such a feature no times are gathered, copied or kept."""

    def refuse(*_: object) -> None:
        raise AssertionError("times were requested")

    monkeypatch.setattr(KnownTelemetry, "times", property(refuse))
    history = history_of(5)
    recipe = Recipe("cnc", ("speed",), (pd.Timedelta("12h"),), FeatureSet.from_names(["mean"]))
    assert extract(history, cut_offs(history, pd.Timedelta("6h")), recipe).notna().any(axis=None)
    timed = Recipe("cnc", ("speed",), (pd.Timedelta("12h"),), FeatureSet.from_names(LINES))
    with pytest.raises(AssertionError, match="times were requested"):
        extract(history, cut_offs(history, pd.Timedelta("6h")), timed)
