"""Every kernel gives tsfresh's value under tsfresh's name."""

import logging
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from features import FeatureSet, extract_windows
from features.calculate import calculate, slow_calculators
from features.kernels.registry import KERNELS
from features.tsfresh_calculators import calculate_by_tsfresh, preset_settings, say_slow

LENGTHS = (1, 2, 3, 4, 5, 6, 7, 10, 11, 30, 62, 100, 128, 257)
SHAPES: dict[str, Callable[[np.random.Generator, np.ndarray], np.ndarray]] = {
    "noise": lambda rng, t: rng.normal(size=t.size),
    "random walk": lambda rng, t: rng.normal(size=t.size).cumsum(),
    "sine": lambda _, t: np.sin(0.3 * t),
    "ramp": lambda _, t: 0.1 * t + 3,
    "ramp down": lambda _, t: -2.5 * t,
    "step": lambda _, t: (t > t.size // 2) * 1.0,
    "constant": lambda _, t: np.full(t.size, 0.1),
    "large constant": lambda _, t: np.full(t.size, 1e6 / 3),
    "zero": lambda _, t: np.zeros(t.size),
    "spike": lambda rng, t: np.where(t == t.size // 2, 1e4, 1e-3 * rng.normal(size=t.size)),
    "offset": lambda rng, t: 1e6 + rng.normal(size=t.size),
    "quantised": lambda rng, t: np.round(2 * rng.normal(size=t.size)) / 10,
    "binary": lambda rng, t: (rng.random(t.size) > 0.5) * 1.0,
    "tiny": lambda rng, t: 1e-12 * rng.normal(size=t.size),
    "huge": lambda rng, t: 1e12 * rng.normal(size=t.size),
}


def kernel_features() -> tuple[str, ...]:
    """Name every feature of tsfresh's largest set that has a kernel."""
    chosen = {name: given for name, given in preset_settings("comprehensive").items() if name in KERNELS}
    return FeatureSet.from_settings(chosen).features


def mismatches(block: np.ndarray, features: tuple[str, ...]) -> list[tuple[str, int, float, float]]:
    ours, theirs = calculate(block, features), calculate_by_tsfresh(block, features)
    agree = np.isclose(ours, theirs, rtol=1e-6, atol=1e-10, equal_nan=True)
    return [(features[column], int(row), ours[row, column], theirs[row, column]) for row, column in np.argwhere(~agree)]


@pytest.mark.parametrize("samples", LENGTHS)
def test_kernels_give_the_values_of_tsfresh(samples: int) -> None:
    """Over shapes and lengths every kernel's value is tsfresh's, and NaN where tsfresh has NaN."""
    rng, t = np.random.default_rng(samples), np.arange(samples)
    block = np.array([make(rng, t) for make in SHAPES.values()])
    assert mismatches(block, kernel_features()) == []


@settings(max_examples=40, deadline=None)
@given(
    series=hnp.arrays(
        np.float64,
        st.integers(1, 40),
        elements=st.one_of(
            st.sampled_from([0.0, 1.0, -1.0, 0.5, 3.0]),
            st.floats(-1e6, 1e6, width=32).filter(lambda x: x == 0 or abs(x) > 1e-3),
        ),
    )
)
def test_hypothesis_finds_no_series_that_differs(series: np.ndarray) -> None:
    """For whatever series, every kernel's value is tsfresh's."""
    # A line's intercept and slope are differences of far larger terms (of squares, for the variance of chunks): what is
    # left of them may be the round-off of those terms, in tsfresh as well as here.
    round_off = 1e-14 * (1 + np.abs(series).max() ** 2)
    found = mismatches(series[None, :], kernel_features())
    assert [one for one in found if "linear_trend" not in one[0] or not abs(one[2] - one[3]) < round_off] == []


def test_nan_and_infinity_give_what_the_calculator_gives() -> None:
    """A series with NaN or infinity has the values of tsfresh's functions; its neighbours are untouched."""
    clean = np.random.default_rng(0).normal(size=(5, 30))
    block = clean.copy()
    block[0, 3], block[1, 5], block[2, 7], block[3, :] = np.nan, np.inf, -np.inf, np.nan
    features = kernel_features()
    assert mismatches(block, features) == []
    assert calculate(block, features)[4].tobytes() == calculate(clean, features)[4].tobytes()


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), samples=st.integers(1, 300), n=st.integers(1, 40))
def test_a_window_does_not_depend_on_its_block(seed: int, samples: int, n: int) -> None:
    """A row alone, or in any other block, has the same bits: batch equals online begins here."""
    rng = np.random.default_rng(seed)
    block = rng.normal(size=(n, samples)) * 10.0 ** rng.integers(-3, 6) + rng.normal()
    features = kernel_features()
    whole = calculate(block, features)
    row = int(rng.integers(n))
    assert calculate(block[[row]], features).tobytes() == whole[[row]].tobytes()
    order = rng.permutation(n)
    assert calculate(np.asfortranarray(block[order]), features).tobytes() == whole[order].tobytes()


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), samples=st.integers(1, 60))
def test_a_feature_does_not_depend_on_the_others_wanted(seed: int, samples: int) -> None:
    """A feature computed alone has the bits it has among all others: reducing a set changes no value."""
    rng, t = np.random.default_rng(seed), np.arange(samples)
    block = np.array([make(rng, t) for make in SHAPES.values()])
    features = kernel_features()
    whole = calculate(block, features)
    for column in rng.choice(len(features), 25, replace=False):
        assert calculate(block, [features[column]]).tobytes() == np.ascontiguousarray(whole[:, [column]]).tobytes()


