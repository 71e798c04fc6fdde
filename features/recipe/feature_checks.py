"""Checks of new feature sets: known calculators, parameters that they accept, and names with or without a kind.

A mistake is refused here, by name, and not as a column of NaN or an error in the middle of an hour's computation.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from data_contracts.errors import UsageError, did_you_mean
from features.calculators.parameter_rules import PARAMETER_RULES
from features.calculators.parameters import check_name, check_settings, own_name
from features.calculators.tsfresh_calculators import CALCULATORS, NEEDS_TIMES, strict_values
from features.kernels.registry import KERNELS
from features.names import is_parameter, parse_feature, split_feature


def checked_names(features: Iterable[str]) -> tuple[str, ...]:
    """Return features, named without a kind, each once; a UsageError for one that cannot be computed."""
    unique = tuple(dict.fromkeys(features))
    for feature in unique:
        calculator = _known(split_feature(feature)[0])
        if not _is_own(calculator):
            check_name(feature)
    _try_own(unique)
    return unique


def checked_settings(settings: Mapping[Any, Any], *, timed: bool) -> tuple[str, ...]:
    """Name the features of a settings object, each once; a UsageError for one that cannot be computed."""
    features = []
    for key, parameter_list in settings.items():
        calculator = _known(getattr(key, "__name__", key))
        if calculator in NEEDS_TIMES and not timed:
            continue
        name = own_name if _is_own(calculator) else check_settings
        features += [name(calculator, parameters) for parameters in _parameter_sets(calculator, parameter_list)]
    unique = tuple(dict.fromkeys(features))
    _try_own(unique)
    return unique


def names_a_kind(name: str) -> bool:
    """Whether a feature's name begins with a kind, such as a channel's."""
    first, *others = split_feature(name)
    if not others or is_parameter(others[0]):
        return False
    # A parameter that cannot be read, as in fft_coefficient__attr_real, is a mistake and no calculator.
    return first not in PARAMETER_RULES or CALCULATORS.knows(others[0])


def _is_own(calculator: str) -> bool:
    return CALCULATORS.is_registered(calculator) and calculator not in KERNELS


def _known(calculator: object) -> str:
    if not isinstance(calculator, str) or not CALCULATORS.knows(calculator):
        raise UsageError(
            f"unknown calculator {calculator!r}",
            "one of tsfresh's, or one registered with features.register_calculator",
            did_you_mean(str(calculator), CALCULATORS.names()) or "See tsfresh's list of feature calculators",
        )
    return calculator


def _parameter_sets(calculator: str, parameter_list: object) -> Sequence[Mapping[Any, Any]]:
    if parameter_list is None:
        return [{}]
    if not isinstance(parameter_list, list | tuple) or not all(isinstance(each, Mapping) for each in parameter_list):
        raise UsageError(
            f"the parameters {parameter_list!r} of {calculator}",
            "None, or a list of dicts, one for each feature",
            "Write them as tsfresh does, such as [{'q': 0.1}, {'q': 0.9}]",
        )
    return parameter_list or [{}]


def _try_own(features: Sequence[str]) -> None:
    """Compute features of users' own calculators on trial series; refuse what fails on all of them."""
    for feature in features:
        calculator = split_feature(feature)[0]
        if not _is_own(calculator):
            continue
        parameters = parse_feature(feature)[1]
        errors = [_trial_error(calculator, parameters, series) for series in _trial_series()]
        if all(error is not None for error in errors):
            raise UsageError(
                f"the feature {feature!r} cannot be computed ({type(errors[0]).__name__}: {errors[0]})",
                f"parameters that {calculator} accepts",
                "Correct them, or the calculator",
            ) from errors[0]


def _trial_error(calculator: str, parameters: Mapping[str, Any], series: npt.NDArray[np.float64]) -> Exception | None:
    try:
        with np.errstate(all="ignore"):
            strict_values(calculator, series, [parameters])
    except Exception as error:  # a user's function may raise anything
        return error
    return None


def _trial_series() -> list[npt.NDArray[np.float64]]:
    """Return noise, long noise, and a long walk above zero: a calculator may want length, or positive values."""
    rng = np.random.default_rng(0)
    walk = rng.normal(size=1024).cumsum()
    return [rng.normal(size=64), rng.normal(size=1024), walk - walk.min() + 1.0]
