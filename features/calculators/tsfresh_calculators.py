"""tsfresh's own calculators, one series at a time: exact by definition, and slow.

Whatever has no kernel of ours runs here, and so do the few windows a kernel refuses (NaN or infinity in them, or too
ill-conditioned for a closed form). tsfresh is imported when it is first needed: that takes seconds.
"""

import logging
import threading
import types
import warnings
from collections.abc import Callable, Mapping, Sequence
from functools import cache, lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from data_contracts.errors import UsageError
from features.kernels.registry import KERNELS
from features.names import format_feature, parse_feature

_logger = logging.getLogger("forewarn.features")
_LOCK = threading.Lock()

#: Calculators that need time stamps. tsfresh leaves their columns out when there are none, and so do we.
NEEDS_TIMES = frozenset({"linear_trend_timewise"})

# For each calculator, where its features stand among those wanted, and their parameters.
_Wanted = dict[str, tuple[list[int], list[dict[str, Any]]]]

# tsfresh has no partial autocorrelation at lag 0 unless a later lag is asked for with it: that of its own presets is.
_ASKED_BESIDE: dict[str, tuple[dict[str, Any], ...]] = {"partial_autocorrelation": ({"lag": 9},)}

# What tsfresh's calculators raise for series that are too short or too strange for them.
_REFUSALS = (ArithmeticError, AssertionError, IndexError, ValueError)


class Calculators:
    """Know the calculators by name: kernels, tsfresh's own, and those a user has registered."""

    def __init__(self) -> None:
        self._registered: dict[str, Callable[..., Any]] = {}

    def register(self, calculator: Callable[..., Any]) -> None:
        """Add a user's own calculator, or replace it.

        Parameters
        ----------
        calculator
            A function with tsfresh's properties (``set_property("fctype", ...)``).
        """
        self._registered[calculator.__name__] = calculator

    def knows(self, name: str) -> bool:
        """Say whether there is a calculator of this name.

        Parameters
        ----------
        name
            A calculator's name.

        Returns
        -------
        bool
        """
        return name in KERNELS or name in self._registered or name in _tsfresh_names()

    def is_registered(self, name: str) -> bool:
        """Say whether a calculator is a user's own.

        Parameters
        ----------
        name
            A calculator's name.

        Returns
        -------
        bool
        """
        return name in self._registered

    def names(self) -> tuple[str, ...]:
        """List all calculators.

        Returns
        -------
        tuple of str
        """
        return tuple(sorted({*KERNELS, *self._registered, *_tsfresh_names()}))

    def function(self, name: str) -> Callable[..., Any]:
        """Give the function that computes one series.

        Parameters
        ----------
        name
            A calculator's name.

        Returns
        -------
        callable

        Raises
        ------
        UsageError
            When there is none.
        """
        if name in self._registered:
            return self._registered[name]
        if name not in _tsfresh_names():
            raise UsageError(
                f"The calculator {name!r}",
                "one that is registered in this process",
                "Call features.register_calculator",
            )
        function: Callable[..., Any] = getattr(_tsfresh(), name)
        return function


CALCULATORS = Calculators()


def register_calculator(calculator: Callable[..., Any]) -> Callable[..., Any]:
    """Make a calculator of one's own known under its function's name; usable as a decorator.

    Parameters
    ----------
    calculator
        A function as tsfresh wants them: ``set_property("fctype", "simple" | "combiner")``, one array in.
        It has to be registered in every process that computes its features.

    Returns
    -------
    callable
        The same function.
    """
    CALCULATORS.register(calculator)
    return calculator


@lru_cache(maxsize=64)
def needs_times(features: tuple[str, ...]) -> bool:
    """Say whether one of some features looks at time stamps.

    Parameters
    ----------
    features
        Names without the kind.

    Returns
    -------
    bool
    """
    return any(feature.split("__", 1)[0] in NEEDS_TIMES for feature in features)


