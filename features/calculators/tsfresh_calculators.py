"""tsfresh's own calculators, one series at a time: exact by definition, and slow.

Features without a kernel are computed here, and so are the few series a kernel cannot handle (NaN or infinity in them,
or too ill-conditioned for a closed form). tsfresh is imported on first use, which takes seconds.
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

# For each calculator, the positions of its features and their parameters.
_ByCalculator = dict[str, tuple[list[int], list[dict[str, Any]]]]

# tsfresh computes the partial autocorrelation at lag 0 only together with a later lag: the last one of its presets.
_EXTRA_PARAMETERS: dict[str, tuple[dict[str, Any], ...]] = {"partial_autocorrelation": ({"lag": 9},)}

# What tsfresh's calculators raise for series they cannot handle, such as too short ones.
_SERIES_ERRORS = (ArithmeticError, AssertionError, IndexError, ValueError)


class Calculators:
    """The calculators by name: kernels, tsfresh's own, and those a user has registered."""

    def __init__(self) -> None:
        self._registered: dict[str, Callable[..., Any]] = {}

    def register(self, calculator: Callable[..., Any]) -> None:
        """Add a user's calculator, or replace it."""
        self._registered[calculator.__name__] = calculator

    def knows(self, name: str) -> bool:
        """Whether a calculator has this name."""
        return name in KERNELS or name in self._registered or name in _tsfresh_names()

    def is_registered(self, name: str) -> bool:
        """Whether a calculator is a user's own."""
        return name in self._registered

    def names(self) -> tuple[str, ...]:
        """Return all names, sorted."""
        return tuple(sorted({*KERNELS, *self._registered, *_tsfresh_names()}))

    def function(self, name: str) -> Callable[..., Any]:
        """Return the function that computes one series; a UsageError if there is none."""
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
    """Register a user's calculator under its function's name; usable as a decorator.

    Parameters
    ----------
    calculator
        A function as tsfresh expects them: ``set_property("fctype", "simple" | "combiner")``, one array in.
        It must be registered in every process that computes its features.

    Returns
    -------
    callable
        The same function.
    """
    CALCULATORS.register(calculator)
    return calculator


@lru_cache(maxsize=64)
def needs_times(features: tuple[str, ...]) -> bool:
    """Whether one of some features uses time stamps."""
    return any(feature.split("__", 1)[0] in NEEDS_TIMES for feature in features)


def calculate_by_tsfresh(
    block: npt.NDArray[np.float64], features: Sequence[str], hours: npt.NDArray[np.float64] | None = None
) -> npt.NDArray[np.float64]:
    """Compute features of series (n, samples) with tsfresh's own functions, (n, n_features).

    Where a calculator fails (on too short a series, say) the value is NaN. Results for constant series (a stuck sensor,
    an idle machine) are cached, the latest thousand of them. `hours` (n, samples) since each series' first sample:
    without them, features that need times are NaN.
    """
    names = tuple(features)
    by_calculator = _by_calculator(names)
    timed = {calculator: by_calculator.pop(calculator) for calculator in NEEDS_TIMES & by_calculator.keys()}
    cacheable = not any(CALCULATORS.is_registered(calculator) for calculator in by_calculator)
    # Compared as bits: a series of NaN is constant too, and 0.0 differs from -0.0.
    bits = np.ascontiguousarray(block, dtype=np.float64).view(np.int64)
    repeating = (bits == bits[:, :1]).all(axis=1)
    result = np.empty((len(block), len(names)))
    # Loaded first: statsmodels sets warning filters of its own when it is imported.
    _tsfresh()
    # One thread at a time: Python's warning filter belongs to the process, and these functions hold the interpreter.
    with _LOCK, warnings.catch_warnings(), np.errstate(all="ignore"):
        # numpy, scipy and statsmodels warn about the NaN we expect for short and constant series.
        warnings.simplefilter("ignore")
        for row, series in enumerate(block):
            if cacheable and series.size and repeating[row]:
                result[row] = _constant_values(names, series.size, int(bits[row, 0]))
            else:
                result[row] = _series_values(series, by_calculator, len(names))
            if hours is not None:
                for calculator, (positions, parameters) in timed.items():
                    at_times = pd.Series(series.copy(), index=pd.to_timedelta(hours[row], unit="h"))
                    result[row, positions] = _calculator_values(calculator, at_times, parameters)
    return result


