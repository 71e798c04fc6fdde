"""Every kernel gives tsfresh's value under tsfresh's name.

The harness: a new kernel is tried here, over all lengths and shapes, as soon as the registry names it.
"""

import logging
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from features import extract_windows, slow_features
from features.calculators.calculate import calculate
from features.calculators.presets import preset_features
from features.calculators.tsfresh_calculators import calculate_by_tsfresh, warn_slow
from features.kernels.registry import KERNELS

pytestmark = pytest.mark.slow

Maker = Callable[[np.random.Generator, np.ndarray], np.ndarray]

# Primes, powers of two, their neighbours, and very short ones.
LENGTHS = (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 16, 19, 21, 29, 30, 31, 50, 62, 64, 97, 100, 128, 200, 257, 512)
LONG = (1000, 1024, 2048)
# These oracles take seconds for a long window: they get one of each kind of trouble, in the shorter ones.
SLOW_ORACLES = ("approximate_entropy", "sample_entropy")
TROUBLE = ("noise", "quantised walk", "constant", "NaN")


def autoregressive(rng: np.random.Generator, t: np.ndarray) -> np.ndarray:
    series = rng.normal(size=t.size)
    for i in range(1, t.size):
        series[i] += 0.9 * series[i - 1]
    return series


def holding(value: float) -> Maker:
    """Make noise with one sample that is no number."""
    return lambda rng, t: np.where(t == t.size // 3, value, rng.normal(size=t.size))


SHAPES: dict[str, Maker] = {
    "noise": lambda rng, t: rng.normal(size=t.size),
    "autoregressive": autoregressive,
    "random walk": lambda rng, t: rng.normal(size=t.size).cumsum(),
    "sine": lambda _, t: np.sin(0.3 * t),
    "noisy sine": lambda rng, t: 20 + 3 * np.sin(0.1 * t) + 0.1 * rng.normal(size=t.size),
    "ramp": lambda _, t: 0.1 * t + 3,
    "ramp down": lambda _, t: -2.5 * t,
    "step": lambda _, t: (t > t.size // 2) * 1.0,
    "spike": lambda rng, t: np.where(t == t.size // 2, 1e4, 1e-3 * rng.normal(size=t.size)),
    "quantised": lambda rng, t: np.round(2 * rng.normal(size=t.size)) / 10,
    "quantised walk": lambda rng, t: np.round(rng.normal(size=t.size).cumsum()) / 4 + 50,
    "binary": lambda rng, t: (rng.random(t.size) > 0.5) * 1.0,
    "stuck": lambda rng, t: np.where(t > t.size // 2, 7.3, 7.3 + rng.normal(size=t.size)),
    "constant zero": lambda _, t: np.zeros(t.size),
    "constant": lambda _, t: np.full(t.size, 0.1),
    "large constant": lambda _, t: np.full(t.size, 1e6 / 3),
    "large offset": lambda rng, t: 1e6 + rng.normal(size=t.size),
    "tiny scale": lambda rng, t: 1e-12 * rng.normal(size=t.size),
    "small scale": lambda rng, t: 1e-3 * rng.normal(size=t.size),
    "huge scale": lambda rng, t: 1e12 * rng.normal(size=t.size),
    "NaN": holding(np.nan),
    "infinity": holding(np.inf),
    "negative infinity": holding(-np.inf),
}


def has_ties(series: np.ndarray) -> bool:
    """Say whether two samples of one ordinal pattern, of seven at most, are equal: their order is the sort's."""
    return any(bool((series[lag:] == series[:-lag]).any()) for lag in range(1, 7))


def is_stuck(series: np.ndarray) -> bool:
    """Say whether a series is constant: what is left of it when a mean is taken off is the rounding of that mean."""
    return bool((series == series[0]).all()) and series[0] != 0


def is_long_and_stuck(series: np.ndarray) -> bool:
    """Say whether a series is constant for so long that the rounding of LAPACK passes for a direction of its own."""
    return bool((series == series[0]).all()) and series.size > 250


# Where tsfresh's own value is round-off or depends on the processor; docs/reference/feature-values.md says why.
EXCEPTIONS: dict[str, Callable[[np.ndarray], bool]] = {
    "permutation_entropy": has_ties,
    "fourier_entropy": is_stuck,
    "partial_autocorrelation": is_stuck,
    "ar_coefficient": is_long_and_stuck,
}


def test_the_documented_exceptions_are_these(repository: Path) -> None:
    """Every calculator excused from parity stands in the documentation's table with its rule, and no other does."""
    text = (repository / "docs" / "reference" / "feature-values.md").read_text(encoding="utf-8")
    table = [line for line in text.splitlines() if line.startswith("| `")]
    assert {line.split("`")[1] for line in table} == set(EXCEPTIONS)


@cache
def kernel_features(calculator: str | None = None) -> tuple[str, ...]:
    """Name every feature of tsfresh's largest set that has a kernel, or those of one calculator."""
    by_calculator = [(name.split("__")[0], name) for name in preset_features("comprehensive")]
    return tuple(name for one, name in by_calculator if one in KERNELS and calculator in (None, one))


def calculators() -> list[str]:
    return list(dict.fromkeys(name.split("__")[0] for name in kernel_features()))


def every_shape(samples: int, names: Iterable[str] = SHAPES) -> np.ndarray:
    rng, t = np.random.default_rng(samples), np.arange(samples)
    return np.array([SHAPES[name](rng, t) for name in names])


def mismatches(block: np.ndarray, features: tuple[str, ...]) -> list[tuple[str, int, float, float]]:
    ours, theirs = calculate(block, features), calculate_by_tsfresh(block, features)
    agree = np.isclose(ours, theirs, rtol=1e-6, atol=1e-10, equal_nan=True)
    return [
        (features[column], int(row), ours[row, column], theirs[row, column])
        for row, column in np.argwhere(~agree)
        if not is_exception(features[column], block[row])
    ]


def is_exception(feature: str, series: np.ndarray) -> bool:
    calculator = feature.split("__", 1)[0]
    return calculator in EXCEPTIONS and EXCEPTIONS[calculator](series)


def named(samples: int, differences: list[tuple[str, int, float, float]], names: Iterable[str] = SHAPES) -> list[str]:
    shapes = list(names)
    return [
        f"{samples} samples of {shapes[row]}: {name} is {one!r}, not {other!r}" for name, row, one, other in differences
    ]


@pytest.mark.parametrize("calculator", calculators())
@pytest.mark.ml_test("Data 7")
def test_kernels_give_the_values_of_tsfresh(calculator: str) -> None:
    """Over shapes and lengths every kernel's value is tsfresh's, and NaN where tsfresh has NaN."""
    features = kernel_features(calculator)
    assert [line for samples in LENGTHS for line in named(samples, mismatches(every_shape(samples), features))] == []


@pytest.mark.parametrize("calculator", calculators())
def test_kernels_give_the_values_of_tsfresh_for_long_windows(calculator: str) -> None:
    """The same for windows of a thousand samples and more."""
    features, is_slow = kernel_features(calculator), calculator in SLOW_ORACLES
    lengths, shapes = (LONG[:2], TROUBLE) if is_slow else (LONG, tuple(SHAPES))
    differences = [
        line
        for samples in lengths
        for line in named(samples, mismatches(every_shape(samples, shapes), features), shapes)
    ]
    assert differences == []


@pytest.mark.parametrize("calculator", calculators())
@settings(max_examples=25, deadline=None)
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
def test_hypothesis_finds_no_series_that_differs(calculator: str, series: np.ndarray) -> None:
    """For whatever series, every kernel's value is tsfresh's."""
    assert mismatches(series[None, :], kernel_features(calculator)) == []


@pytest.mark.ml_test("Monitor 5")
def test_nan_and_infinity_give_what_the_calculator_gives() -> None:
    """A series with NaN or infinity has the values of tsfresh's functions; its neighbours are untouched."""
    clean = np.random.default_rng(0).normal(size=(5, 30))
    block = clean.copy()
    block[0, 3], block[1, 5], block[2, 7], block[3, :] = np.nan, np.inf, -np.inf, np.nan
    features = kernel_features()
    assert mismatches(block, features) == []
    assert calculate(block, features)[4].tobytes() == calculate(clean, features)[4].tobytes()


@pytest.mark.parametrize("calculator", calculators())
@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), samples=st.integers(1, 300), n=st.integers(1, 40))
def test_a_window_does_not_depend_on_its_block(calculator: str, seed: int, samples: int, n: int) -> None:
    """A row alone, or in any other block, has the same bits: batch equals online begins here."""
    rng = np.random.default_rng(seed)
    block = rng.normal(size=(n, samples)) * 10.0 ** rng.integers(-3, 6) + rng.normal()
    features = kernel_features(calculator)
    whole = calculate(block, features)
    row = int(rng.integers(n))
    assert calculate(block[[row]], features).tobytes() == whole[[row]].tobytes()
    order = rng.permutation(n)
    assert calculate(np.asfortranarray(block[order]), features).tobytes() == whole[order].tobytes()


@pytest.mark.parametrize("calculator", calculators())
@pytest.mark.parametrize("samples", [3, 17, 60])
def test_a_feature_does_not_depend_on_the_others_requested(calculator: str, samples: int) -> None:
    """A feature computed alone has the bits it has among all others: reducing a set changes no value."""
    block = every_shape(samples)
    whole = calculate(block, kernel_features())
    place = {feature: column for column, feature in enumerate(kernel_features())}
    features = kernel_features(calculator)
    for feature in np.random.default_rng(samples).permutation(features)[:5]:
        expected = np.ascontiguousarray(whole[:, [place[feature]]])
        assert calculate(block, [str(feature)]).tobytes() == expected.tobytes()


def long_frame(values: np.ndarray, channels: list[str]) -> pd.DataFrame:
    windows, _, samples = values.shape
    frame = pd.DataFrame({"id": np.repeat(np.arange(windows), samples), "time": np.tile(np.arange(samples), windows)})
    return frame.assign(**{name: values[:, number].ravel() for number, name in enumerate(channels)})


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("preset", ["minimal", "efficient", "comprehensive"])
@pytest.mark.ml_test("Data 6")
def test_presets_have_the_columns_of_tsfresh(preset: str) -> None:
    """extract_windows gives tsfresh's columns in tsfresh's order, with tsfresh's values, for all its sets."""
    from tsfresh import extract_features
    from tsfresh.feature_extraction import settings as sets

    channels = ["b_power", "a"]
    values = np.random.default_rng(5).normal(size=(2, 2, 40)).cumsum(axis=2)
    expected = extract_features(
        long_frame(values, channels),
        column_id="id",
        column_sort="time",
        default_fc_parameters=getattr(sets, f"{preset.capitalize()}FCParameters")(),
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


def test_slow_features_are_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    """What has no kernel is logged by name, once."""
    warn_slow.cache_clear()
    block = np.random.default_rng(1).normal(size=(2, 20))
    features = ("mean", 'change_quantiles__f_agg_"max"__isabs_True__qh_0.8__ql_0.2')
    with caplog.at_level(logging.WARNING, logger="forewarn.features"):
        calculate(block, features)
        calculate(block, features)
    assert [record.getMessage().rsplit(": ", 1)[1] for record in caplog.records] == ["change_quantiles"]
    assert slow_features(features) == features[1:]


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
        "ratio_beyond_r_sigma__r_1.7",
        "index_mass_quantile__q_0.55",
        "energy_ratio_by_chunks__num_segments_4__segment_focus_2",
        'change_quantiles__f_agg_"mean"__isabs_True__qh_0.75__ql_0.1',
        "binned_entropy__max_bins_7",
        "permutation_entropy__dimension_4__tau_2",
        "lempel_ziv_complexity__bins_4",
        "approximate_entropy__m_2__r_0.6",
        "ar_coefficient__coeff_2__k_4",
        'agg_autocorrelation__f_agg_"mean"__maxlag_7',
        "partial_autocorrelation__lag_11",
        'fft_coefficient__attr_"abs"__coeff_12',
        "number_cwt_peaks__n_3",
        "cwt_coefficients__coeff_4__w_3__widths_(2, 3)",
        "friedrich_coefficients__coeff_1__m_2__r_10",
        "fourier_entropy__bins_7",
        "spkt_welch_density__coeff_3",
    )
    block = np.random.default_rng(3).normal(size=(6, 25))
    assert mismatches(block, features) == []