def calculate_by_tsfresh(
    block: npt.NDArray[np.float64], features: Sequence[str], hours: npt.NDArray[np.float64] | None = None
) -> npt.NDArray[np.float64]:
    """Compute features with tsfresh's own functions, series by series.

    A calculator that refuses a series (too short for it, say) gives NaN. What tsfresh has said of a series that holds
    one value (a sensor that is stuck, a machine that stands still) is remembered, for the latest thousand of them.

    Parameters
    ----------
    block : (n, samples)
        One series a row.
    features
        Names without the kind.
    hours : (n, samples), optional
        When each sample was taken, in hours since the first of its series. Without it what needs times is NaN.

    Returns
    -------
    (n, len(features)) array
    """
    names = tuple(features)
    wanted = _by_calculator(names)
    timed = {calculator: wanted.pop(calculator) for calculator in NEEDS_TIMES & wanted.keys()}
    may_remember = not any(CALCULATORS.is_registered(calculator) for calculator in wanted)
    # Compared as bits: a series of NaN repeats too, and one of 0.0 is not one of -0.0.
    bits = np.ascontiguousarray(block, dtype=np.float64).view(np.int64)
    repeating = (bits == bits[:, :1]).all(axis=1)
    result = np.empty((len(block), len(names)))
    # Loaded before: statsmodels sets filters of its own as it is imported.
    _tsfresh()
    # One thread at a time: Python's own warning filter is the process's, and these functions share the interpreter.
    with _LOCK, warnings.catch_warnings(), np.errstate(all="ignore"):
        # Short and constant series make numpy, scipy and statsmodels warn about the NaN we expect of them.
        warnings.simplefilter("ignore")
        for row, series in enumerate(block):
            if may_remember and series.size and repeating[row]:
                result[row] = _of_constant(names, series.size, int(bits[row, 0]))
            else:
                result[row] = _of_series(series, wanted, len(names))
            if hours is not None:
                for calculator, (positions, parameters) in timed.items():
                    at_times = pd.Series(series.copy(), index=pd.to_timedelta(hours[row], unit="h"))
                    result[row, positions] = _one_series(calculator, at_times, parameters)
    return result


@cache
def say_slow(calculators: frozenset[str]) -> None:
    """Log, once a process for the same calculators, that they take the slow way.

    Parameters
    ----------
    calculators
        Names that have no kernel.
    """
    _logger.warning("no kernel yet, computed series by series through tsfresh: %s", ", ".join(sorted(calculators)))


@lru_cache(maxsize=1024)
def _of_constant(features: tuple[str, ...], samples: int, bits: int) -> npt.NDArray[np.float64]:
    series = np.full(samples, bits, dtype=np.int64).view(np.float64)
    wanted = _by_calculator(features)
    for calculator in NEEDS_TIMES & wanted.keys():
        del wanted[calculator]
    answers = _of_series(series, wanted, len(features))
    answers.flags.writeable = False
    return answers


def _of_series(series: npt.NDArray[np.float64], wanted: _Wanted, features: int) -> npt.NDArray[np.float64]:
    answers = np.full(features, np.nan)
    for calculator, (positions, parameters) in wanted.items():
        answers[positions] = _one_series(calculator, series.copy(), parameters)
    return answers


def _by_calculator(features: Sequence[str]) -> _Wanted:
    wanted: _Wanted = {}
    for position, feature in enumerate(features):
        calculator, parameters = parse_feature(feature)
        positions, given = wanted.setdefault(calculator, ([], []))
        positions.append(position)
        given.append(parameters)
    return wanted


def _one_series(
    calculator: str, series: "npt.NDArray[np.float64] | pd.Series[float]", parameters: list[dict[str, Any]]
) -> list[float]:
    function = CALCULATORS.function(calculator)
    x = pd.Series(series) if getattr(function, "input", None) == "pd.Series" else series
    if getattr(function, "fctype", None) != "combiner":
        return [_one_value(function, x, given) for given in parameters]
    try:
        by_name = dict(function(x, param=[*parameters, *_ASKED_BESIDE.get(calculator, ())]))
        return [float(by_name[_suffix(calculator, given)]) for given in parameters]
    except (*_REFUSALS, _missing_data_error()):
        return [np.nan] * len(parameters)


def _one_value(function: Callable[..., Any], x: Any, parameters: Mapping[str, Any]) -> float:
    try:
        return float(function(x, **parameters))
    except (*_REFUSALS, _missing_data_error()):
        return np.nan


def _suffix(calculator: str, parameters: Mapping[str, object]) -> str:
    return format_feature(calculator, parameters).partition("__")[2]


@cache
def _tsfresh() -> types.ModuleType:
    # tsfresh is heavy (numba, statsmodels, stumpy): only those who need it wait for it.
    from tsfresh.feature_extraction import feature_calculators

    module: types.ModuleType = feature_calculators
    return module


@cache
def _tsfresh_names() -> frozenset[str]:
    return frozenset(name for name, thing in vars(_tsfresh()).items() if hasattr(thing, "fctype"))


@cache
def _missing_data_error() -> type[Exception]:
    # statsmodels raises this one for NaN, and it is a child of nothing more telling than Exception.
    error: type[Exception] = _tsfresh().MissingDataError
    return error
