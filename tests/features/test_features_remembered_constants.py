"""tsfresh's results for constant series are cached."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from features.calculators import tsfresh_calculators
from features.calculators.tsfresh_calculators import CALCULATORS, calculate_by_tsfresh

FEATURES = ("mean", "maximum", "quantile__q_0.3", "skewness")


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """List the calls of tsfresh's calculators, with an empty cache before and after."""
    calls: list[str] = []
    function = CALCULATORS.function

    def listed(name: str) -> object:
        calls.append(name)
        return function(name)

    monkeypatch.setattr(CALCULATORS, "function", listed)
    tsfresh_calculators._constant_values.cache_clear()
    yield calls
    tsfresh_calculators._constant_values.cache_clear()


def test_a_constant_is_computed_once(calls: list[str]) -> None:
    """The same constant, in the same block or a later one, is tsfresh's once; another value or length is another."""
    first = calculate_by_tsfresh(np.full((3, 20), 7.3), FEATURES)
    assert len(calls) == len(FEATURES)
    assert calculate_by_tsfresh(np.full((1, 20), 7.3), list(FEATURES)).tobytes() == first[:1].tobytes()
    assert len(calls) == len(FEATURES)
    calculate_by_tsfresh(np.full((1, 21), 7.3), FEATURES)
    calculate_by_tsfresh(np.full((1, 20), 7.4), FEATURES)
    assert len(calls) == 3 * len(FEATURES)
    assert first[0, :3].tolist() == pytest.approx([7.3] * 3)


def test_other_series_are_computed_each_time(calls: list[str]) -> None:
    """A series with two values is never remembered."""
    series = np.array([[1.0, 1.0, 2.0]])
    assert calculate_by_tsfresh(series, FEATURES).tobytes() == calculate_by_tsfresh(series, FEATURES).tobytes()
    assert len(calls) == 2 * len(FEATURES)


def test_zeros_of_two_signs_and_nan(calls: list[str]) -> None:
    """The answer for 0.0 is not given for -0.0, nor for a mixture of both; a series of NaN is remembered too."""
    zeros = np.array([[0.0, 0.0], [-0.0, -0.0], [0.0, -0.0]])
    assert np.signbit(calculate_by_tsfresh(zeros, ["maximum"])[:2, 0]).tolist() == [False, True]
    assert len(calls) == 3
    assert np.isnan(calculate_by_tsfresh(np.full((5, 4), np.nan), ["mean"])).all()
    assert len(calls) == 4


def test_what_is_handed_out_may_be_changed(calls: list[str]) -> None:
    """Writing into a result does not change what is remembered."""
    constant = np.full((1, 5), 2.0)
    calculate_by_tsfresh(constant, ["mean"])[:] = 99
    assert calculate_by_tsfresh(constant, ["mean"]) == [[2.0]]
    assert calls == ["mean"]


def test_calculators_of_a_user_are_called_each_time(calls: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """A registered calculator may be replaced, or give what it likes: nothing of it is remembered."""
    monkeypatch.setitem(CALCULATORS._registered, "mean", lambda _: len(calls))
    constant = np.full((1, 5), 2.0)
    assert [calculate_by_tsfresh(constant, ["mean"]).item() for _ in range(3)] == [1, 2, 3]


def test_threads_share_the_memory(calls: list[str]) -> None:
    """Threads that ask for many constants at once get their own answers."""
    values = np.arange(40.0)
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda value: calculate_by_tsfresh(np.full((2, 9), value), ["median"]), [*values] * 3))
    assert [answer.tolist() for answer in answers] == [[[value], [value]] for value in [*values] * 3]
    assert len(calls) <= 3 * len(values)


def test_no_series_and_no_samples() -> None:
    """Blocks without rows, or without samples, are answered as before."""
    assert calculate_by_tsfresh(np.empty((0, 5)), FEATURES).shape == (0, len(FEATURES))
    assert np.isnan(calculate_by_tsfresh(np.empty((2, 0)), ["skewness"])).all()