def long_frame(values: np.ndarray, channels: list[str]) -> pd.DataFrame:
    windows, _, samples = values.shape
    frame = pd.DataFrame({"id": np.repeat(np.arange(windows), samples), "time": np.tile(np.arange(samples), windows)})
    return frame.assign(**{name: values[:, number].ravel() for number, name in enumerate(channels)})


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("preset", ["minimal", "efficient", "comprehensive"])
def test_presets_have_the_columns_of_tsfresh(preset: str) -> None:
    """extract_windows gives tsfresh's columns in tsfresh's order, with tsfresh's values, for all its sets."""
    from tsfresh import extract_features

    channels = ["b_power", "a"]
    values = np.random.default_rng(5).normal(size=(2, 2, 40)).cumsum(axis=2)
    expected = extract_features(
        long_frame(values, channels),
        column_id="id",
        column_sort="time",
        default_fc_parameters=preset_settings(preset),
        n_jobs=0,
        disable_progressbar=True,
    )
    result = extract_windows(values, channels, preset)
    assert list(result.columns) == list(expected.columns)
    assert result.shape[1] == 2 * {"minimal": 10, "efficient": 777, "comprehensive": 783}[preset]
    np.testing.assert_allclose(result.to_numpy(), expected.to_numpy(np.float64), rtol=1e-6, atol=1e-10)


@pytest.mark.parametrize("samples", [1, 2, 3, 8])
def test_short_series_pass_through_every_calculator(samples: int) -> None:
    """A series too short for a calculator gives NaN, never an error, in the largest set."""
    result = extract_windows(np.ones((1, 1, samples)), ["volt"], "comprehensive")
    assert result["volt__length"].tolist() == [samples]


def test_the_slow_way_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    """What has no kernel is logged by name, once."""
    say_slow.cache_clear()
    block = np.random.default_rng(1).normal(size=(2, 20))
    with caplog.at_level(logging.WARNING, logger="forewarn.features"):
        calculate(block, ("mean", "sample_entropy"))
        calculate(block, ("mean", "sample_entropy"))
    assert [record.getMessage().rsplit(": ", 1)[1] for record in caplog.records] == ["sample_entropy"]
    assert slow_calculators(("mean", "sample_entropy")) == ("sample_entropy",)


def test_a_kernel_for_parameters_outside_the_presets() -> None:
    """Kernels take the parameters a user may name, not only those of tsfresh's own sets."""
    features = (
        "quantile__q_0.0",
        "quantile__q_1.0",
        "quantile__q_0.05",
        "autocorrelation__lag_12",
        'agg_linear_trend__attr_"pvalue"__chunk_len_3__f_agg_"mean"',
        "mean_n_absolute_max__number_of_maxima_3",
        "number_peaks__n_2",
        "value_count__value_nan",
        "range_count__max_2.5__min_-0.5",
        "count_above__t_1",
    )
    block = np.random.default_rng(3).normal(size=(6, 25))
    assert mismatches(block, features) == []
