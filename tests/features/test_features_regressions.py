"""Correlation, autoregression, unit root, trends and dynamics: what the parity harness cannot see."""

from types import ModuleType

import numpy as np
import pandas as pd
import pytest
from scipy.stats import linregress
from scipy.stats import t as student

from features.calculators.calculate import calculate
from features.calculators.tsfresh_calculators import calculate_by_tsfresh
from features.kernels import autoregression, correlation, dynamics, lapack, trends, unit_root
from features.kernels.arithmetic.cholesky import factorise, solve
from features.kernels.arithmetic.lanes import LANES
from features.kernels.block import Block, FloatArray
from features.kernels.lags import LaggedProducts
from features.kernels.students_t import two_sided_p_value
from features.names import parse_feature

pytestmark = pytest.mark.slow

SERIES = 40


def plants(samples: int) -> dict[str, FloatArray]:
    """Make the series that plants are full of, (SERIES, samples) each."""
    rng = np.random.default_rng(samples)
    noise = rng.normal(size=(SERIES, samples))
    walk = noise.cumsum(axis=1)
    late = np.arange(samples) > rng.integers(samples // 4, 3 * samples // 4, size=(SERIES, 1))
    return {
        "noise": noise,
        "far from zero": 300 + noise,
        "walk": walk,
        "wave": 20 + 3 * np.sin(0.1 * np.arange(samples) + walk[:, :1]) + 0.3 * noise,
        "quantised": np.round(50 + 4 * noise) / 10,
        "step": late + 0.05 * noise,
        "stuck for a while": np.where(late, 7.3, 7.3 + noise),
    }


def doubt(module: ModuleType, calculator: str, series: FloatArray) -> float:
    """Give the share of series that a kernel leaves to tsfresh."""
    from tsfresh.feature_extraction.settings import ComprehensiveFCParameters

    kernel = module.KERNELS[calculator]
    parameters = ComprehensiveFCParameters()[calculator]
    out = np.empty((len(parameters), len(series)))
    with np.errstate(all="ignore"):
        doubtful = kernel.compute(Block(series), kernel.prepare(parameters, series.shape[1]), out)
    return 0.0 if doubtful is None else float(doubtful.mean())


@pytest.mark.parametrize("samples", [30, 256])
@pytest.mark.parametrize(
    ("module", "calculator"),
    [
        (correlation, "partial_autocorrelation"),
        (autoregression, "ar_coefficient"),
        (unit_root, "augmented_dickey_fuller"),
        (dynamics, "friedrich_coefficients"),
        (dynamics, "max_langevin_fixed_point"),
    ],
)
def test_doubt_is_rare_where_plants_are(module: ModuleType, calculator: str, samples: int) -> None:
    """A kernel leaves few realistic series to tsfresh: short ones that stand still for long, and hardly any else."""
    shares = {name: doubt(module, calculator, series) for name, series in plants(samples).items()}
    stuck = shares.pop("stuck for a while")
    assert stuck <= 0.15
    assert {name: share for name, share in shares.items() if share > 0.05} == {}


@pytest.mark.parametrize("samples", [30, 100])
def test_the_singular_is_doubted(samples: int) -> None:
    """Ramps and pure waves have no autoregression and no unit root of their own: tsfresh decides."""
    steps = np.arange(samples)
    singular = np.array([0.1 * steps + 3, np.sin(0.3 * steps)])
    assert doubt(autoregression, "ar_coefficient", singular) == 1.0
    assert doubt(unit_root, "augmented_dickey_fuller", singular) == 1.0


@pytest.mark.parametrize("value", [7.3, -0.1, 1e5 / 3, 1e-7, 0.0])
def test_a_stuck_sensor_has_the_shortest_coefficients(value: float) -> None:
    """Of the many autoregressions of a constant it is the one of least length, in closed form and in tsfresh."""
    stuck = np.full((1, 60), value)
    assert doubt(autoregression, "ar_coefficient", stuck) == 0.0
    names = tuple(f"ar_coefficient__coeff_{number}__k_10" for number in (0, 1, 5, 10, 11))
    np.testing.assert_allclose(calculate(stuck, names), calculate_by_tsfresh(stuck, names), rtol=1e-6, atol=1e-10)


def test_an_idle_channel_is_not_doubted() -> None:
    """Zeros throughout have an answer: no coefficients, no unit root, no partial autocorrelation."""
    idle = np.zeros((1, 50))
    assert doubt(autoregression, "ar_coefficient", idle) == 0.0
    assert doubt(unit_root, "augmented_dickey_fuller", idle) == 0.0
    assert doubt(correlation, "partial_autocorrelation", idle) == 0.0


def test_lagged_products_are_sums_of_products() -> None:
    """The table is the naive sum, and its bits do not depend on the order in which lags are requested."""
    series = np.random.default_rng(0).normal(size=(3, 37))
    at_once, by_and_by = LaggedProducts(series), LaggedProducts(series)
    whole = at_once.upto(36)[:, :37]
    for lag in (0, 2, 9, 21, 36):
        by_and_by.upto(lag)
    assert by_and_by.upto(36)[:, :37].tobytes() == whole.tobytes()
    naive = [[np.sum(x[: 37 - lag] * x[lag:]) for lag in range(37)] for x in series]
    np.testing.assert_allclose(whole, naive, atol=1e-12)


@pytest.mark.parametrize("lanes", [1, 3, LANES])
def test_one_factor_gives_every_nested_model(lanes: int) -> None:
    """Residuals of models with 1, 2, ... regressors, and the last one's coefficients, are those of least squares."""
    rng = np.random.default_rng(1)
    tables = rng.normal(size=(lanes, 50, 7))
    gram = np.ascontiguousarray(np.moveaxis(tables.transpose(0, 2, 1) @ tables, 0, 2))
    energy = np.ascontiguousarray(gram.diagonal().T)
    residuals, coefficients, smallest = np.empty((6, lanes)), np.empty((6, lanes)), np.empty(lanes)
    factorise(gram, 7, energy, residuals, smallest)
    solve(gram, 7, coefficients)
    assert np.all((smallest > 0) & (smallest <= 1))
    for lane, table in enumerate(tables):
        for k in range(1, 7):
            fitted, squares, *_ = np.linalg.lstsq(table[:, :k], table[:, 6])
            assert residuals[k - 1, lane] == pytest.approx(squares[0], rel=1e-12)
        np.testing.assert_allclose(coefficients[:, lane], fitted, rtol=1e-11)


def test_a_constant_column_has_no_pivot() -> None:
    """The factorisation gives 0 where a regressor adds nothing, and only there."""
    gram, smallest = np.ones((3, 3, 2)), np.empty(2)
    gram[:, :, 1] = np.diag([2.0, 1.0, 1.0]) + 1
    with np.errstate(all="ignore"):
        factorise(gram, 3, np.ones((2, 2)), np.empty((2, 2)), smallest)
    assert smallest[0] == 0.0
    assert smallest[1] > 0.0


def test_the_quick_bound_is_never_under_the_trace() -> None:
    """What would be the sum of the inverse eigenvalues if nothing cancelled is no less than what it is."""
    rng = np.random.default_rng(2)
    columns = rng.normal(size=(9, 40, 6)).cumsum(axis=1)
    products = columns.transpose(0, 2, 1) @ columns
    gram = np.zeros((7, 7, 9))
    gram[:6, :6] = np.moveaxis(products, 0, 2)
    gram[6, 6] = 1.0
    energy, scratch, smallest = np.ones((6, 9)), np.empty((6, 9)), np.empty(9)
    factorise(gram, 7, energy, scratch, smallest)
    bound, trace = np.empty(9), np.empty(9)
    autoregression.bound_inverse(gram, 6, scratch, bound)
    autoregression.trace_of_inverse(gram, 6, scratch, trace)
    np.testing.assert_allclose(trace, [np.trace(np.linalg.inv(each)) for each in products], rtol=1e-9)
    assert np.all(bound >= trace * (1 - 1e-12))


@pytest.mark.parametrize("freedom", [1, 2, 3, 4, 17, 28, 40, 41, 199, 200, 201, 500, 2046, 99_998])
def test_p_values_are_those_of_student(freedom: int) -> None:
    """Closed form and continued fraction agree with scipy's distribution, in the tail as well."""
    t = np.array([0.0, 1e-9, 0.3, 1.0, 1.7, 1.8, 2.5, 8.0, 20.0, 40.0, 1e6, 1e50, np.nan])
    np.testing.assert_allclose(two_sided_p_value(t, freedom), 2 * student.sf(t, freedom), rtol=1e-9)


@pytest.mark.parametrize("points", [2, 3, 6, 21])
def test_perfect_lines_have_the_bits_of_scipy(points: int) -> None:
    """Where r is one but for round-off, standard error and p-value are scipy's round-off."""
    steps = np.arange(points)
    series = np.array([0.1 * steps + 3, -7.0 * steps, 1e6 + steps / 3, np.full(points, 0.1), np.zeros(points)])
    block = Block(series)
    with np.errstate(all="ignore"):
        lines = trends.fit_steps(block.series, block.mean, block.variance, True)
        expected = [linregress(steps, row) for row in series]
    for line, attribute in zip(lines, ("slope", "intercept", "rvalue", "stderr", "pvalue"), strict=True):
        theirs = [getattr(line, attribute) for line in expected]
        np.testing.assert_allclose(line, theirs, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("regular", [True, False])
@pytest.mark.parametrize("samples", [2, 3, 30, 200])
def test_lines_against_time_are_those_of_tsfresh(samples: int, regular: bool) -> None:
    """With hours since the first sample the kernel gives tsfresh's value for a series with time stamps."""
    from tsfresh.feature_extraction.feature_calculators import linear_trend_timewise

    rng = np.random.default_rng(samples)
    seconds = np.arange(samples) * 600 if regular else rng.integers(1, 5000, size=samples).cumsum()
    times = pd.Timestamp("2024-01-01") + pd.to_timedelta(seconds, unit="s")
    hours = np.asarray((times - times[0]).total_seconds() / 3600.0)
    series = np.array(
        [rng.normal(size=samples), 3 + 0.5 * hours, np.full(samples, 7.3), 300 + rng.normal(size=samples)]
    )
    parameters = [{"attr": attribute} for attribute in ("slope", "intercept", "rvalue", "pvalue", "stderr")]
    kernel, out = trends.KERNELS["linear_trend_timewise"], np.empty((5, len(series)))
    with np.errstate(all="ignore"):
        kernel.compute(Block(series, np.tile(hours, (len(series), 1))), kernel.prepare(parameters, samples), out)
        expected = [
            [value for _, value in linear_trend_timewise(pd.Series(row, index=times), parameters)] for row in series
        ]
    np.testing.assert_allclose(out.T, expected, rtol=1e-9, atol=1e-12)


def test_lines_against_time_need_times() -> None:
    """Without hours, for one sample, and for one time only, there is no line."""
    kernel, out = trends.KERNELS["linear_trend_timewise"], np.zeros((1, 1))
    for block in (
        Block(np.ones((1, 5))),
        Block(np.ones((1, 1)), np.zeros((1, 1))),
        Block(np.ones((1, 5)), np.zeros((1, 5))),
    ):
        with np.errstate(all="ignore"):
            kernel.compute(block, np.array([0]), out)
        assert np.isnan(out).all()


def drifting(samples: int) -> FloatArray:
    """Make series whose level is large beside its changes, in order of bins or not, (rows, samples)."""
    rng = np.random.default_rng(samples)
    noise, steps = rng.normal(size=(4, samples)), np.arange(samples)
    sensors = np.round(642 + noise / 2, 2)
    counters = 1e4 + np.abs(noise).cumsum(axis=1)
    return np.vstack([sensors, counters, 0.1 * steps + 3 + 1e-3 * noise, 0.1 * steps[None] + 3, 1e-9 * noise + 1])


@pytest.mark.parametrize("samples", [2, 5, 6, 10, 30, 60, 97, 400])
def test_ill_conditioned_drifts_have_the_bits_of_pandas_and_numpy(samples: int) -> None:
    """Where LAPACK's round-off is in the drift, the fit is tsfresh's to the last bit, and none is doubted."""
    series = drifting(samples)
    features = [f"friedrich_coefficients__coeff_{k}__m_3__r_30" for k in range(4)]
    expected = calculate_by_tsfresh(series, [*features, "max_langevin_fixed_point__m_3__r_30"])
    with np.errstate(all="ignore"):
        drifts = dynamics.drifts_of(Block(series), 3, 30)
    result = np.column_stack([drifts.coefficients, drifts.rest])
    assert drifts.doubtful is None or not drifts.doubtful.any()
    np.testing.assert_allclose(result, expected, rtol=1e-6, atol=1e-10)
    np.testing.assert_array_equal(result[:8], expected[:8])


@pytest.mark.parametrize(
    "cubic", [[0, 1, -3, 2], [1, -6, 11, 0], [1, 0, 0, 0], [0, 0, 0, 5], [np.nan, 1, 1, 1], [1e-320, 1, 1, 1]]
)
def test_roots_are_those_of_numpy(cubic: list[float]) -> None:
    """Cubics that numpy shortens, or refuses, get numpy's answer beside ordinary ones."""
    ordinary = [2.0, -3.0, 1.0, 5.0]
    with np.errstate(all="ignore"):
        roots = lapack.largest_roots(np.array([ordinary, cubic], dtype=np.float64))
        try:
            expected = np.max(np.real(np.roots(cubic)))
        except (np.linalg.LinAlgError, ValueError):
            expected = np.nan
    np.testing.assert_array_equal(roots, [np.max(np.real(np.roots(ordinary))), expected])


def test_more_lags_than_in_the_presets() -> None:
    """Autoregressions of other orders, other lags, degrees and bins are tsfresh's as well."""
    features = (
        "ar_coefficient__coeff_3__k_20",
        "ar_coefficient__coeff_1__k_1",
        "ar_coefficient__coeff_5__k_4",
        'agg_autocorrelation__f_agg_"std"__maxlag_60',
        'agg_autocorrelation__f_agg_"max"__maxlag_3',
        "partial_autocorrelation__lag_31",
        "autocorrelation__lag_200",
        "c3__lag_7",
        "friedrich_coefficients__coeff_0__m_5__r_12",
        "friedrich_coefficients__coeff_1__m_1__r_7",
        "max_langevin_fixed_point__m_3__r_11",
        'agg_linear_trend__attr_"pvalue"__chunk_len_150__f_agg_"var"',
    )
    series = np.random.default_rng(4).normal(size=(4, 160)).cumsum(axis=1)
    expected = calculate_by_tsfresh(series, features)
    kernels = {
        name: kernel
        for module in (autoregression, correlation, dynamics, trends)
        for name, kernel in module.KERNELS.items()
    }
    block = Block(series)
    for feature, theirs in zip(features, expected.T, strict=True):
        calculator, parameters = parse_feature(feature)
        kernel, out = kernels[calculator], np.empty((1, 4))
        assert kernel.supports(parameters)
        with np.errstate(all="ignore"):
            doubtful = kernel.compute(block, kernel.prepare([parameters], 160), out)
        sure = np.ones(4, dtype=bool) if doubtful is None else ~doubtful
        assert sure.sum() >= 3
        np.testing.assert_allclose(out[0, sure], theirs[sure], rtol=1e-6, atol=1e-10, err_msg=feature)
