"""Parameters of features: refused when the set is read, or computed as tsfresh does. Nothing is NaN without a word."""

import contextlib
import math
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_contracts.errors import UsageError
from features import FeatureSet, Recipe, extract_windows, parse_feature_set, register_calculator, slow_features
from features.calculators.parameter_rules import PARAMETER_RULES
from features.calculators.plan import plan_for
from features.calculators.presets import preset_features
from features.names import format_feature, parse_feature

# A set of parameters that works, to be changed one by one.
USUAL: dict[str, dict[str, Any]] = {
    "change_quantiles": {"f_agg": "mean", "isabs": True, "ql": 0.2, "qh": 0.8},
    "cwt_coefficients": {"coeff": 2, "w": 5, "widths": (2, 5)},
    "energy_ratio_by_chunks": {"num_segments": 6, "segment_focus": 2},
    "linear_trend_timewise": {"attr": "slope"},
    "query_similarity_count": {"query": [0.1, 0.5, -0.2, 1.0], "threshold": 3.0, "normalize": True},
}
NUMBERS = (-131, -130, -11, -7, -6, -3, -2, -1, 0, 1, 2, 3, 5, 6, 10, 11, 31, 64, 128, 129, 1001, 10**400)
DECIMALS = (-0.5, -0.0, 0.5, 1.0, 1.5, 3.0, math.nan, math.inf, -math.inf)
OTHERS: tuple[Any, ...] = (
    True,
    False,
    None,
    "",
    "nosuch",
    "Mean",
    "3",
    [1, 2],
    [2, 1],
    (2, 5),
    (0, 5),
    [],
    {},
    1j,
    b"x",
    ["a", "b", "c"],
)
WORDS = ("mean", "median", "var", "max", "sum", "ptp", "slope", "intercept_stderr", "AIC", "aic", "t-stat", "None")
MORE_WORDS = ("teststat", "usedlag", "real", "angle", "imaginary", "skew", "kurt", "auto", "sqrt", "save", "test")
CANDIDATES = (*NUMBERS, *DECIMALS, *OTHERS, *WORDS, *MORE_WORDS)


def usual(calculator: str) -> dict[str, Any]:
    """Return parameters that work."""
    if calculator in USUAL:
        return USUAL[calculator]
    return next(p for name, p in map(parse_feature, preset_features("comprehensive")) if name == calculator)


def windows() -> list[np.ndarray]:
    rng = np.random.default_rng(3)
    return [rng.normal(size=40), np.round(rng.normal(size=300).cumsum(), 2) + 5, np.abs(rng.normal(size=90))]


def by_tsfresh(calculator: str, parameters: Mapping[str, Any], series: np.ndarray) -> float:
    """Return what tsfresh's own function gives, NaN where it fails."""
    from tsfresh.feature_extraction import feature_calculators

    function = getattr(feature_calculators, calculator)
    x: Any = series.copy()
    if getattr(function, "input", None) == "pd.Series":
        x = pd.Series(x, index=pd.date_range("2026-01-01", periods=len(x), freq="h"))
    try:
        if function.fctype == "combiner":
            (value,) = dict(function(x, param=[dict(parameters)])).values()
        else:
            value = function(x, **parameters)
    except (ArithmeticError, AssertionError, IndexError, ValueError):
        return math.nan
    return float(value)


def changed(calculator: str) -> Iterator[dict[str, Any]]:
    """Change each parameter to each candidate, leave each out, and add one."""
    parameters = usual(calculator)
    for name in parameters:
        yield {key: value for key, value in parameters.items() if key != name}
        for value in CANDIDATES:
            yield {**parameters, name: value}
    yield {**parameters, "nosuch": 1}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("calculator", sorted(PARAMETER_RULES))
def test_a_parameter_is_refused_or_computed_as_tsfresh_does(calculator: str) -> None:
    """Whatever a parameter is: a UsageError that names it, or tsfresh's values under tsfresh's name, not all NaN."""
    refusals = []
    for parameters in changed(calculator):
        try:
            (feature,) = FeatureSet.from_settings({calculator: [parameters]}, timed=True).features
        except UsageError as error:
            refusals.append(str(error))
            continue
        assert FeatureSet.from_names([feature]).features == (feature,)
        values, expected = [], []
        for series in windows():
            hours = np.arange(float(series.size))[None, :]
            values.append(float(plan_for((feature,), series.size).run(series[None].copy(), hours)[0, 0]))
            expected.append(by_tsfresh(calculator, parameters, series))
        if feature == "partial_autocorrelation__lag_0":
            # The documented exception: tsfresh has it beside another lag only.
            expected = [1.0] * len(expected)
        np.testing.assert_allclose(values, expected, rtol=1e-6, atol=1e-10, err_msg=str(parameters))
        # Large numbers are a matter of the window's length.
        beyond = any(isinstance(value, int) and abs(value) > 30 for value in parameters.values())
        assert not np.isnan(values).all() or beyond, parameters
    assert len(refusals) > 10
    assert all(calculator in message for message in refusals)


