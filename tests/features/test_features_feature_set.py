"""Feature sets: frozen, hashable, JSON, the same digest everywhere, reduced to what a model uses."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from data_contracts.errors import UsageError
from features import PRESETS, FeatureSet, extract_windows, parse_feature_set, register_calculator

NAMES = ["mean", "quantile__q_0.1", 'linear_trend__attr_"slope"']


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("preset", PRESETS)
def test_presets_are_those_of_tsfresh(preset: str) -> None:
    """The names we hold as data are those of tsfresh's own settings objects, in their order.

    To write them again, a line each: ``FeatureSet.from_settings(ComprehensiveFCParameters()).features``.
    """
    from tsfresh.feature_extraction import settings

    original = getattr(settings, f"{preset.capitalize()}FCParameters")()
    assert FeatureSet.from_settings(original) == FeatureSet.from_preset(preset)


def test_json_gives_the_set_back() -> None:
    """A set written and read is equal, hashes alike and has the same digest; so for sets by kind."""
    for names in (NAMES, [f"volt__{name}" for name in NAMES] + ["rotate@24h__mean"]):
        original = FeatureSet.from_names(names)
        read = FeatureSet.from_json(original.to_json())
        assert (read, hash(read), read.digest) == (original, hash(original), original.digest)


def test_digest_is_the_same_in_another_process(repository: Path) -> None:
    """The digest does not depend on the process's hash seed, and is the one this test has always known."""
    code = f"from features import FeatureSet; print(FeatureSet.from_names({NAMES!r}).digest)"
    run = subprocess.run(
        [sys.executable, "-c", code],
        cwd=repository,
        env={**os.environ, "PYTHONHASHSEED": "7", "PYTHONPATH": str(repository)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout.strip() == FeatureSet.from_names(NAMES).digest == "058f5701936f0fff"


def test_order_is_part_of_the_set() -> None:
    """Other order, other columns, other digest."""
    assert FeatureSet.from_names(NAMES).digest != FeatureSet.from_names(NAMES[::-1]).digest


def test_reducing_keeps_what_columns_need() -> None:
    """A reduced set computes exactly the requested columns, whatever else the full set had."""
    columns = ["rotate__mean", "volt__quantile__q_0.1", 'events__count__code_"e1"__span_"24h"']
    reduced = FeatureSet.from_names(NAMES).reduce(columns)
    assert set(reduced.columns(["volt", "rotate", "pressure"])) == set(columns[:2])
    assert FeatureSet.from_names(NAMES).reduce([]).columns(["volt"]) == ()


def test_full_names_are_for_their_kind_only() -> None:
    """Names with a channel give that channel these features and no other channel any."""
    chosen = FeatureSet.from_names(["volt__mean", "rotate__median", "volt__maximum"])
    assert chosen.columns(["rotate", "volt", "heat"]) == ("rotate__median", "volt__mean", "volt__maximum")
    values = np.arange(12.0).reshape(1, 3, 4)
    assert extract_windows(values, ["rotate", "volt", "heat"], chosen).iloc[0].tolist() == [1.5, 5.5, 7.0]


def test_settings_of_a_plain_dict_are_taken_in_order() -> None:
    """A dict of tsfresh's shape gives its features in its order; those that need time stamps are left out."""
    given = {"quantile": [{"q": 0.9}, {"q": 0.1}], "mean": None, "linear_trend_timewise": [{"attr": "slope"}]}
    assert parse_feature_set(given).features == ("quantile__q_0.9", "quantile__q_0.1", "mean")


def test_unknown_calculators_are_refused_with_a_suggestion() -> None:
    """A mistyped calculator or preset is an error that names the one meant."""
    with pytest.raises(UsageError, match="Did you mean 'median'"):
        FeatureSet.from_names(["medain"])
    with pytest.raises(UsageError, match="Did you mean 'minimal'"):
        FeatureSet.from_preset("minimum")


def test_names_with_and_without_channel_do_not_mix() -> None:
    """A list with and without channels is ambiguous, and is refused."""
    with pytest.raises(UsageError, match="all of them with a kind, or none"):
        FeatureSet.from_names(["volt__mean", "median"])


def test_a_calculator_of_ones_own() -> None:
    """A user's function works under its name once registered, in settings and in lists of names."""

    def mean_of_ends(x: np.ndarray) -> float:
        return (x[0] + x[-1]) / 2

    mean_of_ends.fctype = "simple"  # type: ignore[attr-defined]
    register_calculator(mean_of_ends)
    values = np.array([[[1.0, 7.0, 4.0]]])
    for given in ({mean_of_ends: None}, ["mean_of_ends"]):
        assert extract_windows(values, ["volt"], given)["volt__mean_of_ends"].tolist() == [2.5]


def test_an_array_of_another_shape_is_refused() -> None:
    """Values must be (windows, channels, samples) with a name for each channel."""
    with pytest.raises(UsageError, match="shape"):
        extract_windows(np.zeros((2, 3)), ["a"], "minimal")
    with pytest.raises(UsageError, match="shape"):
        extract_windows(np.zeros((2, 3, 4)), ["a"], "minimal")


def test_no_windows_give_no_rows_and_no_samples_nan() -> None:
    """An array without windows has all columns and no row; without samples NaN throughout."""
    assert extract_windows(np.zeros((0, 1, 4)), ["a"], "minimal").shape == (0, 10)
    assert extract_windows(np.zeros((2, 1, 0)), ["a"], "minimal").isna().all(axis=None)