@cache
def warn_slow(calculators: frozenset[str]) -> None:
    """Warn, once a process for the same calculators, that they have no kernel."""
    _logger.warning("no kernel yet, computed series by series through tsfresh: %s", ", ".join(sorted(calculators)))


@lru_cache(maxsize=1024)
def _constant_values(features: tuple[str, ...], samples: int, bits: int) -> npt.NDArray[np.float64]:
    series = np.full(samples, bits, dtype=np.int64).view(np.float64)
    by_calculator = _by_calculator(features)
    for calculator in NEEDS_TIMES & by_calculator.keys():
        del by_calculator[calculator]
    values = _series_values(series, by_calculator, len(features))
    values.flags.writeable = False
    return values


def _series_values(
    series: npt.NDArray[np.float64], by_calculator: _ByCalculator, features: int
) -> npt.NDArray[np.float64]:
    values = np.full(features, np.nan)
    for calculator, (positions, parameters) in by_calculator.items():
        values[positions] = _calculator_values(calculator, series.copy(), parameters)
    return values


def _by_calculator(features: Sequence[str]) -> _ByCalculator:
    by_calculator: _ByCalculator = {}
    for position, feature in enumerate(features):
        calculator, parameters = parse_feature(feature)
        positions, parameter_sets = by_calculator.setdefault(calculator, ([], []))
        positions.append(position)
        parameter_sets.append(parameters)
    return by_calculator


def strict_values(
    calculator: str, series: "npt.NDArray[np.float64] | pd.Series[float]", parameters: Sequence[Mapping[str, Any]]
) -> list[float]:
    """Compute a calculator for a series, a value for each set of parameters; whatever it raises is not caught."""
    function = CALCULATORS.function(calculator)
    x = pd.Series(series) if getattr(function, "input", None) == "pd.Series" else series
    if getattr(function, "fctype", None) != "combiner":
        return [float(function(x, **p)) for p in parameters]
    by_name = dict(function(x, param=[*parameters, *_EXTRA_PARAMETERS.get(calculator, ())]))
    return [float(by_name[_suffix(calculator, p)]) for p in parameters]


def _calculator_values(
    calculator: str, series: "npt.NDArray[np.float64] | pd.Series[float]", parameters: Sequence[Mapping[str, Any]]
) -> list[float]:
    if len(parameters) > 1 and getattr(CALCULATORS.function(calculator), "fctype", None) != "combiner":
        return [value for p in parameters for value in _calculator_values(calculator, series, [p])]
    try:
        return strict_values(calculator, series, parameters)
    except (*_SERIES_ERRORS, _missing_data_error()) as error:
        if isinstance(error, IndexError) and len(parameters) > 1:
            # A coefficient that this series is too short for must not deprive the others of their values.
            return [value for p in parameters for value in _calculator_values(calculator, series, [p])]
        return [np.nan] * len(parameters)


def _suffix(calculator: str, parameters: Mapping[str, object]) -> str:
    return format_feature(calculator, parameters).partition("__")[2]


@cache
def _tsfresh() -> types.ModuleType:
    # tsfresh is slow to import (numba, statsmodels, stumpy), so it is imported on first use.
    from tsfresh.feature_extraction import feature_calculators

    module: types.ModuleType = feature_calculators
    return module


@cache
def _tsfresh_names() -> frozenset[str]:
    return frozenset(name for name, member in vars(_tsfresh()).items() if hasattr(member, "fctype"))


@cache
def _missing_data_error() -> type[Exception]:
    # statsmodels raises it for NaN, and it derives from Exception alone.
    error: type[Exception] = _tsfresh().MissingDataError
    return error