@pytest.mark.parametrize("calculator", sorted(PARAMETER_RULES))
def test_a_mistyped_name_is_refused_by_name(calculator: str) -> None:
    """The same in a list of names: a parameter left out, misspelt or of the wrong type names the feature."""
    parameters = usual(calculator)
    for name in parameters:
        others = {key: value for key, value in parameters.items() if key != name}
        for wrong in ({**others, f"{name}x": parameters[name]}, {**others, name: {}}):
            with pytest.raises(UsageError, match=calculator):
                FeatureSet.from_names([format_feature(calculator, wrong)])


def test_the_table_names_the_parameters_of_tsfresh() -> None:
    """Every calculator of tsfresh with parameters has rules for exactly these; one without is given none."""
    import inspect

    from tsfresh.feature_extraction import feature_calculators

    for name, function in vars(feature_calculators).items():
        if not hasattr(function, "fctype") or name == "matrix_profile":
            continue
        own = list(inspect.signature(function).parameters)[1:]
        if own != ["param"]:
            assert sorted(PARAMETER_RULES.get(name, {})) == sorted(own), name
        else:
            assert name in PARAMETER_RULES


def test_the_documentation_lists_what_goes_to_tsfresh(repository: Path) -> None:
    """A calculator stands in the documentation's list exactly if some accepted parameters have no kernel."""
    text = (repository / "docs" / "reference" / "feature-values.md").read_text(encoding="utf-8")
    rows = text.partition("| calculator | parameters |")[2].partition("\n\n")[0].strip().splitlines()[1:]
    without_kernel = set()
    for calculator in PARAMETER_RULES:
        for parameters in changed(calculator):
            with contextlib.suppress(UsageError):
                chosen = FeatureSet.from_settings({calculator: [parameters]}, timed=True)
                without_kernel |= {calculator for _ in slow_features(chosen.features)}
    assert [row.split(" | ")[0].strip("| ") for row in rows] == sorted(without_kernel)


@pytest.mark.parametrize(
    ("feature", "message"),
    [
        ("ar_coefficient__coeff_1", "without the parameter k"),
        ("ar_coefficient__coeff_11__k_10", "coeff up to k"),
        ('fft_aggregated__aggtype_"skeew"', "Did you mean 'skew'"),
        ('fft_coefficient__atr_"real"__coeff_1', "Did you mean 'attr'"),
        ("fft_coefficient__attr_real__coeff_1", "in quotes"),
        ("volt__binned_entropy__max_bins_0", "its parameter max_bins is 0"),
        ("energy_ratio_by_chunks__num_segments_10__segment_focus_10", "segment_focus below num_segments"),
        ("partial_autocorrelation__lag_-1", "whole number from 0"),
        ("cwt_coefficients__coeff_1__w_5__widths_[2, 5]", r"Did you mean \(2, 5\)"),
        ("quantile__q_0.1__q_0.2", "names a parameter twice"),
        ("mean__q_0.5", "no parameters"),
        ('matrix_profile__feature_"min"__threshold_0.98', "switched off"),
    ],
)
def test_a_refusal_says_what_is_allowed(feature: str, message: str) -> None:
    """The message names the parameter, what was found and what is allowed."""
    with pytest.raises(UsageError, match=message):
        FeatureSet.from_names([feature])


@pytest.mark.parametrize("given", [{"q": 0.1}, 0.1, "q", [0.1], [("q", 0.1)], True])
def test_settings_of_another_shape_are_refused(given: object) -> None:
    """Parameters are None or a list of dicts; anything else is a UsageError and no raw exception."""
    with pytest.raises(UsageError, match="a list of dicts"):
        FeatureSet.from_settings({"quantile": given})


def test_an_array_as_query_is_refused_and_its_list_is_counted() -> None:
    """A query is a list, as an array's text cannot stand in a name."""
    query = np.array([1.0, 2.0, 3.0])
    with pytest.raises(UsageError, match="tolist"):
        parse_feature_set({"query_similarity_count": [{"query": query, "threshold": 3.0}]})
    chosen = parse_feature_set({"query_similarity_count": [{"query": query.tolist(), "threshold": 3.0}]})
    assert extract_windows(np.arange(9.0).reshape(1, 1, 9), ["v"], chosen).iloc[0, 0] == 7


@pytest.mark.filterwarnings("ignore")
def test_a_unit_root_test_of_all_lags_has_the_name_and_value_of_tsfresh() -> None:
    """autolag=None stands in the column's name as tsfresh writes it, and is read back as None."""
    chosen = parse_feature_set({"augmented_dickey_fuller": [{"attr": "pvalue", "autolag": None}]})
    assert chosen.features == ('augmented_dickey_fuller__attr_"pvalue"__autolag_"None"',)
    series = windows()[0]
    (value,) = extract_windows(series[None, None], ["v"], chosen).iloc[0]
    expected = by_tsfresh("augmented_dickey_fuller", {"attr": "pvalue", "autolag": None}, series)
    assert value == pytest.approx(expected)


@given(st.sampled_from(sorted(PARAMETER_RULES)), st.data())
@settings(max_examples=200, deadline=None)
def test_no_parameter_ends_in_another_error(calculator: str, data: st.DataObject) -> None:
    """Of any parameters at all, reading gives a feature set or a UsageError."""
    value = st.one_of(
        st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.lists(st.floats(), max_size=4)
    )
    name = st.sampled_from([*PARAMETER_RULES[calculator], "nosuch"]) | st.integers()
    drawn: dict[Any, Any] = data.draw(st.dictionaries(name, value, max_size=2))
    parameters: dict[Any, Any] = {**usual(calculator), **drawn}
    try:
        chosen = FeatureSet.from_settings({calculator: [parameters]}, timed=True)
    except UsageError:
        return
    assert FeatureSet.from_names(chosen.features).features == chosen.features


def test_a_calculator_of_ones_own_refuses_by_its_own_words() -> None:
    """What a user's calculator raises on every trial series reaches the user, by name and through settings."""

    def share_above(x: np.ndarray, level: float) -> float:
        if not 0 <= level <= 1:
            raise ValueError("level is a share")
        return float((x > level).mean())

    share_above.fctype = "simple"  # type: ignore[attr-defined]
    register_calculator(share_above)
    for wrong in (["share_above__level_1.5"], {"share_above": [{"level": 1.5}]}):
        with pytest.raises(UsageError, match=r"share_above__level_1.5.*level is a share"):
            parse_feature_set(wrong)
    for wrong in (["share_above"], {"share_above": [{"lvel": 0.5}]}):
        with pytest.raises(UsageError, match="share_above"):
            parse_feature_set(wrong)
    assert parse_feature_set({share_above: [{"level": 0.5}]}).features == ("share_above__level_0.5",)


def test_a_calculator_of_ones_own_may_want_long_series_above_zero() -> None:
    """A calculator that fails on one trial series and not on another is taken."""

    def log_of_later(x: np.ndarray) -> float:
        if len(x) < 100 or x.min() <= 0:
            raise ValueError("too short, or not above zero")
        return float(np.log(x[100:]).mean())

    log_of_later.fctype = "simple"  # type: ignore[attr-defined]
    register_calculator(log_of_later)
    assert parse_feature_set(["log_of_later"]).features == ("log_of_later",)


def test_what_was_stored_before_is_read_and_computed() -> None:
    """A recipe that holds a name refused today is read as it was, with its digest, and computes NaN as it did."""
    stored = FeatureSet(("mean", 'fft_aggregated__aggtype_"nosuch"', "binned_entropy__max_bins_0"))
    read = FeatureSet.from_json(stored.to_json())
    assert (read, read.digest) == (stored, stored.digest)
    recipe = Recipe("pump", ("volt",), (pd.Timedelta("4h"),), read)
    assert Recipe.from_json(recipe.to_json()).digest == recipe.digest
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        values = extract_windows(np.arange(8.0).reshape(1, 1, 8), ["volt"], read).iloc[0]
    assert values.tolist()[0] == 3.5
    assert values.isna().tolist() == [False, True, True]
